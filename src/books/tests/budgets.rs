//! Budgets over several processes: exact while Redis answers, in shares while it does not.

use futures_util::{FutureExt, future::join_all};

use super::{cluster::Masters, servers::Server, *};
use crate::{
    books::{Amount, Grant, Reservation, Standing, day::DAY_MS, wire::STALE_MS},
    config::Budget,
    error::{Code, Error},
};

fn tokens_per_day(tokens: f64) -> Budget {
    Budget {
        tokens_per_day: Some(tokens),
        ..Budget::default()
    }
}

/// Shops whose accounts may use so many tokens a day together.
fn bounded(shops: &[Shop], tokens: f64) {
    for shop in shops {
        shop.books.set_budgets(tokens_per_day(tokens), &[]);
    }
}

async fn reserve(shop: &Shop, account: &str, tokens: u64) -> Result<Option<Reservation>, Error> {
    let grant = shop
        .books
        .reserve(&account.into(), Amount::new(tokens, None))
        .await?;
    Ok(match grant {
        Grant::Granted(reservation) => Some(reservation),
        Grant::Refused => None,
    })
}

async fn granted(shop: &Shop, account: &str, tokens: u64) -> Reservation {
    reserve(shop, account, tokens)
        .await
        .unwrap()
        .expect("granted")
}

/// Counts a request for which tokens were reserved.
fn served(shop: &Shop, account: &str, tokens: u64, reservation: Reservation) {
    let entry = Entry {
        account: &account.into(),
        model: "gpt-4o",
        kind: "chat",
        counts: Counts::of_tokens(tokens),
        tokens_left: None,
        requests_left: None,
    };
    shop.books.count(&entry, Some(reservation));
}

async fn reserved(direct: &Connection) -> String {
    let all = hash(direct, "orm:{shop:usage}:reserved").await;
    let words = all
        .values()
        .map(|text| text.split_once(' ').map_or("", |(_, rest)| rest));
    words.collect::<Vec<_>>().join("|")
}

#[tokio::test]
async fn racing_processes_are_granted_what_there_is_and_no_more() {
    let server = Server::start(&[]);
    let shops = [Shop::on(&server), Shop::on(&server), Shop::on(&server)];
    bounded(&shops, 1_000.0);
    let asks = (0..300).map(|ask| reserve(&shops[ask % 3], ["a", "b"][ask % 2], 10));
    let grants: Vec<_> = join_all(asks)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(grants.iter().flatten().count(), 100);
    for shop in &shops {
        assert!(matches!(shop.books.standing("a"), Standing::Held(_)));
    }
    for (ask, reservation) in grants.into_iter().enumerate() {
        if let Some(reservation) = reservation {
            served(&shops[ask % 3], ["a", "b"][ask % 2], 10, reservation);
        }
    }
    for shop in &shops {
        shop.settle().await;
    }
    for shop in &shops {
        assert!(reserve(shop, "a", 1).await.unwrap().is_none());
        let Standing::Over(over) = shop.books.standing("c") else {
            panic!("not over");
        };
        assert_eq!(
            (over.budget, over.limit, over.account),
            ("tokensPerDay", 1_000.0, None)
        );
        assert_eq!(over.until_ms, NOON + DAY_MS / 2.0);
    }
}

#[tokio::test]
async fn on_a_cluster_they_race_as_on_one_server() {
    let masters = Masters::start().await;
    let shops = [(); 2].map(|()| Shop::new(masters.connection(), "{app}:"));
    bounded(&shops, 100.0);
    let asks = (0..30).map(|ask| reserve(&shops[ask % 2], "a", 10));
    let grants: Vec<_> = join_all(asks)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(grants.iter().flatten().count(), 10);
    for (ask, reservation) in grants.into_iter().enumerate() {
        if let Some(reservation) = reservation {
            served(&shops[ask % 2], "a", 10, reservation);
        }
    }
    for shop in &shops {
        shop.settle().await;
    }
    for shop in &shops {
        assert!(reserve(shop, "a", 1).await.unwrap().is_none());
        assert!(matches!(shop.books.standing("a"), Standing::Over(_)));
    }
}

