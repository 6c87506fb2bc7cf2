//! What this process has seen of the lanes in Redis: where it goes on from when Redis is away.

use std::{collections::HashMap, sync::Arc};

use crate::{
    config::Limits,
    headers::Meter,
    quota::{Booking, Metric, Settlement},
};

/// Model groups remembered: names come from callers, so their number needs a bound.
const MOST_MODEL_GROUPS: usize = 1_024;

/// The lanes by model group, then by the quota group's index.
#[derive(Debug, Default)]
pub(super) struct Seen {
    lanes: HashMap<Arc<str>, Vec<LaneSeen>>,
}

/// What was seen of one lane. Arrays are by metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct LaneSeen {
    /// The limits that answers have told.
    told: [Option<f64>; 4],
    /// What was left at `at_ms`, on the callers' clock.
    levels: [Option<f64>; 4],
    at_ms: f64,
    /// What OpenAI charges for an estimated token, as far as the lane has learned.
    pub(super) factor: f64,
    /// Nothing is sent before this moment.
    pub(super) blocked_until_ms: f64,
    /// The moment at which it could start the last request that looked at it, and when that was.
    pub(super) starts_ms: f64,
    pub(super) looked_ms: f64,
}

impl Default for LaneSeen {
    fn default() -> Self {
        LaneSeen {
            told: [None; 4],
            levels: [None; 4],
            at_ms: f64::NEG_INFINITY,
            factor: 1.0,
            blocked_until_ms: f64::NEG_INFINITY,
            starts_ms: f64::NEG_INFINITY,
            looked_ms: f64::NEG_INFINITY,
        }
    }
}

impl Seen {
    /// What was seen of a lane.
    pub(super) fn lane(&self, model_group: &Arc<str>, quota_group: usize) -> LaneSeen {
        let lanes = self.lanes.get(model_group);
        let lane = lanes.and_then(|lanes| lanes.get(quota_group));
        lane.copied().unwrap_or_default()
    }

    /// A booking tells what is left after it, and what its estimated tokens are charged.
    pub(super) fn booked(&mut self, booking: &Booking, estimated: f64, now_ms: f64) {
        let lane = self.lane_mut(&booking.model_group, booking.quota_group);
        lane.levels = booking.taken.levels;
        lane.at_ms = now_ms;
        if estimated > 0.0 {
            lane.factor = booking.taken.cost.tokens / estimated;
        }
    }

    /// An outage is over, and left so much of the whole lane.
    pub(super) fn left_over(
        &mut self,
        model_group: &Arc<str>,
        quota_group: usize,
        levels: [Option<f64>; 4],
        now_ms: f64,
    ) {
        let lane = self.lane_mut(model_group, quota_group);
        lane.levels = levels;
        lane.at_ms = now_ms;
    }

    /// A booking has looked at a lane, which could start after this time.
    pub(super) fn looked(
        &mut self,
        model_group: &Arc<str>,
        quota_group: usize,
        wait_ms: Option<f64>,
        now_ms: f64,
    ) {
        let lane = self.lane_mut(model_group, quota_group);
        lane.looked_ms = now_ms;
        if let Some(wait_ms) = wait_ms {
            lane.starts_ms = now_ms + wait_ms;
        }
    }

    /// An answer tells limits, and a refusal for how long nothing is sent.
    pub(super) fn settled(&mut self, settlement: &Settlement, now_ms: f64) {
        let told = |tokens: bool, meter: &Meter| {
            let limit = meter.limit?;
            Some((Metric::of(tokens, meter.window()), limit))
        };
        let reading = &settlement.reading;
        let hit = settlement.limit_hit;
        let hit = hit.map(|hit| (Metric::of(hit.tokens, hit.window), hit.limit));
        let limits = [
            told(false, &reading.requests),
            told(true, &reading.tokens),
            hit,
        ];
        if limits.iter().all(Option::is_none) && settlement.block_ms.is_none() {
            return;
        }
        let booking = &settlement.booking;
        let lane = self.lane_mut(&booking.model_group, booking.quota_group);
        if let Some(block_ms) = settlement.block_ms {
            lane.blocked_until_ms = lane.blocked_until_ms.max(now_ms + block_ms);
        }
        for (metric, limit) in limits.into_iter().flatten() {
            lane.told[metric as usize] = Some(limit);
        }
    }

    fn lane_mut(&mut self, model_group: &Arc<str>, quota_group: usize) -> &mut LaneSeen {
        if self.lanes.len() >= MOST_MODEL_GROUPS && !self.lanes.contains_key(model_group) {
            self.lanes.clear();
        }
        let lanes = self.lanes.entry(model_group.clone()).or_default();
        if lanes.len() <= quota_group {
            lanes.resize(quota_group + 1, LaneSeen::default());
        }
        &mut lanes[quota_group]
    }
}

impl LaneSeen {
    /// The limits of the whole lane: the smaller of the configured and the told.
    pub(super) fn limits(&self, configured: &Limits) -> [Option<f64>; 4] {
        Metric::ALL.map(|metric| {
            let limits = [metric.configured(configured), self.told[metric as usize]];
            limits.into_iter().flatten().reduce(f64::min)
        })
    }

    /// What is left of the whole lane now, had nobody used it since.
    pub(super) fn left(&self, limits: &[Option<f64>; 4], now_ms: f64) -> [Option<f64>; 4] {
        Metric::ALL.map(|metric| {
            let (level, limit) = (self.levels[metric as usize]?, limits[metric as usize]?);
            Some(flowed_back(metric, level, limit, now_ms - self.at_ms))
        })
    }
}

/// A level after some time in which nothing was taken.
pub(super) fn flowed_back(metric: Metric, level: f64, limit: f64, passed_ms: f64) -> f64 {
    (level + limit / metric.window_ms() * passed_ms.max(0.0)).min(limit)
}
