//! Numbers that nobody should send.

use std::time::Duration;

use super::*;
use crate::headers::Meter;

fn any_amount() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(0.0),
        Just(1e-9),
        Just(1.0),
        0.0..10.0,
        1.0..1e6,
        Just(1e12),
        Just(u64::MAX as f64),
        Just(f64::MAX),
    ]
}

/// Settings and headers are read as unknown where they are not above zero. Limits so small that one request needs more time
/// than a number can hold are left out: nothing is ever let through there.
fn any_limit() -> BoxedStrategy<Option<f64>> {
    proptest::option::of(prop_oneof![
        any_amount().prop_map(|amount| amount.max(1e-9)),
        Just(1e-9)
    ])
    .boxed()
}

/// Backwards as well.
fn any_step_ms() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(0.0),
        0.0..1_000.0,
        0.0..1e9,
        -1e6..0.0,
        Just(1e15),
        Just(-1e15)
    ]
}

fn any_meter() -> impl Strategy<Value = Meter> {
    let remaining = proptest::option::of(any_amount());
    let reset = proptest::option::of(0_u64..u64::MAX);
    (any_limit(), remaining, reset).prop_map(|(limit, remaining, reset)| Meter {
        limit,
        // No more than the limit; without one, tokens are counted in whole numbers.
        remaining: remaining.map(|left| left.min(limit.unwrap_or(u64::MAX as f64))),
        reset: reset.map(Duration::from_millis),
        stated_window: None,
    })
}

#[derive(Debug, Clone)]
enum Step {
    Ask {
        cost: Cost,
        force: bool,
        claimant: u64,
    },
    Settle {
        which: usize,
        unspent: Unspent,
        refused: bool,
        reading: Reading,
        block_ms: Option<f64>,
    },
    Observe {
        used: Cost,
        requests_left: Option<f64>,
        tokens_left: Option<f64>,
    },
}

/// Tokens are counted in whole numbers.
fn any_cost() -> impl Strategy<Value = Cost> {
    (prop_oneof![Just(0.0), Just(1.0)], any_amount()).prop_map(|(requests, tokens)| Cost {
        requests,
        tokens: tokens.min(u64::MAX as f64),
    })
}

fn any_step() -> BoxedStrategy<Step> {
    let unspent = prop_oneof![
        Just(Unspent::All),
        Just(Unspent::Tokens),
        Just(Unspent::Nothing)
    ];
    let reading =
        (any_meter(), any_meter()).prop_map(|(requests, tokens)| Reading { requests, tokens });
    let block_ms = proptest::option::of(any_amount());
    prop_oneof![
        3 => (any_cost(), any::<bool>(), 0_u64..5)
            .prop_map(|(cost, force, claimant)| Step::Ask { cost, force, claimant }),
        3 => (any::<usize>(), unspent, any::<bool>(), reading, block_ms).prop_map(
            |(which, unspent, refused, reading, block_ms)| Step::Settle {
                which, unspent, refused, reading, block_ms,
            }
        ),
        1 => (any_cost(), proptest::option::of(any_amount()), proptest::option::of(any_amount()))
            .prop_map(|(used, requests_left, tokens_left)| Step::Observe {
                used, requests_left, tokens_left,
            }),
    ]
    .boxed()
}

fn is_a_time(ms: f64) -> bool {
    ms >= 0.0 && ms.is_finite()
}

proptest! {
    #![proptest_config(crate::tests::cases(600))]

    #[test]
    fn no_number_however_hostile_makes_a_wait_that_is_none(
        limits in [any_limit(), any_limit(), any_limit(), any_limit()],
        weight in prop_oneof![Just(1e-300), Just(1.0), Just(1e300)],
        steps in proptest::collection::vec((any_step_ms(), any_step()), 1..30),
    ) {
        let [requests_per_minute, tokens_per_minute, requests_per_day, tokens_per_day] = limits;
        let candidate = Candidate {
            limits: Limits { requests_per_minute, tokens_per_minute, requests_per_day, tokens_per_day },
            weight,
            affinity: 1.0,
            ..candidate(0, 1.0)
        };
        let candidates = vec![candidate.clone(), self::candidate(1, 600.0)];
        let store = MemoryStore::new();
        let mut now_ms = 0.0;
        let mut under_way: Vec<Booking> = Vec::new();
        for (step_ms, step) in steps {
            now_ms += step_ms;
            match step {
                Step::Ask { cost, force, claimant } => {
                    let question = Ask { cost, force, claimant, ..ask(0.0, candidates.clone()) };
                    for standing in store.look_now(&question, now_ms) {
                        prop_assert!(!standing.wait_ms.is_nan() && !standing.preference.is_nan(), "{standing:?}");
                        prop_assert!(standing.tokens_left.is_none_or(|left| left >= 0.0), "{standing:?}");
                    }
                    match store.book_now(&question, now_ms) {
                        Answer::Booked(booking) => {
                            prop_assert!(is_a_time(booking.wait_ms), "{booking:?}");
                            prop_assert!(booking.waits_ms.iter().all(|wait_ms| *wait_ms >= 0.0), "{booking:?}");
                            prop_assert!(booking.tokens_left.is_none_or(|left| left >= 0.0), "{booking:?}");
                            under_way.push(booking);
                        }
                        Answer::Later { ask_again_ms, wait_ms } => {
                            prop_assert!(is_a_time(ask_again_ms) && is_a_time(wait_ms), "{ask_again_ms} {wait_ms}");
                        }
                        Answer::Never { limit, .. } => prop_assert!(limit > 0.0),
                    }
                }
                Step::Settle { which, unspent, refused, reading, block_ms } if !under_way.is_empty() => {
                    let booking = under_way.swap_remove(which % under_way.len());
                    let settlement = Settlement { booking, refused, unspent, reading, limit_hit: None, block_ms };
                    store.settle(settlement, now_ms);
                }
                Step::Settle { .. } => {}
                Step::Observe { used, requests_left, tokens_left } => {
                    let candidate = candidate.clone();
                    let model_group = "m".into();
                    let observation = Observation { model_group, candidate, used, requests_left, tokens_left };
                    store.observe(observation, now_ms);
                }
            }
        }
    }
}
