//! The store against histories worked out by hand.

mod properties;

use super::*;
use crate::{
    config::Limits,
    headers::Reading,
    quota::{Because, Cost, Metric, Unspent},
};

fn candidate(quota_group: usize, tokens_per_minute: f64) -> Candidate {
    Candidate {
        quota_group,
        limits: Limits {
            tokens_per_minute: Some(tokens_per_minute),
            ..Limits::default()
        },
        weight: 1.0,
        not_before_ms: f64::NEG_INFINITY,
        affinity: 0.0,
    }
}

fn ask(tokens: f64, candidates: Vec<Candidate>) -> Ask {
    Ask {
        model_group: "m".into(),
        cost: Cost {
            requests: 1.0,
            tokens,
        },
        candidates,
        force: false,
        claimant: 0,
        urgency: 0,
        due_in_ms: f64::INFINITY,
        patience_ms: f64::INFINITY,
        cache_worth_ms: 2_000.0,
    }
}

fn booked(answer: Answer) -> Booking {
    match answer {
        Answer::Booked(booking) => booking,
        other => panic!("not booked: {other:?}"),
    }
}

#[test]
fn the_account_with_the_largest_share_left_takes_the_request() {
    let store = MemoryStore::new();
    let candidates = vec![candidate(0, 1_000.0), candidate(1, 10_000.0)];
    let chosen: Vec<usize> = (0..6)
        .map(|_| booked(store.book_now(&ask(200.0, candidates.clone()), 0.0)).candidate)
        .collect();
    assert_eq!(chosen, [1, 1, 1, 1, 1, 1]);
    // The tenth would leave 0.8 of either; among equals the first is taken.
    for _ in 0..3 {
        store.book_now(&ask(200.0, candidates.clone()), 0.0);
    }
    assert_eq!(
        booked(store.book_now(&ask(200.0, candidates), 0.0)).candidate,
        0
    );
}

#[test]
fn a_full_account_is_passed_over_until_its_room_returns() {
    let store = MemoryStore::new();
    let candidates = vec![candidate(0, 600.0), candidate(1, 600.0)];
    for expected in [0, 1] {
        let booking = booked(store.book_now(&ask(600.0, candidates.clone()), 0.0));
        assert_eq!((booking.candidate, booking.wait_ms), (expected, 0.0));
    }
    let answer = store.book_now(&ask(600.0, candidates.clone()), 0.0);
    assert_eq!(
        answer,
        Answer::Later {
            ask_again_ms: 59_800.0,
            wait_ms: 60_000.0
        }
    );
    let booking = booked(store.book_now(&ask(600.0, candidates), 59_800.0));
    assert!((booking.wait_ms - 200.0).abs() < 1e-6);
}

#[test]
fn those_who_were_sent_away_are_served_in_the_order_of_asking_whoever_comes_back_first() {
    let store = MemoryStore::new();
    store.book_now(&ask(60_000.0, vec![candidate(0, 60_000.0)]), 0.0);
    let question = |claimant| Ask {
        claimant,
        ..ask(500.0, vec![candidate(0, 60_000.0)])
    };
    for claimant in 1..=3 {
        let answer = store.book_now(&question(claimant), 0.0);
        assert!(matches!(answer, Answer::Later { .. }), "{answer:?}");
    }
    let mut waiting = vec![3, 2, 1];
    let mut served = Vec::new();
    for moment in 1..100 {
        let now_ms = f64::from(moment) * 50.0;
        waiting.retain(|claimant| {
            let answer = store.book_now(&question(*claimant), now_ms);
            let is_booked = matches!(answer, Answer::Booked(_));
            if is_booked {
                served.push(*claimant);
            }
            !is_booked
        });
    }
    assert_eq!(served, [1, 2, 3]);
}

#[test]
fn one_who_was_sent_away_is_let_before_those_who_came_later() {
    let store = MemoryStore::new();
    let only = || vec![candidate(0, 60_000.0)];
    store.book_now(&ask(60_000.0, only()), 0.0);
    let large = Ask {
        claimant: 1,
        ..ask(30_000.0, only())
    };
    let sent_away = store.book_now(&large, 0.0);
    let Answer::Later { wait_ms, .. } = sent_away else {
        panic!("{sent_away:?}");
    };
    assert!(wait_ms > 30_000.0);
    // 10,000 tokens are back after 10 s; the large one needs them, so a small one comes behind it.
    let small = Ask {
        claimant: 2,
        ..ask(100.0, only())
    };
    let behind = store.book_now(&small, 10_000.0);
    assert!(matches!(behind, Answer::Later { wait_ms, .. } if wait_ms > 20_000.0));
    assert!(booked(store.book_now(&large, wait_ms)).wait_ms <= HORIZON_MS);
    assert!(booked(store.book_now(&small, wait_ms + 300.0)).wait_ms <= HORIZON_MS);
}

#[test]
fn what_can_never_fit_is_refused_with_the_largest_limit() {
    let store = MemoryStore::new();
    let candidates = vec![candidate(0, 600.0), candidate(1, 900.0)];
    assert_eq!(
        store.book_now(&ask(901.0, candidates.clone()), 0.0),
        Answer::Never {
            metric: Metric::TokensPerMinute,
            limit: 900.0
        }
    );
    assert_eq!(
        booked(store.book_now(&ask(900.0, candidates), 0.0)).candidate,
        1
    );
}

