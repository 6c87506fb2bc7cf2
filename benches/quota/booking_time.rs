//! How long one booking takes.

use std::{hint::black_box, time::Instant};

use futures_util::FutureExt;
use openai_request_manager::{
    config::Limits,
    quota::{Ask, Candidate, Cost, MemoryStore, Store},
};

/// Accounts to choose from, and the most nanoseconds that a booking may take.
const CASES: [(usize, f64); 2] = [(3, 1_000.0), (1_000, 100_000.0)];

/// Times measured; their median leaves out what the machine does besides.
const SAMPLES: usize = 1_001;

/// Bookings in one time: a single one is about as short as reading the clock.
const BOOKINGS: u32 = 20;

/// Measures, and says it in a few lines.
pub(crate) fn measured() -> String {
    let profile = match cfg!(debug_assertions) {
        true => "with debug assertions: only a release build counts",
        false => "release",
    };
    let lines = CASES.map(|(accounts, most_ns)| {
        let median_ns = median_booking_ns(accounts);
        let met = if median_ns <= most_ns { "yes" } else { "no" };
        format!(
            "| {accounts} | {:.2} | {:.0} | {met} |",
            median_ns / 1_000.0,
            most_ns / 1_000.0
        )
    });
    format!(
        "A booking ({profile})\n\n| accounts | median µs | bar µs | met |\n|-:|-:|-:|-|\n{}",
        lines.join("\n")
    )
}

fn median_booking_ns(accounts: usize) -> f64 {
    let store = MemoryStore::new();
    // So much room that no booking ever waits, and each is like the last.
    let limits = Limits {
        requests_per_minute: Some(1e15),
        tokens_per_minute: Some(1e15),
        ..Limits::default()
    };
    let ask = Ask {
        model_group: "gpt".into(),
        cost: Cost {
            requests: 1.0,
            tokens: 1_000.0,
        },
        candidates: (0..accounts)
            .map(|quota_group| Candidate {
                quota_group,
                limits,
                weight: 1.0,
                not_before_ms: f64::NEG_INFINITY,
                affinity: 0.0,
            })
            .collect(),
        force: false,
        claimant: 1,
        urgency: 0,
        due_in_ms: f64::INFINITY,
        patience_ms: f64::INFINITY,
        cache_worth_ms: 2_000.0,
    };
    let mut samples: Vec<f64> = (0..SAMPLES)
        .map(|sample| {
            let now_ms = sample as f64;
            let started = Instant::now();
            for _ in 0..BOOKINGS {
                black_box(store.book(black_box(&ask), now_ms).now_or_never());
            }
            started.elapsed().as_nanos() as f64 / f64::from(BOOKINGS)
        })
        .collect();
    samples.sort_by(f64::total_cmp);
    samples[SAMPLES / 2]
}