#[tokio::test]
async fn an_account_is_bounded_by_its_own_budgets_and_the_pools() {
    let server = Server::start(&[]);
    let shop = Shop::on(&server);
    let usd = Budget {
        usd_per_month: Some(0.5),
        ..Budget::default()
    };
    shop.books
        .set_budgets(tokens_per_day(100.0), &[("a".into(), usd)]);
    let amount = |tokens, usd| Amount::new(tokens, Some(usd));
    let first = shop
        .books
        .reserve(&"a".into(), amount(10, 0.6))
        .await
        .unwrap();
    assert!(matches!(first, Grant::Granted(_)));
    // The dollars of "a" are reserved; "b" has none to keep to, but the pool's tokens.
    let second = shop
        .books
        .reserve(&"a".into(), amount(10, 0.0))
        .await
        .unwrap();
    assert!(matches!(second, Grant::Refused));
    assert!(matches!(shop.books.standing("a"), Standing::Held(_)));
    assert_eq!(shop.books.standing("b"), Standing::Open);
    let third = shop
        .books
        .reserve(&"b".into(), amount(90, 9.0))
        .await
        .unwrap();
    assert!(matches!(third, Grant::Granted(_)));
    assert!(matches!(
        shop.books
            .reserve(&"b".into(), amount(1, 0.0))
            .await
            .unwrap(),
        Grant::Refused
    ));
    drop((first, third));
    assert_eq!(shop.books.standing("a"), Standing::Open);
    assert!(matches!(
        shop.books
            .reserve(&"a".into(), amount(1, 0.0))
            .await
            .unwrap(),
        Grant::Granted(_)
    ));
}

#[tokio::test]
async fn between_a_reservation_and_its_count_there_is_no_gap() {
    let server = Server::start(&[]);
    let shops = [Shop::on(&server), Shop::on(&server)];
    bounded(&shops, 100.0);
    let reservation = granted(&shops[0], "a", 100).await;
    let settling = async {
        served(&shops[0], "a", 100, reservation);
        shops[0].settle().await;
    };
    let trying = async {
        while !matches!(shops[1].books.standing("a"), Standing::Over(_)) {
            assert!(reserve(&shops[1], "a", 1).await.unwrap().is_none());
        }
    };
    tokio::join!(settling, trying);
    assert_eq!(reserved(&at(&server)).await, "|");
}

#[tokio::test]
async fn what_is_not_used_is_there_for_others_again() {
    let server = Server::start(&[]);
    let shops = [Shop::on(&server), Shop::on(&server)];
    bounded(&shops, 100.0);
    let reservation = granted(&shops[0], "a", 200).await;
    assert!(reserve(&shops[1], "b", 1).await.unwrap().is_none());
    drop(reservation);
    shops[0].settle().await;
    // One that goes away while it waits for its grant leaves nothing behind.
    assert!(reserve(&shops[1], "b", 500).now_or_never().is_none());
    let reservation = granted(&shops[0], "a", 10).await;
    shops[1].settle().await;
    eventually(|| async {
        match reserved(&at(&server)).await {
            text if text.contains("500") => Err(text),
            _ => Ok(()),
        }
    })
    .await;
    drop(reservation);
    for shop in &shops {
        shop.books.close().await;
    }
    assert_eq!(reserved(&at(&server)).await, "");
}

#[tokio::test]
async fn what_a_dead_process_had_reserved_is_free_after_a_while() {
    let server = Server::start(&[]);
    let shops = [Shop::on(&server), Shop::on(&server)];
    bounded(&shops, 100.0);
    let clock =
        |shop: &Shop, now_ms: f64| *shop.books.shared.server_clock.lock().unwrap() = Some(now_ms);
    clock(&shops[0], 0.0);
    let _dead = granted(&shops[0], "a", 100).await;
    clock(&shops[1], STALE_MS);
    assert!(reserve(&shops[1], "a", 10).await.unwrap().is_none());
    clock(&shops[1], STALE_MS + 1.0);
    granted(&shops[1], "a", 10).await;
}

