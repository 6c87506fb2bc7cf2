//! Callers of several processes on one store, and an exact limiter behind each lane.

use std::{num::NonZeroU64, time::Duration};

use super::*;
use crate::{headers::Meter, simulator};

/// One request, by whatever process.
#[derive(Debug, Clone)]
struct Caller {
    arrives_ms: f64,
    /// Of the smallest limit.
    share: f64,
    /// Which lanes may serve it, one bit each.
    lanes: u8,
    /// How late it comes back when it was told to.
    late_ms: f64,
    answer_ms: f64,
    /// Decides between events of one moment.
    key: u32,
}

fn any_caller() -> impl Strategy<Value = Caller> {
    let times = (0.0..30_000.0, 0.0..100.0, 0.0..10_000.0);
    (times, 0.0..0.5, 1_u8..8, any::<u32>()).prop_map(
        |((arrives_ms, late_ms, answer_ms), share, lanes, key)| Caller {
            arrives_ms,
            share,
            lanes,
            late_ms,
            answer_ms,
            key,
        },
    )
}

#[derive(Debug)]
enum Event {
    Ask,
    Send(Booking),
    Answer(Booking, Reading),
}

/// What is to happen, the next taken first.
#[derive(Debug, Default)]
struct Agenda(Vec<(f64, u32, usize, Event)>);

impl Agenda {
    fn add(&mut self, at_ms: f64, key: u32, caller: usize, event: Event) {
        self.0.push((at_ms, key, caller, event));
    }

    fn next(&mut self) -> Option<(f64, usize, Event)> {
        let moments = self.0.iter().enumerate();
        let first = moments
            .min_by(|(_, one), (_, other)| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
        let (index, _) = first?;
        let (at_ms, _, caller, event) = self.0.swap_remove(index);
        Some((at_ms, caller, event))
    }
}

fn meter(told: Option<simulator::Reading>) -> Meter {
    let told = told.unwrap();
    Meter {
        limit: Some(told.limit as f64),
        remaining: Some(told.remaining as f64),
        reset: Some(Duration::from_secs_f64(told.reset_ms / 1_000.0)),
        stated_window: None,
    }
}

proptest! {
    #![proptest_config(crate::tests::cases(150))]

    #[test]
    fn every_booking_is_kept_and_admitted_however_bookings_and_answers_interleave(
        limits in proptest::collection::vec((20_u64..300, 2_000_u64..60_000), 1..=3),
        callers in proptest::collection::vec(any_caller(), 1..50),
    ) {
        let candidates: Vec<Candidate> = limits
            .iter()
            .enumerate()
            .map(|(group, (rpm, tpm))| {
                let mut candidate = candidate(group, *tpm as f64);
                candidate.limits.requests_per_minute = Some(*rpm as f64);
                candidate
            })
            .collect();
        let mut limiters: Vec<simulator::Lane> = limits
            .iter()
            .map(|(rpm, tpm)| {
                let limits = simulator::Limits {
                    requests_per_minute: NonZeroU64::new(*rpm),
                    tokens_per_minute: NonZeroU64::new(*tpm),
                    ..simulator::Limits::default()
                };
                simulator::Lane::new(&limits, 0.0)
            })
            .collect();
        let smallest = limits.iter().map(|(_, tpm)| *tpm).min().unwrap();
        let tokens = |caller: &Caller| (caller.share * smallest as f64) as u64;
        let asks: Vec<Ask> = callers
            .iter()
            .enumerate()
            .map(|(claimant, caller)| {
                let all = candidates.iter().enumerate();
                let usable = all.filter(|(lane, _)| caller.lanes & (1 << lane) != 0);
                let mut usable: Vec<Candidate> = usable.map(|(_, candidate)| candidate.clone()).collect();
                if usable.is_empty() {
                    usable = candidates.clone();
                }
                Ask { claimant: claimant as u64 + 1, ..ask(tokens(caller) as f64, usable) }
            })
            .collect();

        let store = MemoryStore::new();
        let mut agenda = Agenda::default();
        for (index, caller) in callers.iter().enumerate() {
            agenda.add(caller.arrives_ms, caller.key, index, Event::Ask);
        }
        let mut admitted = vec![0; limits.len()];
        let mut settled = 0;
        let mut events = 0;
        let mut end_ms = 0.0;
        while let Some((now_ms, index, event)) = agenda.next() {
            end_ms = now_ms;
            events += 1;
            prop_assert!(events < 20_000, "they ask without end");
            let caller = &callers[index];
            match event {
                Event::Ask => match store.book_now(&asks[index], now_ms) {
                    Answer::Booked(booking) => {
                        agenda.add(now_ms + booking.wait_ms, caller.key, index, Event::Send(booking));
                    }
                    Answer::Later { ask_again_ms, .. } => {
                        let again_ms = now_ms + ask_again_ms + caller.late_ms;
                        agenda.add(again_ms, caller.key, index, Event::Ask);
                    }
                    never => prop_assert!(false, "{never:?}"),
                },
                Event::Send(booking) => {
                    let lane = booking.quota_group;
                    let told = limiters[lane].admit(tokens(caller), now_ms);
                    prop_assert!(told.is_ok(), "{told:?} at {now_ms} for {booking:?}");
                    let told = told.unwrap();
                    admitted[lane] += tokens(caller);
                    let reading = Reading { requests: meter(told.requests), tokens: meter(told.tokens) };
                    let at_ms = now_ms + caller.answer_ms;
                    agenda.add(at_ms, caller.key, index, Event::Answer(booking, reading));
                }
                Event::Answer(booking, reading) => {
                    let unspent = Unspent::Nothing;
                    let settlement = Settlement {
                        booking, refused: false, unspent, reading, limit_hit: None, block_ms: None,
                    };
                    store.settle(settlement, now_ms);
                    settled += 1;
                }
            }
        }
        prop_assert_eq!(settled, callers.len());
        for (limiter, admitted) in limiters.iter().zip(admitted) {
            prop_assert!(admitted <= limiter.capacity_tokens(end_ms).unwrap());
        }
        // Nothing is under way, nobody is waited for, and all has flowed back.
        let families = store.families();
        let mut lanes = families.values().flat_map(Family::all);
        prop_assert!(lanes.all(|lane| lane.is_idle(end_ms + 120_000.0)));
    }
}
