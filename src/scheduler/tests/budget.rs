//! Accounts that may not spend are left out.

use std::sync::Mutex;

use futures_util::FutureExt;

use super::*;
use crate::{
    books::{Amount, Clock, Counts, Entry, Grant, Reservation},
    config::Budget,
};

const NOON: f64 = 1_795_521_600_000.0;
const HALF_A_DAY: Duration = Duration::from_secs(43_200);

/// A scheduler whose accounts may use so many tokens a day: of the pool, and each of its own.
struct Shop {
    scheduler: Arc<Scheduler>,
    books: Arc<Books>,
    now_ms: Arc<Mutex<f64>>,
}

impl Shop {
    fn new(pool: Option<f64>, accounts: [Option<f64>; 2]) -> Self {
        let now_ms = Arc::new(Mutex::new(NOON));
        let read = now_ms.clone();
        let clock = Clock::new(move || *read.lock().unwrap());
        let books = Arc::new(Books::new("shop", clock, None));
        let budget = |tokens: Option<f64>| Budget {
            tokens_per_day: tokens,
            ..Budget::default()
        };
        let [a, b] = accounts.map(budget);
        books.set_budgets(budget(pool), &[("a".into(), a), ("b".into(), b)]);
        let settings = Settings::parse(r#"{"accounts":{"a":"k","b":"k"}}"#).unwrap();
        let store = Arc::new(MemoryStore::new());
        let scheduler = Scheduler::new(&settings.accounts, Arc::default(), store);
        Shop {
            scheduler: Arc::new(scheduler.with_books(books.clone())),
            books,
            now_ms,
        }
    }

    fn used(&self, account: &str, tokens: u64) {
        let entry = Entry {
            account: &account.into(),
            model: "m",
            kind: "chat",
            counts: Counts::of_tokens(tokens),
            tokens_left: None,
            requests_left: None,
        };
        self.books.count(&entry, None);
    }

    fn reserved(&self, account: &str, tokens: u64) -> Reservation {
        let amount = Amount::new(tokens, None);
        match self.books.reserve(&account.into(), amount).now_or_never() {
            Some(Ok(Grant::Granted(reservation))) => reservation,
            other => panic!("not granted: {other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_goes_to_an_account_that_may_still_spend() {
    let shop = Shop::new(None, [Some(100.0), None]);
    shop.used("a", 100);
    for _ in 0..3 {
        assert_eq!(&*spend(&shop.scheduler, &want(1.0)).await, "b");
    }
    *shop.now_ms.lock().unwrap() += HALF_A_DAY.as_secs_f64() * 1000.0;
    assert_eq!(&*spend(&shop.scheduler, &want(1.0)).await, "a");
}

#[tokio::test(start_paused = true)]
async fn a_look_shows_an_account_that_has_spent_as_waiting_for_the_next_period() {
    let shop = Shop::new(None, [Some(100.0), None]);
    shop.used("a", 100);
    let standings = shop
        .scheduler
        .standings(&"m".into(), want(1.0).cost)
        .await
        .unwrap();
    let waits: Vec<_> = standings
        .iter()
        .map(|standing| (&*standing.account.label, standing.lane.wait_ms))
        .collect();
    assert_eq!(
        waits,
        [("b", 0.0), ("a", HALF_A_DAY.as_secs_f64() * 1000.0)]
    );
}

#[tokio::test(start_paused = true)]
async fn when_all_have_spent_a_request_fails_at_once_with_the_budget_and_the_next_period() {
    let shop = Shop::new(Some(300.0), [Some(100.0), None]);
    shop.used("a", 100);
    let only_a = Want {
        accounts: Some(vec!["a".into()]),
        ..want(1.0)
    };
    let error = shop.scheduler.admit(&only_a).await.unwrap_err();
    assert_eq!(error.code(), Code::Budget);
    assert_eq!(
        error.message(),
        "no account can take a request for \"m\": a has spent its budget (tokensPerDay: 100; the next period begins on 2026-11-25 \
         00:00 UTC)"
    );
    assert_eq!(error.retry_after(), Some(HALF_A_DAY));
    shop.used("b", 200);
    let forced = Want {
        force: true,
        ..want(1.0)
    };
    let error = shop.scheduler.admit(&forced).await.unwrap_err();
    assert_eq!(error.code(), Code::Budget);
    assert_eq!(
        error
            .message()
            .matches("the pool has spent its budget (tokensPerDay: 300;")
            .count(),
        1,
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn of_a_park_and_a_budget_the_one_that_ends_first_is_the_error() {
    let shop = Shop::new(None, [None, Some(100.0)]);
    let first = shop.scheduler.admit(&want(1.0)).await.unwrap();
    assert_eq!(&*first.account().label, "a");
    settled(first, Outcome::KeyRefused);
    shop.used("b", 100);
    // The park is over in minutes, the day in hours.
    let error = shop.scheduler.admit(&want(1.0)).await.unwrap_err();
    assert_eq!(error.code(), Code::NoAccount, "{error}");
    assert!(
        error.message().contains("b has spent its budget"),
        "{error}"
    );
    assert!(error.retry_after() < Some(HALF_A_DAY), "{error:?}");
    *shop.now_ms.lock().unwrap() += HALF_A_DAY.as_secs_f64() * 1000.0 - 1.0;
    let error = shop.scheduler.admit(&want(1.0)).await.unwrap_err();
    assert_eq!(error.code(), Code::Budget, "{error}");
    assert_eq!(error.retry_after(), Some(Duration::from_millis(1)));
}

#[tokio::test(start_paused = true)]
async fn where_requests_in_flight_may_use_up_the_rest_a_request_waits_for_their_end() {
    let shop = Shop::new(None, [Some(100.0), Some(0.5)]);
    shop.used("b", 1);
    let reservation = shop.reserved("a", 100);
    let scheduler = shop.scheduler.clone();
    let waiting = tokio::spawn(async move {
        scheduler
            .admit(&want(1.0))
            .await
            .map(|permit| permit.account().label.clone())
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!waiting.is_finished());
    let started = Instant::now();
    drop(reservation);
    assert_eq!(&*waiting.await.unwrap().unwrap(), "a");
    assert!(started.elapsed() <= Duration::from_millis(1));
}

#[tokio::test(start_paused = true)]
async fn one_that_waits_for_a_budget_fails_as_soon_as_that_is_spent_or_its_patience_ends() {
    let shop = Shop::new(Some(100.0), [None, None]);
    let reservation = shop.reserved("a", 100);
    let hurried = Want {
        patience: Duration::from_secs(3),
        ..want(1.0)
    };
    let started = Instant::now();
    let error = shop.scheduler.admit(&hurried).await.unwrap_err();
    assert_eq!(
        (error.code(), started.elapsed()),
        (Code::Wait, hurried.patience)
    );
    assert!(
        error.message().contains("what is left of a budget"),
        "{error}"
    );
    let scheduler = shop.scheduler.clone();
    let waiting = tokio::spawn(async move { scheduler.admit(&want(1.0)).await.map(|_| ()) });
    tokio::time::sleep(Duration::from_secs(1)).await;
    shop.used("b", 100);
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(error.code(), Code::Budget);
    drop(reservation);
}
