//! Requests go on while a real Redis is away, and what they used is in it afterwards, once.
//!
//! The lanes are limited by day: what flows back in a test is next to nothing.

use std::{sync::Arc, time::Duration};

use crate::{
    config::{Limits, OnRedisDown},
    error::Code,
    headers::{Meter, Reading, Window},
    quota::{
        Answer, Ask, Booking, Metric, QuotaGroups, Settlement, SharedStore, Store, Unspent,
        redis::{
            Charge, RedisStore,
            tests::store::{ask, target},
        },
    },
    redis::{
        Connection, TimeLimits,
        tests::{servers::Server, *},
    },
};

/// One flows back in a second.
const DAILY: f64 = 86_400.0;

const LANE: &str = "orm:{shop:gpt-4o}:lane:acme";

/// Keeps everything, as Redis does on disk.
const DURABLE: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

fn store_at(target: &Json, limits: TimeLimits, on_redis_down: OnRedisDown) -> SharedStore {
    let connection = Arc::new(connection(target, limits));
    let groups: QuotaGroups = ["acme", "globex"].map(Arc::from).into_iter().collect();
    SharedStore::new(
        RedisStore::new(connection, "shop", groups.into()),
        on_redis_down,
    )
}

fn store_on(server: &Server) -> SharedStore {
    store_at(&target(server), PATIENT, OnRedisDown::Degrade)
}

/// A request of so many tokens for a lane of 86,400 a day.
fn daily(claimant: u64, tokens: f64) -> Ask {
    let mut ask = ask(claimant, tokens, &[0]);
    ask.candidates[0].limits = Limits {
        tokens_per_day: Some(DAILY),
        ..Limits::default()
    };
    ask
}

async fn booked(store: &SharedStore, ask: &Ask) -> Booking {
    match store.book(ask, 0.0).await.unwrap() {
        Answer::Booked(booking) => booking,
        other => panic!("not booked: {other:?}"),
    }
}

/// Books without Redis: the first bookings may still have found it.
async fn booked_alone(store: &SharedStore, ask: &Ask) -> Booking {
    eventually(|| async {
        let booking = booked(store, ask).await;
        match booking.alone {
            Some(_) => Ok(booking),
            None => {
                store.settle(Settlement::unsent(booking), 0.0);
                Err("Redis still answers".to_owned())
            }
        }
    })
    .await
}

async fn is_shared_again(store: &SharedStore) {
    eventually(|| async {
        match store.sharing(&"gpt-4o".into()).unwrap().away {
            None => Ok(()),
            Some((lasted, because)) => Err(format!("{lasted:?}: {because}")),
        }
    })
    .await;
    store.carried().await;
}

async fn left(direct: &Connection) -> f64 {
    let level = text(direct, &format!("HGET {LANE} level:tokens_per_day")).await;
    level.parse().unwrap_or_else(|_| panic!("{level:?}"))
}

/// Equal but for what flows back while a test runs.
#[track_caller]
fn assert_near(left: f64, expected: f64) {
    assert!(
        (-1.0..120.0).contains(&(left - expected)),
        "{left}, not {expected}"
    );
}

#[tokio::test]
async fn a_killed_redis_fails_nobody_and_hears_what_was_used_meanwhile_once() {
    let mut server = Server::start(&DURABLE);
    let store = store_on(&server);
    let other = store_on(&server);
    booked(&store, &daily(1, 10_000.0)).await;
    // The second process comes last, so it alone knows that there are two.
    booked(&other, &daily(2, 10_000.0)).await;
    server.kill();
    let sent = booked_alone(&other, &daily(3, 5_000.0)).await;
    let never_sent = booked_alone(&other, &daily(4, 5_000.0)).await;
    let late = booked_alone(&other, &daily(5, 5_000.0)).await;
    let sharing = other.sharing(&"gpt-4o".into()).unwrap();
    assert_eq!(sharing.processes, 2.0);
    assert!(sharing.away.unwrap().1.contains("redis at 127.0.0.1"));
    other.settle(Settlement::unsent(never_sent), 0.0);
    other.settle(
        Settlement {
            unspent: Unspent::Nothing,
            ..Settlement::unsent(sent)
        },
        0.0,
    );
    server.restart();
    is_shared_again(&other).await;
    let direct = connection(&target(&server), PATIENT);
    // 5,000 were sent, and the fate of 5,000 is not known yet.
    assert_near(left(&direct).await, DAILY - 20_000.0 - 10_000.0);
    other.settle(Settlement::unsent(late), 0.0);
    other.carried().await;
    assert_near(left(&direct).await, DAILY - 20_000.0 - 5_000.0);
    let codes: Vec<_> = other
        .take_warnings()
        .iter()
        .map(|warning| warning.code)
        .collect();
    assert_eq!(codes, ["REDIS_AWAY", "REDIS_BACK"]);
    assert!(booked(&other, &daily(6, 1.0)).await.alone.is_none());
}

