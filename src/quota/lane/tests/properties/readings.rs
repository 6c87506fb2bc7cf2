//! What answers say is left, against what the limiter holds.

use super::*;
use crate::headers::Meter;

/// Far above and far below what these histories take and what flows back meanwhile, so that no bucket is full or empty.
const LIMIT: u64 = 600_000;
const SPENT: u64 = 300_000;

/// Our request, and what somebody else takes just before.
#[derive(Debug, Clone, Copy)]
struct Step {
    gap_ms: f64,
    tokens: u64,
    outside: u64,
}

fn any_history() -> impl Strategy<Value = Vec<(Step, u32)>> {
    let gap_ms = prop_oneof![Just(0.0), 0.0..60.0, 0.0..1_000.0];
    let outside = prop_oneof![Just(0_u64), 1_u64..5_000];
    let step = (gap_ms, 100_u64..10_000, outside).prop_map(|(gap_ms, tokens, outside)| Step {
        gap_ms,
        tokens,
        outside,
    });
    proptest::collection::vec((step, any::<u32>()), 1..15)
}

/// A lane and the limiter after the same requests, none of which was answered yet.
struct Pair {
    lane: Lane,
    limiter: simulator::Lane,
    now_ms: f64,
}

impl Pair {
    fn new() -> Self {
        let limits = BothLimits::new([None, Some(LIMIT), None, None]);
        let mut pair = Pair {
            lane: Lane::new(&limits.ours, 0.0),
            limiter: simulator::Lane::new(&limits.theirs, 0.0),
            now_ms: 0.0,
        };
        let taken = pair.book(SPENT);
        let told = pair.arrive(SPENT);
        pair.settle(&taken, &told);
        pair.now_ms = 1_000.0;
        pair
    }

    fn book(&mut self, tokens: u64) -> Taken {
        self.lane.book(cost(tokens), 0.0, self.now_ms)
    }

    /// The limiter admits a request; returns what its answer will say.
    fn arrive(&mut self, tokens: u64) -> Reading {
        let told = self.limiter.admit(tokens, self.now_ms).unwrap();
        let told = told.tokens.unwrap();
        Reading {
            tokens: Meter {
                limit: Some(told.limit as f64),
                remaining: Some(told.remaining as f64),
                ..Meter::default()
            },
            ..UNKNOWN
        }
    }

    fn settle(&mut self, taken: &Taken, told: &Reading) {
        let end = End {
            refused: false,
            unspent: Unspent::Nothing,
            reading: told,
            limit_hit: None,
        };
        self.lane.settle(taken, &end, self.now_ms);
    }

    /// By how much the books say that more is left than there is.
    fn error(&mut self) -> f64 {
        let told = self.arrive(0).tokens.remaining.unwrap();
        self.lane.left(self.now_ms).1.unwrap() - told
    }
}

proptest! {
    #![proptest_config(crate::tests::cases(400))]

    /// Somebody else's use is told by several readings, and is taken off once: never twice, and all of it where the last
    /// request was sent alone. Out of a crowd a reading is believed in part, so that some of it may stay.
    #[test]
    fn a_reading_corrects_once_in_whatever_order_answers_come(history in any_history(), alone in any::<bool>()) {
        let mut pair = Pair::new();
        let mut answers = Vec::new();
        let mut outside = 0;
        let last = history.len() - 1;
        for (index, (step, _)) in history.iter().enumerate() {
            pair.now_ms += if alone && index == last { 1_500.0 } else { step.gap_ms };
            if step.outside > 0 {
                pair.arrive(step.outside);
                outside += step.outside;
            }
            let taken = pair.book(step.tokens);
            answers.push((taken, pair.arrive(step.tokens)));
        }
        let keys: Vec<u32> = history.iter().map(|(_, key)| *key).collect();
        for index in in_order_of(&keys) {
            let (taken, told) = &answers[index];
            pair.settle(taken, told);
        }
        let error = pair.error();
        // A reading is a whole number, rounded down.
        prop_assert!(error > -2.0, "{error}");
        let most = if alone { 2.0 } else { outside as f64 + 2.0 };
        prop_assert!(error < most, "{error} of {outside}");
    }

    #[test]
    fn a_crowd_that_arrives_and_is_answered_in_any_order_moves_the_level_by_less_than_itself(
        crowd in proptest::collection::vec((100_u64..5_000, any::<u32>(), any::<u32>()), 2..30),
        gaps_ms in proptest::collection::vec(0.0..2.0, 30),
    ) {
        let mut pair = Pair::new();
        let mut taken = Vec::new();
        for ((tokens, _, _), gap_ms) in crowd.iter().zip(gaps_ms) {
            pair.now_ms += gap_ms;
            taken.push(pair.book(*tokens));
        }
        let arrivals: Vec<u32> = crowd.iter().map(|(_, key, _)| *key).collect();
        let mut told = vec![UNKNOWN; crowd.len()];
        for index in in_order_of(&arrivals) {
            told[index] = pair.arrive(crowd[index].0);
        }
        let answers: Vec<u32> = crowd.iter().map(|(_, _, key)| *key).collect();
        for index in in_order_of(&answers) {
            pair.settle(&taken[index], &told[index]);
        }
        let error = pair.error();
        let all: u64 = crowd.iter().map(|(tokens, _, _)| tokens).sum();
        prop_assert!(error.abs() < all as f64, "{error} of {all}");
    }

    /// An answer does not know what was given back since its request was booked, and takes that for room which it has found. Such
    /// errors upwards are believed by and by, so that some of it is given back again until the next reading, but no more.
    #[test]
    fn what_was_given_back_unsent_is_never_given_back_more_than_once_again_by_readings(
        steps in proptest::collection::vec((100_u64..10_000, any::<bool>()), 1..10),
        is_answered_first in any::<bool>(),
    ) {
        let mut pair = Pair::new();
        let mut unsent = Vec::new();
        let mut answers = Vec::new();
        let mut all_unsent = 0;
        for (tokens, is_sent) in steps {
            pair.now_ms += 1_000.0;
            let taken = pair.book(tokens);
            if is_sent {
                let told = pair.arrive(tokens);
                answers.push((taken, told));
            } else {
                unsent.push(taken);
                all_unsent += tokens;
            }
        }
        for is_turn_of_answers in [is_answered_first, !is_answered_first] {
            if is_turn_of_answers {
                for (taken, told) in &answers {
                    pair.settle(taken, told);
                }
            } else {
                for taken in &unsent {
                    returns::give_back(&mut pair.lane, taken, pair.now_ms);
                }
            }
        }
        let error = pair.error();
        prop_assert!(error > -2.0 && error < all_unsent as f64 + 2.0, "{error} of {all_unsent}");
        // The next request was booked after all that, and its answer sets it right.
        pair.now_ms += 1_000.0;
        let taken = pair.book(100);
        let told = pair.arrive(100);
        pair.settle(&taken, &told);
        let error = pair.error();
        prop_assert!(error.abs() < 2.0, "{error} of {all_unsent}");
    }
}
