//! One lane: the buckets of one quota group and one model group, and the block that a 429 puts on it.
//!
//! *Readings.* What a response says is left was true when OpenAI admitted the request, perhaps a minute ago. So a booking
//! remembers what the books said then: the level after it, projected to the moment of sending, and the sum of corrections
//! so far. At the settlement
//!
//! ```text
//! error = remaining − predicted − (corrections now − corrections then)
//! ```
//!
//! and the level and the sum move by a part of it. So late and out-of-order answers correct once, and pairs of requests that
//! overtake each other on the wire, whose errors are equal and opposite, cancel.

use super::{
    Cost, Unspent,
    bucket::Bucket,
    claims::{Claims, Turn},
    learned::Learned,
    metric::Metric,
};
use crate::{
    config::Limits,
    headers::{Meter, Reading},
    outcome::LimitHit,
};

/// The time in which a lane of unknown limits doubles what it may have under way, answers or not.
const DOUBLING_MS: f64 = 1_000.0;

/// A lane of unknown limits counts as this many tokens per minute where prompts look for a home, until its first answer.
const HOME_SHARE_OF_UNKNOWN: f64 = 200_000.0;

/// The part of an error that is applied: less room than booked is believed faster than more. What is systematic comes back
/// with the next reading.
const GAIN_DOWN: f64 = 0.5;
const GAIN_UP: f64 = 0.25;
/// After a refusal the server's number is the better one.
const GAIN_REFUSED: f64 = 1.0;

/// The state of one lane. A metric without a bucket is not limited as far as we know.
#[derive(Debug, Clone, PartialEq)]
pub struct Lane {
    buckets: [Option<Bucket>; 4],
    /// Running sums of the corrections of each bucket.
    corrected: [f64; 4],
    learned: Learned,
    pub(super) claims: Claims,
    blocked_until_ms: f64,
    /// Bookings that are not settled yet.
    unsettled: u32,
    /// Answers so far, and the moment of the first booking: how far a lane of unknown limits has started.
    answers: u32,
    first_booking_ms: Option<f64>,
}

/// What a booking took, and what the books said then.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Taken {
    /// Tokens as estimated.
    estimated: f64,
    /// What was taken: the estimate times the learned factor.
    cost: Cost,
    booked_ms: f64,
    send_ms: f64,
    /// The level of each bucket after the booking. A limit that was learned since was not part of it.
    levels: [Option<f64>; 4],
    /// The sums of corrections then.
    corrected: [f64; 4],
}

/// How an attempt ended, for its lane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct End<'a> {
    /// Whether the limiter refused it.
    pub refused: bool,
    /// What OpenAI has not counted, where no reading tells.
    pub unspent: Unspent,
    /// What the response's headers said.
    pub reading: &'a Reading,
    /// The limit that a 429 named.
    pub limit_hit: Option<&'a LimitHit>,
}

impl Lane {
    /// A lane with full buckets for the configured limits.
    pub fn new(limits: &Limits, now_ms: f64) -> Self {
        Lane {
            buckets: Metric::ALL.map(|metric| {
                let capacity = metric.configured(limits)?;
                Some(Bucket::full(capacity, metric.window_ms(), now_ms))
            }),
            corrected: [0.0; 4],
            learned: Learned::default(),
            claims: Claims::default(),
            blocked_until_ms: f64::NEG_INFINITY,
            unsettled: 0,
            answers: 0,
            first_booking_ms: None,
        }
    }

    /// The limit that an estimate exceeds even when the lane is full, if there is one. A factor that was learned to be above
    /// 1 makes nothing impossible: it is an average, and the request may be charged less.
    pub fn exceeded_by(&self, estimate: Cost) -> Option<(Metric, f64)> {
        let tokens = estimate.tokens * self.factor().min(1.0);
        let least = Cost { tokens, ..estimate };
        self.metered().find_map(|(metric, bucket)| {
            let capacity = bucket.known_capacity()?;
            (metric.amount(least) > capacity).then_some((metric, capacity))
        })
    }

    /// Milliseconds until what an estimate costs fits every bucket and no block is on the lane, behind those whose turn comes
    /// before.
    pub fn wait_for(&self, estimate: Cost, turn: Turn, now_ms: f64) -> f64 {
        let cost = self.cost_of(estimate);
        let ahead = self.claims.before(turn, now_ms);
        let ahead = Cost {
            tokens: ahead.tokens * self.factor(),
            ..ahead
        };
        let least_ms = (self.blocked_until_ms - now_ms).max(0.0);
        self.metered()
            .map(|(metric, bucket)| {
                let room = metric.amount(cost) + self.margin(metric, bucket);
                bucket.wait_behind(metric.amount(ahead), room, now_ms)
            })
            .fold(least_ms, f64::max)
    }