#[tokio::test]
async fn a_redis_that_has_lost_everything_is_told_what_was_left() {
    let mut server = Server::start(&[]);
    let store = store_on(&server);
    booked(&store, &daily(1, 30_000.0)).await;
    server.kill();
    booked_alone(&store, &daily(2, 10_000.0)).await;
    server.restart();
    is_shared_again(&store).await;
    let direct = connection(&target(&server), PATIENT);
    assert_near(left(&direct).await, DAILY - 40_000.0);
}

#[tokio::test]
async fn each_process_keeps_to_its_share_and_large_requests_wait_for_all_of_it() {
    let mut server = Server::start(&[]);
    let stores = [
        store_on(&server),
        store_on(&server),
        store_on(&server),
        store_on(&server),
    ];
    for (store, claimant) in stores.iter().zip(1..) {
        booked(store, &daily(claimant, 1_600.0)).await;
    }
    // The last one knows of all four. 80,000 are left, 20,000 for each.
    let store = &stores[3];
    server.kill();
    let large = daily(5, 60_000.0);
    let ask_again_ms = eventually(|| async {
        match store.book(&large, 0.0).await.unwrap() {
            // Shared, they would fit at once; alone they wait until the share is full.
            Answer::Later {
                ask_again_ms,
                wait_ms: 0.0,
            } => Ok(ask_again_ms),
            Answer::Booked(booking) => {
                store.settle(Settlement::unsent(booking), 0.0);
                Err("Redis still answers")?
            }
            other => panic!("{other:?}"),
        }
    })
    .await;
    // A share of 21,600 with 20,000 in it is full in hours; Redis may be back in a second.
    assert_eq!(ask_again_ms, 1_000.0);
    // Nobody comes before one who waits.
    store.withdraw("gpt-4o", large.claimant);
    let mut taken = 0.0;
    for claimant in 10..40 {
        if let Answer::Booked(booking) = store.book(&daily(claimant, 1_000.0), 0.0).await.unwrap() {
            taken += booking.taken.cost.tokens;
        }
    }
    assert!((18_000.0..=20_000.0).contains(&taken), "{taken}");
    let too_large = store.book(&daily(50, DAILY + 1.0), 0.0).await.unwrap();
    let never = Answer::Never {
        metric: Metric::TokensPerDay,
        limit: DAILY,
    };
    assert_eq!(too_large, never);
}

#[tokio::test]
async fn limits_that_answers_told_are_shared_as_well() {
    let mut server = Server::start(&[]);
    let stores = [store_on(&server), store_on(&server)];
    let mut asked = ask(1, 1_000.0, &[0]);
    asked.candidates[0].limits = Limits::default();
    for store in &stores {
        let booking = booked(store, &asked).await;
        let reading = Reading {
            tokens: Meter {
                limit: Some(DAILY),
                remaining: Some(80_000.0),
                reset: None,
                stated_window: Some(Window::Day),
            },
            ..Reading::default()
        };
        let settlement = Settlement {
            reading,
            unspent: Unspent::Nothing,
            ..Settlement::unsent(booking)
        };
        store.settle(settlement, 0.0);
        // Known to the books of the next booking.
        store.carried().await;
    }
    booked(&stores[1], &asked).await;
    server.kill();
    booked_alone(&stores[1], &asked).await;
    asked.cost.tokens = 43_200.0 - 1_000.0;
    let Answer::Later { .. } = stores[1].book(&asked, 0.0).await.unwrap() else {
        panic!("more than the share");
    };
}

#[tokio::test]
async fn a_redis_that_hangs_holds_nobody_up_for_longer_than_a_round_trip_may_take() {
    let server = Server::start(&[]);
    let limits = TimeLimits {
        round_trip: Duration::from_millis(200),
        ..PATIENT
    };
    let store = store_at(&target(&server), limits, OnRedisDown::Degrade);
    booked(&store, &daily(1, 1_000.0)).await;
    server.hang();
    for claimant in 2..50 {
        assert!(
            booked(&store, &daily(claimant, 100.0))
                .await
                .alone
                .is_some()
        );
    }
    server.go_on();
    is_shared_again(&store).await;
    let direct = connection(&target(&server), PATIENT);
    // The first of those that hung may have been booked in Redis as well: nobody could know.
    let left = left(&direct).await;
    let expected = DAILY - 1_000.0 - 48.0 * 100.0;
    assert!(
        (-101.0..120.0).contains(&(left - expected)),
        "{left}, not {expected}"
    );
}

