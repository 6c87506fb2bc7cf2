//! The embedded store: the lanes of one process, behind a mutex.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    Answer, Ask, Booking, Candidate, Observation, Pending, Settlement, Standing, Store,
    choose::{Choice, HORIZON_MS, START_AGAIN_MS, choose, standing},
    lane::{End, Lane},
};
use crate::error::Result;

/// Model groups kept before idle ones are dropped: names come from callers, so their number needs a bound.
const MOST_MODEL_GROUPS: usize = 1_024;

/// Lanes in memory.
///
/// A std mutex: nothing is awaited while it is held, and what is done under it is arithmetic on a few lanes.
#[derive(Debug, Default)]
pub struct MemoryStore {
    families: Mutex<HashMap<Arc<str>, Family>>,
}

/// The lanes of one model group, by the quota group's index.
type Family = Vec<Option<Lane>>;

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        MemoryStore::default()
    }

    fn families(&self) -> MutexGuard<'_, HashMap<Arc<str>, Family>> {
        // No code under the lock panics halfway through a change, so the state is whole even then.
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn book_now(&self, ask: &Ask, now_ms: f64) -> Answer {
        let mut families = self.families();
        let family = family(&mut families, &ask.model_group, now_ms);
        for candidate in &ask.candidates {
            lane(family, candidate, now_ms);
        }
        let mut claimed = family.iter_mut().flatten();
        let since_ms = claimed.find_map(|lane| lane.claims.take(ask.claimant));
        let since_ms = since_ms.unwrap_or(now_ms);
        let lanes: Vec<&Lane> = existing(family, ask).collect();
        let (index, wait_ms) = match choose(ask, &lanes, since_ms, now_ms) {
            Choice::Never { metric, limit } => return Answer::Never { metric, limit },
            // Nobody knows how long: the caller's own patience is the bound.
            Choice::Starting => {
                return Answer::Later {
                    ask_again_ms: START_AGAIN_MS,
                    wait_ms: 0.0,
                };
            }
            Choice::Earliest { candidate, .. } if ask.force => (candidate, 0.0),
            Choice::Earliest { candidate, wait_ms } if wait_ms > HORIZON_MS => {
                let ask_again_ms = wait_ms - HORIZON_MS;
                let lane = lane(family, &ask.candidates[candidate], now_ms);
                let claims = &mut lane.claims;
                claims.enter(ask.claimant, ask.cost, since_ms, ask_again_ms, now_ms);
                return Answer::Later {
                    ask_again_ms,
                    wait_ms,
                };
            }
            Choice::Earliest { candidate, wait_ms } => (candidate, wait_ms),
        };
        let candidate = &ask.candidates[index];
        let lane = lane(family, candidate, now_ms);
        let taken = lane.book(ask.cost, wait_ms, now_ms);
        Answer::Booked(Booking {
            candidate: index,
            model_group: ask.model_group.clone(),
            quota_group: candidate.quota_group,
            limits: candidate.limits,
            taken,
            wait_ms,
            tokens_left: lane.left(now_ms + wait_ms).1,
        })
    }

    fn look_now(&self, ask: &Ask, now_ms: f64) -> Vec<Standing> {
        let families = self.families();
        let family = families.get(&ask.model_group);
        ask.candidates
            .iter()
            .map(|candidate| {
                let known = family.and_then(|family| family.get(candidate.quota_group)?.as_ref());
                match known {
                    Some(lane) => standing(candidate, lane, ask.cost, now_ms),
                    None => {
                        let lane = Lane::new(&candidate.limits, now_ms);
                        standing(candidate, &lane, ask.cost, now_ms)
                    }
                }
            })
            .collect()
    }
}

/// The lanes of a model group; makes room for it first where there are too many.
fn family<'a>(
    families: &'a mut HashMap<Arc<str>, Family>,
    model_group: &Arc<str>,
    now_ms: f64,
) -> &'a mut Family {
    if families.len() >= MOST_MODEL_GROUPS && !families.contains_key(model_group) {
        families.retain(|_, family| !family.iter().flatten().all(|lane| lane.is_idle(now_ms)));
    }
    families.entry(model_group.clone()).or_default()
}

