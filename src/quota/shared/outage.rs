//! A time in which Redis is away, for the lanes of one model group: this process goes on alone, with its share.
//!
//! Its share is what was left when Redis was heard last, and every limit, divided by the processes that used the lanes then. What
//! it does not use of it is nobody's: no process knows what the others do. An answer that says that less is left than the share
//! is believed; one that says more changes nothing.
//!
//! When Redis is back, what is gone of the share is taken from the lanes there: the difference between what would be left now had
//! nothing been sent, and what is.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{task::AbortHandle, time::Instant};

use super::seen::{LaneSeen, Seen, flowed_back};
use crate::{
    config::Limits,
    error::Error,
    quota::{
        Answer, Ask, Candidate, Cost, MemoryStore, Metric, Observation, Settlement, Standing,
        Unspent, redis::Charge,
    },
};

/// A request can exceed a share in each of the four metrics.
const MOST_CUTS: usize = 4;

/// What a booking that was made alone has besides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alone {
    /// In which outage; they are counted from 1.
    pub(super) outage: u64,
    /// What it took beyond what is booked, as the share never holds so much.
    pub(super) debt: Cost,
}

/// The lanes of one model group, without Redis.
#[derive(Debug)]
pub(super) struct Outage {
    pub(super) number: u64,
    pub(super) because: Error,
    /// How many share the lanes.
    processes: f64,
    store: MemoryStore,
    /// How each lane's share began, by quota group.
    begun: HashMap<usize, Begun>,
    /// The callers' clock at a moment of this process's.
    clock: (f64, Instant),
    /// Looks whether Redis is back; ends with the outage.
    recovery: AbortHandle,
}

/// How a lane's share began.
#[derive(Debug, Clone, Copy)]
struct Begun {
    /// The configured limits of the whole lane.
    configured: Limits,
    /// What was left of the share, by metric.
    levels: [Option<f64>; 4],
    at_ms: f64,
}

impl Drop for Outage {
    fn drop(&mut self) {
        self.recovery.abort();
    }
}

impl Outage {
    pub(super) fn new(
        number: u64,
        because: Error,
        processes: f64,
        now_ms: f64,
        recovery: AbortHandle,
    ) -> Self {
        Outage {
            number,
            because,
            processes,
            store: MemoryStore::new(),
            begun: HashMap::new(),
            clock: (now_ms, Instant::now()),
            recovery,
        }
    }

    /// How long it has lasted.
    pub(super) fn lasted(&self) -> Duration {
        self.clock.1.elapsed()
    }

    /// Now on the callers' clock.
    pub(super) fn now_ms(&self) -> f64 {
        self.clock.0 + self.lasted().as_secs_f64() * 1000.0
    }

    /// Books from the share. A request that is larger than the share ever is waits until that is full, and the rest is its debt.
    pub(super) fn book(&mut self, ask: &Ask, seen: &Seen, now_ms: f64) -> Answer {
        let mut part = self.part_of(ask, seen, now_ms);
        for _ in 0..=MOST_CUTS {
            let mut booking = match self.store.book_now(&part, now_ms) {
                Answer::Booked(booking) => booking,
                Answer::Never { metric, limit } => {
                    let whole = limit * self.processes;
                    if metric.amount(ask.cost) > whole {
                        return Answer::Never {
                            metric,
                            limit: whole,
                        };
                    }
                    cut(&mut part.cost, metric, limit);
                    continue;
                }
                later => return later,
            };
            let debt = Cost {
                requests: ask.cost.requests - part.cost.requests,
                tokens: ask.cost.tokens - part.cost.tokens,
            };
            self.take(
                &ask.model_group,
                &part.candidates[booking.candidate],
                debt,
                now_ms,
            );
            booking.limits = ask.candidates[booking.candidate].limits;
            booking.alone = Some(Alone {
                outage: self.number,
                debt,
            });
            return Answer::Booked(booking);
        }
        // Each cut makes one metric fit; after all four nothing can be too large.
        self.store.book_now(&part, now_ms)
    }

    /// How the shares stand.
    pub(super) fn look(&mut self, ask: &Ask, seen: &Seen, now_ms: f64) -> Vec<Standing> {
        let part = self.part_of(ask, seen, now_ms);
        self.store.look_now(&part, now_ms)
    }

    pub(super) fn withdraw(&self, model_group: &str, claimant: u64) {
        self.store.withdraw_now(model_group, claimant);
    }

    /// Closes a booking of this outage.
    pub(super) fn settle(&mut self, mut settlement: Settlement, seen: &Seen, now_ms: f64) {
        let booking = &mut settlement.booking;
        let lane = seen.lane(&booking.model_group, booking.quota_group);
        let share = self.share(&lane, &booking.limits);
        let debt = booking.alone.map_or(Cost::NOTHING, |alone| alone.debt);
        // An answer tells the limits of the whole lane; those of the share are the smaller ones.
        booking.limits = share;
        let back = gives_back(&settlement, debt);
        let model_group = settlement.booking.model_group.clone();
        let candidate = candidate(settlement.booking.quota_group, share);
        self.store.settle_now(&settlement, now_ms);
        self.take(&model_group, &candidate, back, now_ms);
    }