    /// Milliseconds until a lane of unknown limits may have one more request under way, or 0: it starts with one, and doubles
    /// with each answer and each second, so that a burst does not run into a limit that the first answer would have told,
    /// and slow answers do not hold it up for long. Those whose turn comes before start before.
    pub fn start_wait(&self, turn: Turn, now_ms: f64) -> f64 {
        let Some(first_ms) = self.first_booking_ms else {
            return 0.0;
        };
        if self.buckets.iter().any(Option::is_some) {
            return 0.0;
        }
        let ahead = self.claims.before(turn, now_ms).requests;
        // 2^doublings must exceed what is under way.
        let under_way = self.unsettled.saturating_add(ahead as u32);
        let doublings = f64::from(under_way.checked_ilog2().map_or(0, |log| log + 1));
        let by_time = doublings - f64::from(self.answers);
        (first_ms + by_time * DOUBLING_MS - now_ms).max(0.0)
    }

    /// How much of the pool's prompts should be at home here: its tokens per minute.
    pub fn home_share(&self) -> f64 {
        let bucket = self.buckets[Metric::TokensPerMinute as usize].as_ref();
        bucket.map_or(HOME_SHARE_OF_UNKNOWN, Bucket::capacity)
    }

    /// The smallest share of a bucket that is left after the cost at the moment when it is sent: 1 is all, 0 nothing. A lane
    /// of unknown limits has the larger share the fewer requests are under way on it.
    pub fn share_left_after(&self, estimate: Cost, at_ms: f64) -> f64 {
        let cost = self.cost_of(estimate);
        self.metered()
            .map(|(metric, bucket)| (bucket.level(at_ms) - metric.amount(cost)) / bucket.capacity())
            .reduce(f64::min)
            .unwrap_or(1.0 / (1.0 + f64::from(self.unsettled)))
    }

    /// Takes room for a request that will be sent after `wait_ms`.
    pub fn book(&mut self, estimate: Cost, wait_ms: f64, now_ms: f64) -> Taken {
        let cost = self.cost_of(estimate);
        let mut levels = [None; 4];
        self.each_bucket(|metric, bucket| {
            bucket.take(metric.amount(cost), now_ms);
            levels[metric as usize] = Some(bucket.level(now_ms));
        });
        self.unsettled = self.unsettled.saturating_add(1);
        self.first_booking_ms.get_or_insert(now_ms);
        Taken {
            estimated: estimate.tokens,
            cost,
            booked_ms: now_ms,
            send_ms: now_ms + wait_ms,
            levels,
            corrected: self.corrected,
        }
    }

    /// Closes a booking with what its attempt's end taught. `configured` are the user's limits.
    pub fn settle(&mut self, taken: &Taken, end: &End<'_>, configured: &Limits, now_ms: f64) {
        self.unsettled = self.unsettled.saturating_sub(1);
        // What never got there is no answer.
        if end.unspent != Unspent::All {
            self.answers = self.answers.saturating_add(1);
        }
        self.learn_limits(configured, end.reading, now_ms);
        if let Some(hit) = end.limit_hit {
            let metric = Metric::of(hit.tokens, hit.window);
            self.learn_limit(configured, metric, hit.limit, None, now_ms);
        }
        if end.refused {
            if end.limit_hit.is_none_or(|hit| hit.tokens) {
                self.learned.refused(taken.cost.tokens);
            }
        } else if end.unspent == Unspent::Nothing {
            self.learned
                .admitted(taken.estimated, taken.cost.tokens, now_ms);
        }
        for metric in Metric::ALL {
            match remaining(end.reading, metric) {
                Some(remaining) => self.correct(metric, taken, remaining, end.refused, now_ms),
                // Only what was taken flows back.
                None if taken.levels[metric as usize].is_some() => {
                    let unspent = metric.amount(end.unspent.of(taken.cost));
                    if let Some(bucket) = &mut self.buckets[metric as usize] {
                        bucket.give_back(unspent, now_ms);
                    }
                }
                None => {}
            }
        }
    }

    /// Moves a bucket by a part of what a reading says it is wrong by.
    fn correct(
        &mut self,
        metric: Metric,
        taken: &Taken,
        remaining: f64,
        refused: bool,
        now_ms: f64,
    ) {
        let index = metric as usize;
        let (Some(bucket), Some(level)) = (&mut self.buckets[index], taken.levels[index]) else {
            return;
        };
        let refill = bucket.per_ms() * (taken.send_ms - taken.booked_ms);
        let predicted = (level + refill).min(bucket.capacity());
        let corrected_since = self.corrected[index] - taken.corrected[index];
        let error = remaining - predicted - corrected_since;
        let gain = match (refused, error < 0.0) {
            (true, _) => GAIN_REFUSED,
            (false, true) => GAIN_DOWN,
            (false, false) => GAIN_UP,
        };
        let step = error * gain;
        bucket.set_level(bucket.level(now_ms) + step, now_ms);
        self.corrected[index] += step;
        if metric == Metric::TokensPerMinute {
            // The whole error after a refusal is mostly somebody else's use: it says nothing about what a token costs.
            let learned_from = if refused { 0.0 } else { step };
            self.learned.corrected(error, learned_from, now_ms);
        }
    }

    /// What an estimate costs as far as was learned; no more than fits when the estimate itself does.
    fn cost_of(&self, estimate: Cost) -> Cost {
        let mut tokens = estimate.tokens * self.factor();
        if let Some(bucket) = &self.buckets[Metric::TokensPerMinute as usize] {
            tokens = tokens.min(bucket.capacity().max(estimate.tokens));
        }
        Cost { tokens, ..estimate }
    }