/// A candidate's lane, made full at first need.
fn lane<'a>(family: &'a mut Family, candidate: &Candidate, now_ms: f64) -> &'a mut Lane {
    if family.len() <= candidate.quota_group {
        family.resize(candidate.quota_group + 1, None);
    }
    family[candidate.quota_group].get_or_insert_with(|| Lane::new(&candidate.limits, now_ms))
}

/// The lanes of an ask's candidates, all of which exist.
fn existing<'a>(family: &'a Family, ask: &'a Ask) -> impl Iterator<Item = &'a Lane> {
    ask.candidates
        .iter()
        .filter_map(|candidate| family[candidate.quota_group].as_ref())
}

impl Store for MemoryStore {
    fn book<'a>(&'a self, ask: &'a Ask, now_ms: f64) -> Pending<'a, Result<Answer>> {
        let answer = self.book_now(ask, now_ms);
        Box::pin(std::future::ready(Ok(answer)))
    }

    fn withdraw(&self, model_group: &str, claimant: u64) {
        let mut families = self.families();
        let lanes = families
            .get_mut(model_group)
            .into_iter()
            .flatten()
            .flatten();
        for lane in lanes {
            lane.claims.take(claimant);
        }
    }

    fn settle(&self, settlement: Settlement, now_ms: f64) {
        let booking = &settlement.booking;
        let mut families = self.families();
        let Some(lane) = families
            .get_mut(&booking.model_group)
            .and_then(|family| family.get_mut(booking.quota_group)?.as_mut())
        else {
            // A lane with a booking under way is never dropped as idle.
            return;
        };
        let end = End {
            refused: settlement.refused,
            unspent: settlement.unspent,
            reading: &settlement.reading,
            limit_hit: settlement.limit_hit.as_ref(),
        };
        lane.settle(&booking.taken, &end, &booking.limits, now_ms);
        if let Some(block_ms) = settlement.block_ms {
            lane.block_until(now_ms + block_ms);
        }
    }

    fn observe(&self, observation: Observation, now_ms: f64) {
        let mut families = self.families();
        let family = family(&mut families, &observation.model_group, now_ms);
        lane(family, &observation.candidate, now_ms).observe(
            observation.used,
            observation.requests_left,
            observation.tokens_left,
            now_ms,
        );
    }

    fn look<'a>(&'a self, ask: &'a Ask, now_ms: f64) -> Pending<'a, Result<Vec<Standing>>> {
        let standings = self.look_now(ask, now_ms);
        Box::pin(std::future::ready(Ok(standings)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Limits,
        headers::Reading,
        quota::{Cost, Metric, Unspent},
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
                ask_again_ms: 59_000.0,
                wait_ms: 60_000.0
            }
        );
        let booking = booked(store.book_now(&ask(600.0, candidates), 59_000.0));
        assert!((booking.wait_ms - 1_000.0).abs() < 1e-6);
    }

    #[test]
    fn bookings_ahead_are_served_in_the_order_of_asking() {
        let store = MemoryStore::new();
        let only = || vec![candidate(0, 60_000.0)];
        // A margin of 600 tokens, refilled in 600 ms, stays.
        store.book_now(&ask(59_400.0, only()), 0.0);
        let waits: Vec<f64> = (0..4)
            .map(|_| {
                booked(store.book_now(&ask(100.0, only()), 0.0))
                    .wait_ms
                    .round()
            })
            .collect();
        assert_eq!(waits, [100.0, 200.0, 300.0, 400.0]);
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
        assert!(matches!(sent_away, Answer::Later { wait_ms, .. } if wait_ms == 30_600.0));
        // 10,000 tokens are back after 10 s; the large one needs them, so a small one comes behind it.
        let small = Ask {
            claimant: 2,
            ..ask(100.0, only())
        };
        let behind = store.book_now(&small, 10_000.0);
        assert!(matches!(behind, Answer::Later { wait_ms, .. } if wait_ms > 20_000.0));
        assert!(booked(store.book_now(&large, 30_000.0)).wait_ms <= HORIZON_MS);
        assert!(booked(store.book_now(&small, 30_000.0)).wait_ms <= HORIZON_MS);
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
                booking,
                refused: false,
                unspent: Unspent::All,
                reading: Reading::default(),
                limit_hit: None,
                block_ms: Some(500.0),
            },
            0.0,
        );
        assert_eq!(booked(store.book_now(&question, 0.0)).wait_ms, 500.0);
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
}
