//! One lane: the buckets of one quota group and one model group, and the block that a 429 puts on it.
//!
//! [`settle`] closes bookings: what their answers say is left corrects the books. [`limits`] is how a lane follows the limits that
//! the user and the answers name.
//!
//! `redis/script.lua` does the same in Redis; change both.

mod limits;
pub(super) mod settle;
#[cfg(test)]
mod tests;

use super::{
    Cost, Unspent,
    bucket::Bucket,
    claims::{Claims, Turn},
    crowd::Crowd,
    learned::Learned,
    metric::Metric,
    volume::{Confirmed, Volume},
};
use crate::{config::Limits, headers::Reading, outcome::LimitHit};

/// The time in which a lane of unknown limits doubles what it may have under way, answers or not.
pub(in crate::quota) const DOUBLING_MS: f64 = 1_000.0;

/// Of requests and of tokens, among a lane's confirmed readings.
const REQUESTS: usize = 0;
const TOKENS: usize = 1;

/// After so many answers without a reading of tokens, none is expected any more.
pub(in crate::quota) const ANSWERS_WITHOUT_READING: u32 = 8;

/// The largest margin of a limit by day, as a share of it: what is kept back of it is lost until the next day.
pub(in crate::quota) const MOST_OF_A_DAY: f64 = 0.02;

/// A lane of unknown limits counts as this many tokens per minute where prompts look for a home, until its first answer.
pub(in crate::quota) const HOME_SHARE_OF_UNKNOWN: f64 = 200_000.0;

/// The state of one lane. A metric without a bucket is not limited as far as we know.
#[derive(Debug, Clone, PartialEq)]
pub struct Lane {
    buckets: [Option<Bucket>; 4],
    /// The limit of each metric that the user named last.
    configured: [Option<f64>; 4],
    /// Running sums of the corrections of each bucket.
    corrected: [f64; 4],
    /// All that was ever booked, and when the last of it is sent.
    volume: Volume,
    last_send_ms: f64,
    crowd: Crowd,
    /// The latest readings that were believed: of requests, of tokens.
    confirmed: [Confirmed; 2],
    /// Whether an answer ever said how many tokens are left.
    tokens_are_told: bool,
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
    /// What was taken: the estimate times the learned factor.
    pub(in crate::quota) cost: Cost,
    pub(in crate::quota) booked_ms: f64,
    pub(in crate::quota) send_ms: f64,
    /// The level of each bucket after the booking. A limit that was learned since was not part of it.
    pub(in crate::quota) levels: [Option<f64>; 4],
    /// The sums of corrections then.
    pub(in crate::quota) corrected: [f64; 4],
    /// All that was booked until then, this included.
    pub(in crate::quota) volume: Volume,
    /// What is sent close before.
    pub(in crate::quota) near: Cost,
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
            configured: Metric::ALL.map(|metric| metric.configured(limits)),
            corrected: [0.0; 4],
            volume: Volume::default(),
            crowd: Crowd::default(),
            last_send_ms: f64::NEG_INFINITY,
            confirmed: [Confirmed::default(); 2],
            tokens_are_told: false,
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
        let before = self.claims.before(turn, now_ms).times(self.factor());
        let ahead = Cost {
            requests: before.requests,
            tokens: before.tokens,
        };
        // Those before it need their margin as well: else a small request would always fit into that of a large one.
        let own = Volume::default().with(estimate.tokens, cost).and(before);
        let unconfirmed = self.unconfirmed(own);
        let least_ms = (self.blocked_until_ms - now_ms).max(0.0);
        self.metered()
            .map(|(metric, bucket)| {
                let (ahead, amount) = (metric.amount(ahead), metric.amount(cost));
                let by_books_ms = bucket.wait_behind(ahead, amount, now_ms);
                if !metric.counts_tokens() {
                    return by_books_ms;
                }
                let margin = self.margin(metric, unconfirmed, bucket);
                let with_margin_ms = bucket.wait_behind(ahead, amount + margin, now_ms);
                // Whatever was charged until the last request, no less than nothing is left then. So what has flowed back since
                // is there, however little is known of the rest.
                let own_margin = self.margin(metric, own, bucket);
                let flowed_back_ms = (ahead + amount + own_margin) / bucket.per_ms();
                let surely_ms = self.last_send_ms + flowed_back_ms - now_ms;
                with_margin_ms.min(surely_ms).max(by_books_ms)
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
            bucket.take_ahead(metric.amount(cost), wait_ms, now_ms);
            levels[metric as usize] = Some(bucket.level(now_ms));
        });
        self.unsettled = self.unsettled.saturating_add(1);
        self.first_booking_ms.get_or_insert(now_ms);
        let send_ms = now_ms + wait_ms;
        self.last_send_ms = self.last_send_ms.max(send_ms);
        self.volume = self.volume.with(estimate.tokens, cost);
        Taken {
            cost,
            booked_ms: now_ms,
            send_ms,
            levels,
            corrected: self.corrected,
            volume: self.volume,
            near: self.crowd.join(cost, send_ms),
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
        let [_, by_minute, _, by_day] = &self.buckets;
        let teaching = by_minute.as_ref().or(by_day.as_ref());
        teaching.map_or(1.0, |bucket| self.learned.factor(bucket.capacity()))
    }