    fn factor(&self) -> f64 {
        self.buckets[Metric::TokensPerMinute as usize]
            .as_ref()
            .map_or(1.0, |bucket| self.learned.factor(bucket.capacity()))
    }

    fn margin(&self, metric: Metric, bucket: &Bucket) -> f64 {
        match metric {
            Metric::TokensPerMinute => self.learned.margin(bucket.capacity()),
            _ => 0.0,
        }
    }

    /// Lets nothing through before a moment; a later block stays.
    pub fn block_until(&mut self, until_ms: f64) {
        self.blocked_until_ms = self.blocked_until_ms.max(until_ms);
    }

    /// Learns limits from a response's headers. A configured limit stays unless the server's is smaller.
    fn learn_limits(&mut self, configured: &Limits, reading: &Reading, now_ms: f64) {
        for (tokens, meter) in [(false, reading.requests), (true, reading.tokens)] {
            if let Some(limit) = meter.limit {
                let metric = Metric::of(tokens, meter.window());
                self.learn_limit(configured, metric, limit, meter.remaining, now_ms);
            }
        }
    }

    fn learn_limit(
        &mut self,
        configured: &Limits,
        metric: Metric,
        limit: f64,
        remaining: Option<f64>,
        now_ms: f64,
    ) {
        let limit = metric
            .configured(configured)
            .map_or(limit, |configured| configured.min(limit));
        match &mut self.buckets[metric as usize] {
            Some(bucket) if bucket.known_capacity() == Some(limit) => {}
            Some(bucket) => bucket.set_capacity(limit, now_ms),
            none => {
                let mut bucket = Bucket::full(limit, metric.window_ms(), now_ms);
                if let Some(remaining) = remaining {
                    bucket.set_level(remaining, now_ms);
                }
                *none = Some(bucket);
            }
        }
    }

    /// Takes over what a caller read by itself: what is left, after `used` was spent.
    pub fn observe(&mut self, used: Cost, requests: Option<f64>, tokens: Option<f64>, now_ms: f64) {
        for (metric, left) in [
            (Metric::RequestsPerMinute, requests),
            (Metric::TokensPerMinute, tokens),
        ] {
            let amount = metric.amount(used);
            let known = &mut self.buckets[metric as usize];
            match (known, left) {
                (Some(bucket), None) => bucket.take(amount, now_ms),
                (Some(bucket), Some(left)) => {
                    bucket.holds_at_least(left + amount);
                    bucket.set_level(left, now_ms);
                }
                (none, Some(left)) => {
                    let capacity = left + amount;
                    let mut bucket = Bucket::at_least(capacity, metric.window_ms(), now_ms);
                    bucket.set_level(left, now_ms);
                    *none = Some(bucket);
                }
                (None, None) => {}
            }
        }
    }

    /// What is left now, per minute, and never below zero: (requests, tokens); `None` where no limit is known.
    pub fn left(&self, now_ms: f64) -> (Option<f64>, Option<f64>) {
        let left = |metric: Metric| {
            let bucket = self.buckets[metric as usize].as_ref()?;
            Some(bucket.level(now_ms).max(0.0))
        };
        (
            left(Metric::RequestsPerMinute),
            left(Metric::TokensPerMinute),
        )
    }

    /// The limits as they are known now: (requests, tokens) per minute.
    pub fn limits(&self) -> (Option<f64>, Option<f64>) {
        let limit = |metric: Metric| self.buckets[metric as usize].as_ref()?.known_capacity();
        (
            limit(Metric::RequestsPerMinute),
            limit(Metric::TokensPerMinute),
        )
    }

    /// Whether nothing is under way or blocked and every bucket is full: what would be forgotten with it, it learns again.
    pub fn is_idle(&self, now_ms: f64) -> bool {
        self.unsettled == 0
            && self.claims.is_empty(now_ms)
            && self.blocked_until_ms <= now_ms
            && self
                .metered()
                .all(|(_, bucket)| bucket.level(now_ms) >= bucket.capacity())
    }

    fn metered(&self) -> impl Iterator<Item = (Metric, &Bucket)> {
        Metric::ALL
            .into_iter()
            .zip(&self.buckets)
            .filter_map(|(metric, bucket)| Some((metric, bucket.as_ref()?)))
    }

    fn each_bucket(&mut self, mut change: impl FnMut(Metric, &mut Bucket)) {
        for (metric, bucket) in Metric::ALL.into_iter().zip(&mut self.buckets) {
            if let Some(bucket) = bucket {
                change(metric, bucket);
            }
        }
    }
}

/// What a reading says is left of a metric.
fn remaining(reading: &Reading, metric: Metric) -> Option<f64> {
    let meter: &Meter = if metric.counts_tokens() {
        &reading.tokens
    } else {
        &reading.requests
    };
    let told_of = Metric::of(metric.counts_tokens(), meter.window());
    meter.remaining.filter(|_| told_of == metric)
}

#[cfg(test)]
mod tests;
