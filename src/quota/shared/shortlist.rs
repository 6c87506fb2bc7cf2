//! Which lanes a booking looks at where there are very many.
//!
//! Redis does one thing at a time, and reading a lane takes it microseconds. So of more candidates than [`MOST_CANDIDATES`] a
//! booking asks for those that could start first as far as this process has seen, and among equals for those that it has not
//! looked at for longest. Whoever waits asks again, and then for others.

use super::seen::Seen;
use crate::quota::{Answer, Ask};

/// Candidates that a booking asks for at most.
pub(super) const MOST_CANDIDATES: usize = 128;

/// As many of them are those nearest to a prompt's home, where it has one.
const NEAR_HOME: usize = 16;

/// The ask for some of the candidates, and their indices among all; `None` where it can ask for all.
pub(super) fn shortlist(ask: &Ask, seen: &Seen, now_ms: f64) -> Option<(Ask, Vec<usize>)> {
    if ask.candidates.len() <= MOST_CANDIDATES {
        return None;
    }
    let mut indices: Vec<usize> = (0..ask.candidates.len()).collect();
    let home = |index: &usize| {
        let candidate = &ask.candidates[*index];
        candidate.affinity * candidate.weight
    };
    indices.select_nth_unstable_by(NEAR_HOME, |a, b| home(b).total_cmp(&home(a)));
    let kept = match ask.candidates[indices[0]].affinity > 0.0 {
        true => NEAR_HOME,
        false => 0,
    };
    let rank = |index: &usize| {
        let candidate = &ask.candidates[*index];
        let lane = seen.lane(&ask.model_group, candidate.quota_group);
        let starts_ms = lane.starts_ms.max(candidate.not_before_ms).max(now_ms);
        (starts_ms, lane.looked_ms)
    };
    let rest = &mut indices[kept..];
    rest.select_nth_unstable_by(MOST_CANDIDATES - kept, |a, b| {
        let (a, b) = (rank(a), rank(b));
        a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
    });
    indices.truncate(MOST_CANDIDATES);
    // Among equals the first of the configuration goes first.
    indices.sort_unstable();
    let candidates = indices.iter().map(|index| ask.candidates[*index].clone());
    let some = Ask {
        candidates: candidates.collect(),
        ..ask.clone()
    };
    Some((some, indices))
}

/// Notes what the answer to a shortlist tells of its lanes, and makes it the answer to the whole ask.
pub(super) fn answered(
    ask: &Ask,
    indices: &[usize],
    answer: Answer,
    seen: &mut Seen,
    now_ms: f64,
) -> Answer {
    let groups = || {
        indices
            .iter()
            .map(|index| ask.candidates[*index].quota_group)
    };
    match answer {
        Answer::Booked(mut booking) => {
            let mut waits_ms = vec![f64::INFINITY; ask.candidates.len()];
            for ((index, group), wait_ms) in indices.iter().zip(groups()).zip(&booking.waits_ms) {
                waits_ms[*index] = *wait_ms;
                // One that cannot take this request may take the next.
                let known = Some(*wait_ms).filter(|wait_ms| wait_ms.is_finite());
                seen.looked(&ask.model_group, group, known, now_ms);
            }
            booking.waits_ms = waits_ms;
            booking.candidate = indices[booking.candidate];
            Answer::Booked(booking)
        }
        Answer::Later { wait_ms, .. } => {
            for group in groups() {
                seen.looked(&ask.model_group, group, Some(wait_ms), now_ms);
            }
            answer
        }
        Answer::Never { .. } => answer,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::{
        attempt::Because,
        config::Limits,
        quota::{Booking, Candidate, Cost, HORIZON_MS, MemoryStore},
    };

    fn ask(candidates: usize) -> Ask {
        let candidates = (0..candidates).map(|quota_group| Candidate {
            quota_group,
            limits: Limits {
                tokens_per_minute: Some(60_000.0),
                ..Limits::default()
            },
            weight: 1.0,
            not_before_ms: f64::NEG_INFINITY,
            affinity: 0.0,
        });
        Ask {
            model_group: "m".into(),
            cost: Cost {
                requests: 1.0,
                tokens: 50_000.0,
            },
            candidates: candidates.collect(),
            force: false,
            claimant: 1,
            urgency: 0,
            due_in_ms: f64::INFINITY,
            patience_ms: f64::INFINITY,
            cache_worth_ms: 0.0,
        }
    }

    fn book(store: &MemoryStore, ask: &Ask, seen: &mut Seen, now_ms: f64) -> Option<Booking> {
        let (some, indices) = shortlist(ask, seen, now_ms).unwrap();
        let answer = store.book_now(&some, now_ms);
        match answered(ask, &indices, answer, seen, now_ms) {
            Answer::Booked(booking) => Some(booking),
            _ => None,
        }
    }

    #[test]
    fn few_candidates_are_all_asked_for() {
        assert!(shortlist(&ask(MOST_CANDIDATES), &Seen::default(), 0.0).is_none());
    }

    #[test]
    fn every_account_of_a_thousand_is_found_and_none_twice_while_others_have_room() {
        let (store, mut seen) = (MemoryStore::new(), Seen::default());
        let ask = ask(1_000);
        let used: HashSet<usize> = (0..1_000)
            .map(|each| {
                let now_ms = f64::from(each) / 100.0;
                let booking = book(&store, &ask, &mut seen, now_ms).unwrap();
                assert!(booking.wait_ms < HORIZON_MS);
                assert_eq!(booking.waits_ms.len(), 1_000);
                booking.quota_group
            })
            .collect();
        assert_eq!(used.len(), 1_000);
        assert!(book(&store, &ask, &mut seen, 10.0).is_none());
    }

    #[test]
    fn the_homes_of_a_prompt_are_among_them() {
        let mut ask = ask(1_000);
        for (index, candidate) in ask.candidates.iter_mut().enumerate() {
            candidate.affinity = 1.0 + index as f64;
        }
        let booking = book(&MemoryStore::new(), &ask, &mut Seen::default(), 0.0).unwrap();
        assert_eq!((booking.candidate, booking.because), (999, Because::Cache));
    }
}