#[tokio::test]
async fn whatever_keeps_redis_from_writing_is_an_outage_that_ends_with_it() {
    let server = Server::start(&[]);
    let direct = connection(&target(&server), PATIENT);
    text(&direct, "ACL SETUSER app on >secret ~* &* +@all").await;
    let mut target = target(&server);
    target["username"] = "app".into();
    target["password"] = "secret".into();
    let nowhere = crate::redis::tests::servers::free_port();
    for (word, broken, whole) in [
        ("memory", "CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
        (
            "replica",
            &*format!("REPLICAOF 127.0.0.1 {nowhere}"),
            "REPLICAOF NO ONE",
        ),
        (
            "allow",
            "ACL SETUSER app -evalsha -eval",
            "ACL SETUSER app +@all",
        ),
        (
            "allow",
            "ACL SETUSER app resetkeys ~none",
            "ACL SETUSER app ~*",
        ),
    ] {
        let store = store_at(&target, PATIENT, OnRedisDown::Degrade);
        let strict = store_at(&target, PATIENT, OnRedisDown::Fail);
        assert!(
            booked(&store, &daily(1, 10.0)).await.alone.is_none(),
            "{broken}"
        );
        text(&direct, broken).await;
        assert!(
            booked(&store, &daily(2, 10.0)).await.alone.is_some(),
            "{broken}"
        );
        let because = store.sharing(&"gpt-4o".into()).unwrap().away.unwrap().1;
        assert!(because.contains(word), "{because}");
        assert!(!because.contains("secret"), "{because}");
        // It would be back and away by turns otherwise.
        let probed = store.shared.redis.probe(&"gpt-4o".into()).await;
        assert!(probed.is_err(), "{broken}");
        let error = strict.book(&daily(3, 10.0), 0.0).await.unwrap_err();
        assert_eq!(error.code(), Code::Store);
        text(&direct, whole).await;
        is_shared_again(&store).await;
        assert!(
            booked(&store, &daily(4, 10.0)).await.alone.is_none(),
            "{whole}"
        );
    }
}

#[tokio::test]
async fn a_wrong_password_is_an_outage_from_the_first_request_on() {
    let server = Server::start(&["--requirepass", "right"]);
    let mut wrong = target(&server);
    wrong["password"] = "wrong".into();
    let store = store_at(&wrong, PATIENT, OnRedisDown::Degrade);
    let booking = booked(&store, &daily(1, 1_000.0)).await;
    assert!(booking.alone.is_some());
    let because = store.sharing(&"gpt-4o".into()).unwrap().away.unwrap().1;
    assert!(because.contains("refused the login"), "{because}");
    let mut right = target(&server);
    right["password"] = "right".into();
    let direct = connection(&right, PATIENT);
    text(&direct, "CONFIG SET requirepass wrong").await;
    is_shared_again(&store).await;
    assert_eq!(store.look(&daily(2, 1.0), 0.0).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_charge_whose_answer_is_lost_is_taken_once() {
    let mut server = Server::start(&DURABLE);
    let limits = TimeLimits {
        round_trip: Duration::from_millis(200),
        ..PATIENT
    };
    let store = store_at(&target(&server), limits, OnRedisDown::Degrade);
    booked(&store, &daily(1, 1_000.0)).await;
    let direct = connection(&target(&server), PATIENT);
    let shared = &store.shared;
    let charge = || Charge {
        quota_group: 0,
        limits: daily(1, 1.0).candidates[0].limits,
        used: [0.0, 0.0, 0.0, 500.0],
        most_left: [None; 4],
        alone_ms: 0.0,
        block_ms: None,
    };
    // It arrives, and its answer does not.
    server.hang();
    shared.redis.charge(&"gpt-4o".into(), charge());
    assert!(shared.redis.probe(&"gpt-4o".into()).await.is_err());
    server.go_on();
    shared.redis.carried().await;
    assert_near(left(&direct).await, DAILY - 1_500.0);
    // It never arrives.
    server.kill();
    shared.redis.charge(&"gpt-4o".into(), charge());
    eventually(|| async {
        match shared.redis.probe(&"gpt-4o".into()).await {
            Ok(()) => Err("Redis still answers".to_owned()),
            Err(_) => Ok(()),
        }
    })
    .await;
    server.restart();
    eventually(|| async {
        let probed = shared.redis.probe(&"gpt-4o".into()).await;
        probed.map_err(|away| away.to_string())
    })
    .await;
    let direct = connection(&target(&server), PATIENT);
    assert_near(left(&direct).await, DAILY - 2_000.0);
}

#[tokio::test]
async fn a_script_that_redis_has_forgotten_is_no_outage() {
    let server = Server::start(&[]);
    let store = store_on(&server);
    let direct = connection(&target(&server), PATIENT);
    for claimant in 1..4 {
        text(&direct, "SCRIPT FLUSH").await;
        assert!(booked(&store, &daily(claimant, 1.0)).await.alone.is_none());
    }
    assert!(store.take_warnings().is_empty());
}
