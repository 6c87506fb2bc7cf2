//! The arithmetic of an outage, in virtual time and without Redis.

use std::sync::Arc;

use crate::{
    config::Limits,
    headers::{Meter, Reading},
    quota::{
        Answer, Ask, Booking, Candidate, Cost, MemoryStore, Metric, Settlement, Unspent,
        redis::{Away, Charge},
        shared::{
            outage::{Outage, late_return},
            seen::Seen,
        },
    },
};

const TPM: usize = Metric::TokensPerMinute as usize;
const LIMIT: f64 = 60_000.0;
/// Of a share of half: one flows back in two milliseconds.
const HALF: f64 = LIMIT / 2.0;

fn model_group() -> Arc<str> {
    "m".into()
}

fn ask(tokens: f64) -> Ask {
    Ask {
        model_group: model_group(),
        cost: Cost {
            requests: 1.0,
            tokens,
        },
        candidates: vec![Candidate {
            quota_group: 0,
            limits: Limits {
                tokens_per_minute: Some(LIMIT),
                ..Limits::default()
            },
            weight: 1.0,
            not_before_ms: f64::NEG_INFINITY,
            affinity: 0.0,
        }],
        force: true,
        claimant: 1,
        urgency: 0,
        due_in_ms: f64::INFINITY,
        patience_ms: f64::INFINITY,
        cache_worth_ms: 0.0,
    }
}

/// A process that is one of so many, and has seen what Redis said to bookings of `taken` tokens at 0.
async fn alone(processes: f64, taken: f64, seen: &mut Seen) -> Outage {
    let redis = MemoryStore::new();
    let Answer::Booked(booking) = redis.book_now(&ask(taken), 0.0) else {
        panic!("forced");
    };
    seen.booked(&booking, taken, 0.0);
    begun(1, processes, 0.0)
}

fn begun(number: u64, processes: f64, now_ms: f64) -> Outage {
    let recovery = tokio::spawn(std::future::pending::<()>()).abort_handle();
    Outage::new(number, Away::default(), processes, now_ms, recovery)
}

fn booked(outage: &mut Outage, seen: &Seen, tokens: f64, now_ms: f64) -> Booking {
    match outage.book(&ask(tokens), seen, now_ms) {
        Answer::Booked(booking) => booking,
        other => panic!("{other:?}"),
    }
}

fn charge(outage: &Outage, seen: &mut Seen, now_ms: f64) -> Charge {
    let mut charges = outage.charges(&model_group(), seen, now_ms);
    assert_eq!(charges.len(), 1);
    charges.remove(0)
}

fn answered(booking: Booking, left: f64) -> Settlement {
    let tokens = Meter {
        limit: Some(LIMIT),
        remaining: Some(left),
        reset: None,
        stated_window: None,
    };
    Settlement {
        unspent: Unspent::Nothing,
        reading: Reading {
            tokens,
            ..Reading::default()
        },
        ..Settlement::unsent(booking)
    }
}

#[tokio::test]
async fn the_share_begins_with_its_part_of_what_was_left_and_what_has_flowed_back_since() {
    let mut seen = Seen::default();
    let mut outage = alone(2.0, 40_000.0, &mut seen).await;
    // 20,000 were left at 0, and 10,000 have flowed back until 10,000.
    let booking = booked(&mut outage, &seen, 1_000.0, 10_000.0);
    assert_eq!(booking.taken.levels[TPM], Some(15_000.0 - 1_000.0));
}

#[tokio::test]
async fn what_is_told_afterwards_is_what_is_still_missing_for_it() {
    let mut seen = Seen::default();
    let mut outage = alone(2.0, 0.0, &mut seen).await;
    booked(&mut outage, &seen, 10_000.0, 0.0);
    assert_eq!(charge(&outage, &mut seen, 0.0).used[TPM], 10_000.0);
    let mut seen = Seen::default();
    let mut outage = alone(2.0, 0.0, &mut seen).await;
    booked(&mut outage, &seen, 10_000.0, 0.0);
    assert_eq!(charge(&outage, &mut seen, 8_000.0).used[TPM], 6_000.0);
    let mut seen = Seen::default();
    let mut outage = alone(2.0, 0.0, &mut seen).await;
    booked(&mut outage, &seen, 10_000.0, 0.0);
    assert_eq!(charge(&outage, &mut seen, 60_000.0).used[TPM], 0.0);
}