#[tokio::test]
async fn while_redis_is_away_every_process_has_its_share_of_what_was_left() {
    let mut server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let shops = [Shop::on(&server), Shop::on(&server)];
    bounded(&shops, 1_000.0);
    let reservation = granted(&shops[0], "a", 150).await;
    served(&shops[0], "a", 200, reservation);
    shops[0].settle().await;
    // Both hear of each other.
    for shop in [&shops[0], &shops[1], &shops[0]] {
        shop.books.look_at_budgets().await;
    }
    server.kill();
    for shop in &shops {
        let mut reservations = Vec::new();
        while let Some(reservation) = reserve(shop, "a", 10).await.unwrap() {
            reservations.push(reservation);
        }
        // Half of 800.
        assert_eq!(reservations.len(), 40);
        assert!(matches!(shop.books.standing("a"), Standing::Held(_)));
        for reservation in reservations {
            served(shop, "a", 10, reservation);
        }
        assert!(reserve(shop, "a", 10).await.unwrap().is_none());
    }
    // What was spent of a budget that is new, nobody can know.
    shops[1].books.set_budgets(
        tokens_per_day(1_000.0),
        &[("b".into(), tokens_per_day(1.0))],
    );
    let error = reserve(&shops[1], "b", 1).await.unwrap_err();
    assert_eq!(error.code(), Code::Store);
    server.restart();
    for shop in &shops {
        shop.settle().await;
    }
    assert_eq!(shops[0].tokens().await, 1_000);
    assert!(reserve(&shops[0], "a", 1).await.unwrap().is_none());
    assert!(matches!(shops[0].books.standing("a"), Standing::Over(_)));
}

#[tokio::test]
async fn without_any_word_of_redis_nothing_is_granted() {
    let mut server = Server::start(&[]);
    let shop = Shop::on(&server);
    server.kill();
    bounded(std::slice::from_ref(&shop), 1_000.0);
    for _ in 0..2 {
        let error = reserve(&shop, "a", 1).await.unwrap_err();
        assert_eq!(error.code(), Code::Store);
        assert!(error.message().contains("cannot be reached"), "{error}");
    }
    server.restart();
    eventually(|| async {
        let reservation = reserve(&shop, "a", 1).await;
        reservation.map_err(|error| error.to_string())
    })
    .await
    .expect("granted");
}

#[tokio::test]
async fn a_budget_begins_anew_with_its_period() {
    let server = Server::start(&[]);
    let shop = Shop::on(&server);
    shop.books.set_budgets(
        Budget {
            tokens_per_day: Some(100.0),
            tokens_per_month: Some(250.0),
            ..Budget::default()
        },
        &[],
    );
    for day in 0..2 {
        let reservation = granted(&shop, "a", 1).await;
        served(&shop, "a", 125, reservation);
        shop.settle().await;
        assert!(reserve(&shop, "a", 1).await.unwrap().is_none());
        let Standing::Over(over) = shop.books.standing("a") else {
            panic!("not over");
        };
        let (budget, next) = [
            ("tokensPerDay", "2026-11-25 00:00 UTC"),
            ("tokensPerMonth", "2026-12-01 00:00 UTC"),
        ][day];
        assert_eq!((over.budget, over.next_period().as_str()), (budget, next));
        *shop.now_ms.lock().unwrap() += DAY_MS;
    }
    let status = shop.books.budgets_of(None);
    assert_eq!((status[0].spent, status[1].spent), (0.0, 250.0));
    assert_eq!(status[0].resets_in_ms, DAY_MS / 2.0);
    *shop.now_ms.lock().unwrap() += 5.0 * DAY_MS;
    granted(&shop, "a", 1).await;
}

#[tokio::test]
async fn budgets_are_whole_again_after_redis_has_lost_them() {
    let mut server = Server::start(&[]);
    let shop = Shop::on(&server);
    bounded(std::slice::from_ref(&shop), 1_000.0);
    let reservation = granted(&shop, "a", 600).await;
    served(&shop, "a", 600, reservation);
    shop.settle().await;
    server.kill();
    server.restart();
    let ask = || async {
        reserve(&shop, "a", 400)
            .await
            .map_err(|error| error.to_string())
    };
    let reservation = eventually(ask).await.expect("granted");
    shop.settle().await;
    shop.books.look_at_budgets().await;
    assert_eq!(shop.books.budgets_of(None)[0].spent, 600.0);
    assert!(reserve(&shop, "a", 1).await.unwrap().is_none());
    assert!(matches!(shop.books.standing("a"), Standing::Held(_)));
    drop(reservation);
    granted(&shop, "a", 1).await;
}
