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
    quota::{
        Answer, Ask, Candidate, Cost, MemoryStore, Metric, Observation, Settlement, Standing,
        Unspent,
        redis::{Away, Charge},
    },
};

/// Whoever waits for a share looks again after this time at the latest, in milliseconds.
const LONGEST_SLEEP_MS: f64 = 1_000.0;

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
    pub(super) because: Away,
    /// How many share the lanes.
    processes: f64,
    store: MemoryStore,
    /// How each lane's share began, by quota group.
    begun: HashMap<usize, Begun>,
    /// The callers' clock at a moment of this process's.
    clock: (f64, Instant),
    /// Looks whether Redis is back; ends with the outage.
    pub(super) recovery: AbortHandle,
}

/// How a lane's share began.
#[derive(Debug, Clone, Copy)]
struct Begun {
    /// The configured limits of the whole lane.
    configured: Limits,
    /// What OpenAI charges for an estimated token: shares are in estimated tokens.
    factor: f64,
    /// What was left of the share, by metric.
    levels: [Option<f64>; 4],
    at_ms: f64,
}

impl Begun {
    fn factor_of(&self, metric: Metric) -> f64 {
        match metric.counts_tokens() {
            true => self.factor,
            false => 1.0,
        }
    }
}

impl Drop for Outage {
    fn drop(&mut self) {
        self.recovery.abort();
    }
}

impl Outage {
    pub(super) fn new(
        number: u64,
        because: Away,
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

    /// Books from the share. Of a request that is larger than a share ever is, the rest is a debt that flows back before the next.
    pub(super) fn book(&mut self, ask: &Ask, seen: &Seen, now_ms: f64) -> Answer {
        if let Some((metric, limit)) = exceeded_by_all(ask, seen) {
            return Answer::Never { metric, limit };
        }
        let part = self.part_of(ask, seen, now_ms);
        match self.store.book_now(&part, now_ms) {
            Answer::Booked(mut booking) => {
                let own = &part.candidates[booking.candidate];
                let debt = Cost {
                    requests: ask.cost.requests - part.cost.requests,
                    tokens: ask.cost.tokens - part.cost.tokens,
                };
                self.take(&ask.model_group, own, debt, now_ms);
                booking.limits = ask.candidates[booking.candidate].limits;
                booking.alone = Some(Alone {
                    outage: self.number,
                    debt,
                });
                Answer::Booked(booking)
            }
            // Redis can be back at any time, and then there may be room at once: nobody is turned away for what a share says.
            Answer::Later { ask_again_ms, .. } => Answer::Later {
                ask_again_ms: ask_again_ms.min(LONGEST_SLEEP_MS),
                wait_ms: 0.0,
            },
            never => never,
        }
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

    /// What has been used of each lane, for Redis; and what is left of the lanes, for another outage.
    pub(super) fn charges(
        &self,
        model_group: &Arc<str>,
        seen: &mut Seen,
        now_ms: f64,
    ) -> Vec<Charge> {
        let charges = self.begun.iter().filter_map(|(quota_group, begun)| {
            let lane = self.store.lane_now(model_group, *quota_group)?;
            let block_ms = lane.blocked_until_ms() - now_ms;
            let mut charge = Charge {
                quota_group: *quota_group,
                limits: begun.configured,
                used: [0.0; 4],
                most_left: [None; 4],
                alone_ms: self.lasted().as_secs_f64() * 1000.0,
                block_ms: Some(block_ms).filter(|block_ms| *block_ms > 0.0),
            };
            let mut left = [None; 4];
            for metric in Metric::ALL {
                let index = metric as usize;
                // What others have used is not ours to tell.
                let Some((uncorrected, capacity)) = lane.uncorrected(metric, now_ms) else {
                    continue;
                };
                let whole = self.processes * begun.factor_of(metric);
                let idle = begun.levels[index]
                    .map(|level| flowed_back(metric, level, capacity, now_ms - begun.at_ms));
                charge.used[index] = begun.factor_of(metric)
                    * match idle {
                        Some(idle) => (idle - uncorrected).max(0.0),
                        // A limit that was told meanwhile: of what is missing, no more is ours than was booked.
                        None => (capacity - uncorrected).clamp(0.0, metric.amount(lane.booked())),
                    };
                charge.most_left[index] = idle.map(|idle| idle * whole);
                left[index] = lane.level(metric, now_ms).map(|level| level * whole);
            }
            seen.left_over(model_group, *quota_group, left, now_ms);
            Some(charge)
        });
        charges.collect()
    }

    /// The ask for shares instead of lanes, of no more than the smallest share holds.
    fn part_of(&mut self, ask: &Ask, seen: &Seen, now_ms: f64) -> Ask {
        let mut part = ask.clone();
        for candidate in &mut part.candidates {
            let lane = seen.lane(&ask.model_group, candidate.quota_group);
            let configured = candidate.limits;
            let holds_it = exceeded(&lane.limits(&configured), ask.cost).is_none();
            candidate.limits = self.share(&lane, &configured);
            self.begin(&ask.model_group, candidate, &configured, &lane, now_ms);
            if !holds_it && !ask.force {
                candidate.not_before_ms = f64::INFINITY;
                continue;
            }
            for metric in Metric::ALL {
                if let Some(most) = metric.configured(&candidate.limits) {
                    cut(&mut part.cost, metric, most);
                }
            }
        }
        part
    }

    /// The limits of a share, in tokens as they are estimated.
    fn share(&self, lane: &LaneSeen, configured: &Limits) -> Limits {
        let limits = lane.limits(configured);
        let [
            requests_per_minute,
            tokens_per_minute,
            requests_per_day,
            tokens_per_day,
        ] = Metric::ALL.map(|metric| {
            Some(limits[metric as usize]? / (self.processes * factor_of(lane, metric)))
        });
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
            let levels = Metric::ALL
                .map(|metric| Some(left[metric as usize]? / (processes * factor_of(lane, metric))));
            store.begin_lane(model_group, own, &levels, lane.blocked_until_ms, now_ms);
            Begun {
                configured: *configured,
                factor: lane.factor,
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
    if settlement.unspent == Unspent::Nothing && settlement.block_ms.is_none() {
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
        block_ms: settlement.block_ms,
    })
}

/// The metric of which no candidate's whole lane ever holds an ask, and the largest limit of it.
fn exceeded_by_all(ask: &Ask, seen: &Seen) -> Option<(Metric, f64)> {
    if ask.force {
        return None;
    }
    let mut largest: Option<(Metric, f64)> = None;
    for candidate in &ask.candidates {
        let lane = seen.lane(&ask.model_group, candidate.quota_group);
        let (metric, limit) = exceeded(&lane.limits(&candidate.limits), ask.cost)?;
        if largest.is_none_or(|(_, most)| limit > most) {
            largest = Some((metric, limit));
        }
    }
    largest
}

fn exceeded(limits: &[Option<f64>; 4], cost: Cost) -> Option<(Metric, f64)> {
    Metric::ALL.into_iter().find_map(|metric| {
        let limit = limits[metric as usize]?;
        (metric.amount(cost) > limit).then_some((metric, limit))
    })
}

fn factor_of(lane: &LaneSeen, metric: Metric) -> f64 {
    match metric.counts_tokens() {
        true => lane.factor,
        false => 1.0,
    }
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
