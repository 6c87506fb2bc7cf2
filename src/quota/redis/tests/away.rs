//! The store while Redis is away, slow, or has lost everything.

use super::{
    servers::Server,
    store::{ask, booked, look, store, store_on, target},
    *,
};
use crate::{error::Code, quota::Settlement};

#[tokio::test]
async fn a_redis_that_is_away_is_an_error_and_settlements_are_kept_for_its_return() {
    let mut server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let store = store_on(&server);
    let asked = ask(1, 30_000.0, &[0]);
    let booking = booked(&store, &asked).await;
    server.kill();
    let error = eventually(|| async {
        match store.book(&asked, 0.0).await {
            Err(error) if error.to_string().contains("cannot be reached") => Ok(error),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert_eq!(error.clone().into_error().code(), Code::Store);
    let address = format!("redis at 127.0.0.1:{}", server.port);
    assert!(error.to_string().contains(&address), "{error}");
    assert_eq!(error.to_string().matches("redis at").count(), 1, "{error}");
    // While it is known to be away nothing is sent, so this certainly has not run.
    store.settle(Settlement::unsent(booking));
    assert!(store.book(&asked, 0.0).await.is_err());
    server.restart();
    let left = eventually(|| async {
        let standings = store.look(&asked, 0.0).await;
        standings.map_err(|error| error.to_string())
    })
    .await;
    assert_eq!(left[0].tokens_left, Some(60_000.0));
}

#[tokio::test]
async fn a_settlement_that_may_have_arrived_is_not_sent_again() {
    let server = Server::start(&[]);
    let limits = TimeLimits {
        round_trip: Duration::from_millis(300),
        ..PATIENT
    };
    let store = store(connection(&target(&server), limits));
    let mut asked = ask(1, 20_000.0, &[0]);
    asked.force = true;
    let first = booked(&store, &asked).await;
    booked(&store, &asked).await;
    server.hang();
    store.settle(Settlement::unsent(first));
    let error = store.look(&asked, 0.0).await.unwrap_err();
    assert!(
        error.to_string().contains("did not answer in time"),
        "{error}"
    );
    server.go_on();
    let left = eventually(|| async {
        let standings = store.look(&asked, 0.0).await;
        standings.map_err(|error| error.to_string())
    })
    .await;
    // 20,000 of 40,000 have come back once; the rest flows back by 1,000 in a second.
    let left = left[0].tokens_left.unwrap();
    assert!((40_000.0..55_000.0).contains(&left), "{left}");
}

#[tokio::test]
async fn a_booking_of_a_lane_that_redis_has_lost_changes_nothing() {
    let server = Server::start(&[]);
    let (store, direct) = (store_on(&server), connection(&target(&server), PATIENT));
    let old = booked(&store, &ask(1, 30_000.0, &[0])).await;
    text(&direct, "FLUSHALL").await;
    store.settle(Settlement::unsent(old.clone()));
    look(&store, &[0]).await;
    assert_eq!(text(&direct, "DBSIZE").await, "0");
    let new = booked(&store, &ask(2, 30_000.0, &[0])).await;
    assert!(new.taken.booked_ms > old.taken.booked_ms);
    store.settle(Settlement::unsent(old));
    let left = look(&store, &[0]).await[0].tokens_left.unwrap();
    assert!(left < 40_000.0, "{left}");
}
