//! The embedded store: the lanes of one process, behind a mutex.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    Answer, Ask, Booking, Candidate, Observation, Pending, Settlement, Sharing, Standing, Store,
    choose::{Choice, HORIZON_MS, START_AGAIN_MS, choose, standing},
    claims::Turn,
    lane::{End, Lane},
};
use crate::{error::Result, warning::Warning};

/// Model groups kept before idle ones are dropped: names come from callers, so their number needs a bound.
const MOST_MODEL_GROUPS: usize = 1_024;

/// Lanes in memory.
///
/// A std mutex: nothing is awaited while it is held, and what is done under it is arithmetic on a few lanes.
#[derive(Debug, Default)]
pub struct MemoryStore {
    families: Mutex<HashMap<Arc<str>, Family>>,
}

/// The lanes of one model group.
#[derive(Debug, Default)]
struct Family {
    /// By the quota group's index.
    lanes: Vec<Option<Lane>>,
    /// Tickets given so far.
    tickets: u64,
}

impl Family {
    /// A candidate's lane with the limits that it names, made full at first need.
    fn lane(&mut self, candidate: &Candidate, now_ms: f64) -> &mut Lane {
        if self.lanes.len() <= candidate.quota_group {
            self.lanes.resize(candidate.quota_group + 1, None);
        }
        let lane = self.lanes[candidate.quota_group]
            .get_or_insert_with(|| Lane::new(&candidate.limits, now_ms));
        lane.configure(&candidate.limits, now_ms);
        lane
    }

    fn known(&self, quota_group: usize) -> Option<&Lane> {
        self.lanes.get(quota_group)?.as_ref()
    }

    fn known_mut(&mut self, quota_group: usize) -> Option<&mut Lane> {
        self.lanes.get_mut(quota_group)?.as_mut()
    }

    fn all(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.iter().flatten()
    }

    /// Takes a claimant's claim away, wherever it stands, and returns its ticket.
    fn take_claim(&mut self, claimant: u64) -> Option<u64> {
        let mut lanes = self.lanes.iter_mut().flatten();
        lanes.find_map(|lane| lane.claims.take(claimant))
    }

    /// Sends one away who will come back for a candidate's lane.
    fn claim(&mut self, ask: &Ask, candidate: usize, turn: Turn, after_ms: f64, now_ms: f64) {
        let ticket = match turn.ticket {
            u64::MAX => {
                self.tickets += 1;
                self.tickets
            }
            kept => kept,
        };
        let turn = Turn { ticket, ..turn };
        let claims = &mut self.lane(&ask.candidates[candidate], now_ms).claims;
        claims.enter(ask.claimant, turn, ask.cost, after_ms, now_ms);
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        MemoryStore::default()
    }

    fn families(&self) -> MutexGuard<'_, HashMap<Arc<str>, Family>> {
        // No code under the lock panics halfway through a change, so the state is whole even then.
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn book_now(&self, ask: &Ask, now_ms: f64) -> Answer {
        let mut families = self.families();
        let family = family(&mut families, &ask.model_group, now_ms);
        for candidate in &ask.candidates {
            family.lane(candidate, now_ms);
        }
        let ticket = family.take_claim(ask.claimant);
        let turn = Turn {
            urgency: ask.urgency,
            due_ms: now_ms + ask.due_in_ms,
            ticket: ticket.unwrap_or(u64::MAX),
        };
        let lanes: Vec<&Lane> = ask
            .candidates
            .iter()
            .filter_map(|candidate| family.known(candidate.quota_group))
            .collect();
        let (index, wait_ms, because, waits_ms) = match choose(ask, &lanes, turn, now_ms) {
            Choice::Never { metric, limit } => return Answer::Never { metric, limit },
            Choice::Starting { candidate } => {
                family.claim(ask, candidate, turn, START_AGAIN_MS, now_ms);
                return Answer::Later {
                    ask_again_ms: START_AGAIN_MS,
                    // Nobody knows how long: the caller's own patience is the bound.
                    wait_ms: 0.0,
                };
            }
            Choice::At {
                candidate, wait_ms, ..
            } if wait_ms > HORIZON_MS && !ask.force => {
                let ask_again_ms = wait_ms - HORIZON_MS;
                family.claim(ask, candidate, turn, ask_again_ms, now_ms);
                return Answer::Later {
                    ask_again_ms,
                    wait_ms,
                };
            }
            Choice::At {
                candidate,
                wait_ms,
                because,
                waits_ms,
            } => (candidate, wait_ms, because, waits_ms),
        };
        let wait_ms = if ask.force { 0.0 } else { wait_ms };
        let candidate = &ask.candidates[index];
        let lane = family.lane(candidate, now_ms);
        let taken = lane.book(ask.cost, wait_ms, now_ms);
        Answer::Booked(Booking {
            candidate: index,
            model_group: ask.model_group.clone(),
            quota_group: candidate.quota_group,
            limits: candidate.limits,
            taken,
            wait_ms,
            alone: None,
            tokens_left: lane.left(now_ms + wait_ms).1,
            because,
            waits_ms,
        })
    }

