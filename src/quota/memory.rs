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
mod tests;