#[tokio::test]
async fn what_others_use_is_not_told_as_ours() {
    let mut seen = Seen::default();
    let mut outage = alone(2.0, 0.0, &mut seen).await;
    let booking = booked(&mut outage, &seen, 1_000.0, 0.0);
    let settlement = answered(booking, 0.0);
    seen.settled(&settlement, 0.0);
    outage.settle(settlement, &seen, 0.0);
    let next = booked(&mut outage, &seen, 1_000.0, 0.0);
    assert!(next.taken.levels[TPM].unwrap() < 0.0, "the answer counts");
    let used = charge(&outage, &mut seen, 0.0).used[TPM];
    let ours = 1_000.0 + next.taken.cost.tokens;
    assert!((used - ours).abs() < 1.0, "{used}, not {ours}");
}

#[tokio::test]
async fn more_left_than_the_share_is_not_ours_to_use() {
    let mut seen = Seen::default();
    let mut outage = alone(2.0, 0.0, &mut seen).await;
    for _ in 0..3 {
        let booking = booked(&mut outage, &seen, 5_000.0, 0.0);
        let settlement = answered(booking, LIMIT - 5_000.0);
        outage.settle(settlement, &seen, 0.0);
    }
    let last = booked(&mut outage, &seen, 0.0, 0.0);
    assert_eq!(last.taken.levels[TPM], Some(HALF - 15_000.0));
}

#[tokio::test]
async fn one_outage_after_another_gives_no_share_twice() {
    let mut seen = Seen::default();
    let mut outage = alone(2.0, 0.0, &mut seen).await;
    booked(&mut outage, &seen, HALF, 0.0);
    outage.charges(&model_group(), &mut seen, 0.0);
    let mut next = begun(2, 2.0, 0.0);
    let booking = booked(&mut next, &seen, 0.0, 0.0);
    assert_eq!(booking.taken.levels[TPM], Some(0.0));
}

#[tokio::test]
async fn what_is_larger_than_a_share_becomes_a_debt_and_flows_back_where_it_was_not_spent() {
    let mut seen = Seen::default();
    let mut outage = alone(4.0, 0.0, &mut seen).await;
    let large = booked(&mut outage, &seen, 40_000.0, 0.0);
    assert_eq!(charge(&outage, &mut seen, 0.0).used[TPM], 40_000.0);
    outage.settle(Settlement::unsent(large), &seen, 0.0);
    assert_eq!(charge(&outage, &mut seen, 0.0).used[TPM], 0.0);
    let mut too_large = ask(LIMIT + 1.0);
    too_large.force = false;
    let never = Answer::Never {
        metric: Metric::TokensPerMinute,
        limit: LIMIT,
    };
    assert_eq!(outage.book(&too_large, &seen, 0.0), never);
}

#[tokio::test]
async fn a_block_is_known_in_the_outage_and_after_it() {
    let mut seen = Seen::default();
    let mut outage = alone(2.0, 0.0, &mut seen).await;
    let booking = booked(&mut outage, &seen, 1_000.0, 0.0);
    let refused = Settlement {
        refused: true,
        block_ms: Some(20_000.0),
        ..Settlement::unsent(booking)
    };
    seen.settled(&refused, 0.0);
    outage.settle(refused, &seen, 0.0);
    assert_eq!(charge(&outage, &mut seen, 5_000.0).block_ms, Some(15_000.0));
    let mut next = begun(2, 2.0, 6_000.0);
    let mut waiting = ask(1.0);
    waiting.force = false;
    let answer = next.book(&waiting, &seen, 6_000.0);
    assert!(matches!(answer, Answer::Later { .. }), "{answer:?}");
}

#[tokio::test]
async fn what_openai_charges_for_a_token_is_not_forgotten() {
    let mut seen = Seen::default();
    let mut outage = alone(2.0, 0.0, &mut seen).await;
    let redis = MemoryStore::new();
    let Answer::Booked(mut booking) = redis.book_now(&ask(10_000.0), 0.0) else {
        panic!("forced");
    };
    booking.taken.cost.tokens = 20_000.0;
    booking.taken.levels[TPM] = Some(40_000.0);
    seen.booked(&booking, 10_000.0, 0.0);
    // Of 20,000 that are left of the share, 5,000 estimated tokens take the half.
    booked(&mut outage, &seen, 5_000.0, 0.0);
    let charge = charge(&outage, &mut seen, 0.0);
    assert_eq!(charge.used[TPM], 10_000.0);
    assert_eq!(charge.most_left[TPM], Some(40_000.0));
}

#[tokio::test]
async fn an_answer_after_the_outage_gives_back_what_was_not_spent() {
    let mut seen = Seen::default();
    let mut outage = alone(4.0, 0.0, &mut seen).await;
    let booking = booked(&mut outage, &seen, 40_000.0, 0.0);
    let alone = booking.alone.unwrap();
    let charge = late_return(&Settlement::unsent(booking.clone()), alone).unwrap();
    assert_eq!(charge.used[TPM], -40_000.0);
    assert_eq!(late_return(&answered(booking, 0.0), alone), None);
}