    /// Takes over what a caller did by itself, as far as it can be more than the share is good for.
    pub(super) fn observe(&mut self, observation: Observation, seen: &Seen, now_ms: f64) {
        let lane = seen.lane(&observation.model_group, observation.candidate.quota_group);
        let share = self.share(&lane, &observation.candidate.limits);
        let own = candidate(observation.candidate.quota_group, share);
        self.begin(
            &observation.model_group,
            &own,
            &observation.candidate.limits,
            &lane,
            now_ms,
        );
        self.take(&observation.model_group, &own, observation.used, now_ms);
    }

    /// What has been used of each lane, for Redis.
    pub(super) fn charges(&self, model_group: &Arc<str>, now_ms: f64) -> Vec<Charge> {
        let charges = self.begun.iter().filter_map(|(quota_group, begun)| {
            let buckets = self.store.buckets_now(model_group, *quota_group, now_ms)?;
            let passed_ms = now_ms - begun.at_ms;
            let mut charge = Charge {
                quota_group: *quota_group,
                limits: begun.configured,
                used: [0.0; 4],
                most_left: [None; 4],
                alone_ms: self.lasted().as_secs_f64() * 1000.0,
            };
            for metric in Metric::ALL {
                let index = metric as usize;
                let Some((level, capacity)) = buckets[index] else {
                    continue;
                };
                let idle = begun.levels[index]
                    .map(|level| flowed_back(metric, level, capacity, passed_ms));
                charge.used[index] = (idle.unwrap_or(capacity) - level).max(0.0);
                charge.most_left[index] = idle.map(|idle| idle * self.processes);
            }
            Some(charge)
        });
        charges.collect()
    }

    /// The ask for shares instead of lanes.
    fn part_of(&mut self, ask: &Ask, seen: &Seen, now_ms: f64) -> Ask {
        let mut part = ask.clone();
        for candidate in &mut part.candidates {
            let lane = seen.lane(&ask.model_group, candidate.quota_group);
            let configured = candidate.limits;
            candidate.limits = self.share(&lane, &configured);
            self.begin(&ask.model_group, candidate, &configured, &lane, now_ms);
        }
        part
    }

    fn share(&self, lane: &LaneSeen, configured: &Limits) -> Limits {
        let share = lane.limits(configured);
        let [
            requests_per_minute,
            tokens_per_minute,
            requests_per_day,
            tokens_per_day,
        ] = share.map(|limit| Some(limit? / self.processes));
        Limits {
            requests_per_minute,
            tokens_per_minute,
            requests_per_day,
            tokens_per_day,
        }
    }

    /// Makes the share of a lane, unless there is one.
    fn begin(
        &mut self,
        model_group: &Arc<str>,
        own: &Candidate,
        configured: &Limits,
        lane: &LaneSeen,
        now_ms: f64,
    ) {
        let processes = self.processes;
        let store = &self.store;
        self.begun.entry(own.quota_group).or_insert_with(|| {
            let left = lane.left(&lane.limits(configured), now_ms);
            let levels = left.map(|left| Some(left? / processes));
            store.begin_lane(model_group, own, &levels, now_ms);
            Begun {
                configured: *configured,
                levels,
                at_ms: now_ms,
            }
        });
    }

    /// Takes room from a share, or gives some back where it is below zero.
    fn take(&self, model_group: &Arc<str>, own: &Candidate, used: Cost, now_ms: f64) {
        if used == Cost::NOTHING {
            return;
        }
        let observation = Observation {
            model_group: model_group.clone(),
            candidate: own.clone(),
            used,
            requests_left: None,
            tokens_left: None,
        };
        self.store.observe_now(&observation, now_ms);
    }
}

/// What a settlement gives back besides what is booked: the debt, as far as nothing was spent. Below zero.
fn gives_back(settlement: &Settlement, debt: Cost) -> Cost {
    let unspent = settlement.unspent.of(debt);
    Cost {
        requests: -unspent.requests,
        tokens: -unspent.tokens,
    }
}

/// What a booking of an outage that is over gives back to Redis, where that was charged with it: what OpenAI has not counted.
pub(super) fn late_return(settlement: &Settlement, alone: Alone) -> Option<Charge> {
    if settlement.unspent == Unspent::Nothing {
        return None;
    }
    let booking = &settlement.booking;
    let taken = Cost {
        requests: booking.taken.cost.requests + alone.debt.requests,
        tokens: booking.taken.cost.tokens + alone.debt.tokens,
    };
    let unspent = settlement.unspent.of(taken);
    Some(Charge {
        quota_group: booking.quota_group,
        limits: booking.limits,
        used: Metric::ALL.map(|metric| -metric.amount(unspent)),
        most_left: [None; 4],
        alone_ms: 0.0,
    })
}

fn candidate(quota_group: usize, limits: Limits) -> Candidate {
    Candidate {
        quota_group,
        limits,
        weight: 1.0,
        not_before_ms: f64::NEG_INFINITY,
        affinity: 0.0,
    }
}

/// Lowers one metric's amount.
fn cut(cost: &mut Cost, metric: Metric, most: f64) {
    let amount = match metric.counts_tokens() {
        true => &mut cost.tokens,
        false => &mut cost.requests,
    };
    *amount = amount.min(most);
}
