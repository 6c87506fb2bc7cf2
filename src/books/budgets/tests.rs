use proptest::prelude::*;

use super::*;
use crate::{
    books::{Counts, Entry, day::DAY_MS, names::Names},
    tests::cases,
};

const NOON: f64 = 1_795_521_600_000.0;

/// The budgets of one process without Redis.
struct Process {
    budgets: Budgets,
    tally: Tally,
    now_ms: f64,
}

impl Process {
    fn new(pool: Budget, of_a: Budget) -> Self {
        let mut budgets = Budgets::new(false);
        budgets.set(pool, &[("a".into(), of_a), ("b".into(), Budget::default())]);
        Process {
            budgets,
            tally: Tally::new(Names::new("shop", "".into()), false, NOON),
            now_ms: NOON,
        }
    }

    fn reserve(&mut self, account: &str, tokens: u64) -> bool {
        let amounts = [tokens, 0];
        self.budgets
            .try_reserve(&account.into(), amounts, &mut self.tally, self.now_ms)
    }

    fn served(&mut self, account: &str, reserved: u64, tokens: u64) {
        let entry = Entry {
            account: &account.into(),
            model: "m",
            kind: "chat",
            counts: Counts::of_tokens(tokens),
            tokens_left: None,
            requests_left: None,
        };
        self.tally.count(&entry, self.now_ms);
        self.budgets.release(account, [reserved, 0]);
    }

    fn standing(&mut self, account: &str) -> Standing {
        self.budgets.standing(account, &mut self.tally, self.now_ms)
    }
}

fn tokens(per_day: Option<f64>, per_month: Option<f64>) -> Budget {
    Budget {
        tokens_per_day: per_day,
        tokens_per_month: per_month,
        ..Budget::default()
    }
}

#[test]
fn the_request_that_reaches_the_limit_is_the_last() {
    let mut process = Process::new(tokens(Some(100.0), None), Budget::default());
    assert!(process.reserve("a", 60));
    assert!(process.reserve("b", 60));
    assert!(!process.reserve("a", 1));
    assert!(matches!(process.standing("b"), Standing::Held(_)));
    process.served("a", 60, 10);
    assert_eq!(process.standing("b"), Standing::Open);
    process.served("b", 60, 95);
    let Standing::Over(over) = process.standing("a") else {
        panic!("not over");
    };
    assert_eq!((over.account, over.budget), (None, "tokensPerDay"));
    process.now_ms = over.until_ms;
    assert!(process.reserve("a", 1));
}

#[test]
fn of_two_budgets_that_are_spent_the_longer_one_tells_when_it_goes_on() {
    let month = tokens(None, Some(50.0));
    let mut process = Process::new(tokens(Some(40.0), None), month);
    process.served("a", 0, 50);
    let Standing::Over(over) = process.standing("a") else {
        panic!("not over");
    };
    let account: Option<Arc<str>> = Some("a".into());
    assert_eq!((over.account, over.budget), (account, "tokensPerMonth"));
    let status = process.budgets.status(Some("a"), &mut process.tally, NOON);
    assert_eq!((status[0].limit, status[0].spent), (50.0, 50.0));
    assert_eq!(status[0].resets_in_ms, 6.5 * DAY_MS);
    process.now_ms += DAY_MS;
    assert_eq!(process.standing("b"), Standing::Open);
    assert!(matches!(process.standing("a"), Standing::Over(_)));
}

#[test]
fn new_limits_count_what_was_spent_before() {
    let mut process = Process::new(Budget::default(), Budget::default());
    process.served("a", 0, 50);
    assert!(process.reserve("a", 10));
    process.budgets.set(tokens(Some(60.0), None), &[]);
    assert!(matches!(process.standing("a"), Standing::Held(_)));
    process.budgets.set(tokens(Some(61.0), None), &[]);
    assert!(process.reserve("a", 1));
}

proptest! {
    #![proptest_config(cases(500))]

    /// Each pair is a request's estimate and what it uses, in percent of that; `true` ends the oldest in flight.
    #[test]
    fn no_budget_is_passed_by_more_than_one_request(
        requests in proptest::collection::vec((1_u64..50, 0_u64..=100, any::<bool>(), any::<bool>()), 1..100),
    ) {
        let mut process = Process::new(tokens(Some(300.0), None), tokens(Some(100.0), None));
        let mut in_flight = Vec::new();
        let mut spent = HashMap::from([("a", 0), ("b", 0)]);
        for (estimate, percent, is_of_a, ends) in requests {
            let account = if is_of_a { "a" } else { "b" };
            if process.reserve(account, estimate) {
                in_flight.push((account, estimate, estimate * percent / 100));
            }
            if ends && !in_flight.is_empty() {
                let (account, estimate, used) = in_flight.remove(0);
                process.served(account, estimate, used);
                *spent.get_mut(account).unwrap() += used;
            }
        }
        for (account, estimate, used) in in_flight {
            process.served(account, estimate, used);
            *spent.get_mut(account).unwrap() += used;
        }
        prop_assert!(spent["a"] < 100 + 50);
        prop_assert!(spent["a"] + spent["b"] < 300 + 50);
        prop_assert!(process.budgets.reserved.values().flatten().all(|amount| *amount == 0));
    }
}