    pub(super) fn look_now(&self, ask: &Ask, now_ms: f64) -> Vec<Standing> {
        let mut families = self.families();
        let mut family = families.get_mut(&ask.model_group);
        let standings = ask.candidates.iter().map(|candidate| {
            let family = family.as_deref_mut();
            match family.and_then(|family| family.known_mut(candidate.quota_group)) {
                Some(lane) => {
                    lane.configure(&candidate.limits, now_ms);
                    standing(candidate, lane, ask.cost, now_ms)
                }
                None => {
                    let lane = Lane::new(&candidate.limits, now_ms);
                    standing(candidate, &lane, ask.cost, now_ms)
                }
            }
        });
        standings.collect()
    }

    pub(super) fn withdraw_now(&self, model_group: &str, claimant: u64) {
        let mut families = self.families();
        if let Some(family) = families.get_mut(model_group) {
            family.take_claim(claimant);
        }
    }

    pub(super) fn settle_now(&self, settlement: &Settlement, now_ms: f64) {
        let booking = &settlement.booking;
        let mut families = self.families();
        let Some(lane) = families
            .get_mut(&booking.model_group)
            .and_then(|family| family.known_mut(booking.quota_group))
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
        lane.settle(&booking.taken, &end, now_ms);
        if let Some(block_ms) = settlement.block_ms {
            lane.block_until(now_ms + block_ms);
        }
    }

    pub(super) fn observe_now(&self, observation: &Observation, now_ms: f64) {
        let mut families = self.families();
        let family = family(&mut families, &observation.model_group, now_ms);
        family.lane(&observation.candidate, now_ms).observe(
            observation.used,
            observation.requests_left,
            observation.tokens_left,
            now_ms,
        );
    }

    /// Makes a candidate's lane, with so much left where that is known, and blocked until a moment.
    pub(super) fn begin_lane(
        &self,
        model_group: &Arc<str>,
        candidate: &Candidate,
        left: &[Option<f64>; 4],
        blocked_until_ms: f64,
        now_ms: f64,
    ) {
        let mut families = self.families();
        let family = family(&mut families, model_group, now_ms);
        let lane = family.lane(candidate, now_ms);
        lane.begin_with(left, now_ms);
        lane.block_until(blocked_until_ms);
    }

    /// A lane as it is, if there is one.
    pub(super) fn lane_now(&self, model_group: &str, quota_group: usize) -> Option<Lane> {
        let families = self.families();
        families.get(model_group)?.known(quota_group).cloned()
    }
}

/// The lanes of a model group; makes room for it first where there are too many.
fn family<'a>(
    families: &'a mut HashMap<Arc<str>, Family>,
    model_group: &Arc<str>,
    now_ms: f64,
) -> &'a mut Family {
    if families.len() >= MOST_MODEL_GROUPS && !families.contains_key(model_group) {
        families.retain(|_, family| !family.all().all(|lane| lane.is_idle(now_ms)));
    }
    families.entry(model_group.clone()).or_default()
}

impl Store for MemoryStore {
    fn book<'a>(&'a self, ask: &'a Ask, now_ms: f64) -> Pending<'a, Result<Answer>> {
        let answer = self.book_now(ask, now_ms);
        Box::pin(std::future::ready(Ok(answer)))
    }

    fn withdraw(&self, model_group: &str, claimant: u64) {
        self.withdraw_now(model_group, claimant);
    }

    fn settle(&self, settlement: Settlement, now_ms: f64) {
        self.settle_now(&settlement, now_ms);
    }

    fn observe(&self, observation: Observation, now_ms: f64) {
        self.observe_now(&observation, now_ms);
    }

    fn look<'a>(&'a self, ask: &'a Ask, now_ms: f64) -> Pending<'a, Result<Vec<Standing>>> {
        let standings = self.look_now(ask, now_ms);
        Box::pin(std::future::ready(Ok(standings)))
    }

    fn sharing(&self, _model_group: &Arc<str>) -> Option<Sharing> {
        None
    }

    fn take_warnings(&self) -> Vec<Warning> {
        Vec::new()
    }

    fn carried(&self) -> Pending<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

#[cfg(test)]
mod tests;