#[test]
fn force_books_at_once_where_nothing_is_left() {
    let store = MemoryStore::new();
    let forced = Ask {
        force: true,
        ..ask(600.0, vec![candidate(0, 600.0)])
    };
    for _ in 0..3 {
        assert_eq!(booked(store.book_now(&forced, 0.0)).wait_ms, 0.0);
    }
    // It is still booked: 3 × 600 of 600 are gone.
    let answer = store.book_now(&ask(600.0, vec![candidate(0, 600.0)]), 0.0);
    assert!(matches!(answer, Answer::Later { wait_ms, .. } if wait_ms == 180_000.0));
}

#[test]
fn a_settlement_gives_back_what_was_not_counted_and_blocks_the_lane() {
    let store = MemoryStore::new();
    let question = ask(600.0, vec![candidate(0, 600.0)]);
    let booking = booked(store.book_now(&question, 0.0));
    store.settle(
        Settlement {
            block_ms: Some(150.0),
            ..Settlement::unsent(booking)
        },
        0.0,
    );
    assert_eq!(booked(store.book_now(&question, 0.0)).wait_ms, 150.0);
}

#[test]
fn keys_of_one_quota_group_share_its_room() {
    let store = MemoryStore::new();
    let both = vec![candidate(0, 600.0), candidate(0, 600.0)];
    booked(store.book_now(&ask(600.0, both.clone()), 0.0));
    assert!(matches!(
        store.book_now(&ask(600.0, both), 0.0),
        Answer::Later { .. }
    ));
}

#[test]
fn a_heavier_account_is_used_as_much_more_as_it_weighs() {
    let store = MemoryStore::new();
    let heavy = Candidate {
        weight: 3.0,
        ..candidate(1, 10_000.0)
    };
    let candidates = vec![candidate(0, 10_000.0), heavy];
    let mut chosen = [0, 0];
    for _ in 0..40 {
        chosen[booked(store.book_now(&ask(100.0, candidates.clone()), 0.0)).candidate] += 1;
    }
    assert_eq!(chosen, [10, 30]);
}

#[test]
fn model_groups_do_not_pile_up() {
    let store = MemoryStore::new();
    for index in 0..3 * MOST_MODEL_GROUPS {
        let mut question = ask(1.0, vec![candidate(0, 60.0)]);
        question.model_group = format!("m{index}").into();
        let now_ms = index as f64 * 100.0;
        let booking = booked(store.book_now(&question, now_ms));
        store.settle(
            Settlement {
                booking,
                refused: false,
                unspent: Unspent::Nothing,
                reading: Reading::default(),
                limit_hit: None,
                block_ms: None,
            },
            now_ms,
        );
    }
    assert!(store.families().len() <= MOST_MODEL_GROUPS);
}

/// Two accounts; the second is nearer to the prompt's cache.
fn at_home(tokens: f64, second_limit: f64) -> Ask {
    let [first, second] =
        [(0, 60_000.0, 1.0), (1, second_limit, 10.0)].map(|(quota_group, limit, affinity)| {
            Candidate {
                affinity,
                ..candidate(quota_group, limit)
            }
        });
    ask(tokens, vec![first, second])
}

#[test]
fn a_prompt_goes_to_its_home_although_another_account_has_more_left() {
    let store = MemoryStore::new();
    for _ in 0..10 {
        let booking = booked(store.book_now(&at_home(1_000.0, 60_000.0), 0.0));
        assert_eq!((booking.candidate, booking.because), (1, Because::Cache));
    }
}

#[test]
fn a_prompt_waits_a_little_for_its_home_and_no_longer() {
    let store = MemoryStore::new();
    // One thousand tokens flow back in a second.
    store.book_now(&ask(59_000.0, vec![candidate(1, 60_000.0)]), 0.0);
    let waits = |answer: &Answer| match answer {
        Answer::Later { wait_ms, .. } => *wait_ms,
        other => panic!("{other:?}"),
    };
    let soon = store.book_now(&at_home(800.0, 60_000.0), 0.0);
    assert!((HORIZON_MS..=2_000.0).contains(&waits(&soon)), "{soon:?}");
    let booking = booked(store.book_now(&at_home(2_000.0, 60_000.0), 0.0));
    assert_eq!((booking.candidate, booking.because), (0, Because::Spilled));
    assert!(booking.waits_ms[1] > 2_000.0);
}

#[test]
fn the_reason_of_a_choice_is_told_with_all_that_could_have_been() {
    let store = MemoryStore::new();
    let both = || vec![candidate(0, 600.0), candidate(1, 6_000.0)];
    let booking = booked(store.book_now(&ask(300.0, both()), 0.0));
    assert_eq!((booking.candidate, booking.because), (1, Because::MostRoom));
    assert_eq!(booking.waits_ms, [0.0, 0.0]);
    let large = booked(store.book_now(&ask(1_000.0, both()), 0.0));
    assert_eq!((large.candidate, large.because), (1, Because::Only));
    assert_eq!(large.waits_ms, [f64::INFINITY, 0.0]);
    let only = booked(store.book_now(&ask(1.0, vec![candidate(0, 600.0)]), 0.0));
    assert_eq!(only.because, Because::Only);
    let forced = Ask {
        force: true,
        ..ask(9_000.0, both())
    };
    assert_eq!(
        booked(store.book_now(&forced, 0.0)).because,
        Because::Forced
    );
}