    /// What is booked and not confirmed, with what is about to be. A lane whose answers never say what is left
    /// confirms nothing, and knows as much of one booking as of many.
    fn unconfirmed(&self, own: Volume) -> Volume {
        let confirmed = self.confirmed[TOKENS];
        if !self.tokens_are_told && self.answers >= ANSWERS_WITHOUT_READING {
            return own;
        }
        self.volume.since(confirmed.volume).and(own)
    }

    fn margin(&self, metric: Metric, unconfirmed: Volume, bucket: &Bucket) -> f64 {
        match metric {
            Metric::TokensPerMinute => self.learned.margin(unconfirmed, bucket.capacity()),
            Metric::TokensPerDay => {
                let margin = self.learned.margin(unconfirmed, bucket.capacity());
                margin.min(MOST_OF_A_DAY * bucket.capacity())
            }
            Metric::RequestsPerMinute | Metric::RequestsPerDay => 0.0,
        }
    }

    /// Lets nothing through before a moment; a later block stays.
    pub fn block_until(&mut self, until_ms: f64) {
        self.blocked_until_ms = self.blocked_until_ms.max(until_ms);
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
        for metric in [Metric::RequestsPerDay, Metric::TokensPerDay] {
            if let Some(bucket) = &mut self.buckets[metric as usize] {
                bucket.take(metric.amount(used), now_ms);
            }
        }
    }

    /// Sets what is left of each metric, where it is known.
    pub fn begin_with(&mut self, left: &[Option<f64>; 4], now_ms: f64) {
        self.each_bucket(|metric, bucket| {
            if let Some(left) = left[metric as usize] {
                bucket.set_level(left, now_ms);
            }
        });
    }

    /// What would be left of a metric had no answer corrected it, below zero where room is booked ahead, and the bucket's capacity.
    pub fn uncorrected(&self, metric: Metric, now_ms: f64) -> Option<(f64, f64)> {
        let index = metric as usize;
        let bucket = self.buckets[index].as_ref()?;
        let level = bucket.level(now_ms) - self.corrected[index];
        Some((level, bucket.capacity()))
    }

    /// What is left of a metric, below zero where room is booked ahead.
    pub fn level(&self, metric: Metric, now_ms: f64) -> Option<f64> {
        let bucket = self.buckets[metric as usize].as_ref()?;
        Some(bucket.level(now_ms))
    }

    /// All that was ever booked.
    pub fn booked(&self) -> Cost {
        Cost {
            requests: self.volume.requests,
            tokens: self.volume.tokens,
        }
    }

    /// Nothing is let through before this moment.
    pub fn blocked_until_ms(&self) -> f64 {
        self.blocked_until_ms
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
