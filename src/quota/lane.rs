//! One lane: the buckets of one quota group and one model group, and the block that a 429 puts on it.

use super::{Cost, HORIZON_MS, bucket::Bucket};
use crate::{
    config::Limits,
    headers::{Reading, Window},
    outcome::LimitHit,
};

/// The time in which a lane of unknown limits doubles what it may have under way, answers or not.
const DOUBLING_MS: f64 = 1_000.0;

/// A caller that waits for a start looks again after this time at the latest; an answer wakes it sooner.
const RETRY_MS: f64 = 100.0;

const MINUTE_MS: f64 = 60_000.0;
const DAY_MS: f64 = 86_400_000.0;

/// What a bucket counts, over which window. The order is that of a lane's buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// RPM.
    RequestsPerMinute,
    /// TPM.
    TokensPerMinute,
    /// RPD.
    RequestsPerDay,
    /// TPD.
    TokensPerDay,
}

impl Metric {
    /// All metrics, each at its own index.
    pub const ALL: [Metric; 4] = [
        Metric::RequestsPerMinute,
        Metric::TokensPerMinute,
        Metric::RequestsPerDay,
        Metric::TokensPerDay,
    ];

    /// For a message: "tokens per minute".
    pub fn name(self) -> &'static str {
        match self {
            Metric::RequestsPerMinute => "requests per minute",
            Metric::TokensPerMinute => "tokens per minute",
            Metric::RequestsPerDay => "requests per day",
            Metric::TokensPerDay => "tokens per day",
        }
    }

    fn of(tokens: bool, window: Window) -> Self {
        match (tokens, window) {
            (false, Window::Minute) => Metric::RequestsPerMinute,
            (true, Window::Minute) => Metric::TokensPerMinute,
            (false, Window::Day) => Metric::RequestsPerDay,
            (true, Window::Day) => Metric::TokensPerDay,
        }
    }

    fn counts_tokens(self) -> bool {
        matches!(self, Metric::TokensPerMinute | Metric::TokensPerDay)
    }

    fn window_ms(self) -> f64 {
        match self {
            Metric::RequestsPerMinute | Metric::TokensPerMinute => MINUTE_MS,
            Metric::RequestsPerDay | Metric::TokensPerDay => DAY_MS,
        }
    }

    fn amount(self, cost: Cost) -> f64 {
        if self.counts_tokens() {
            cost.tokens
        } else {
            cost.requests
        }
    }

    fn configured(self, limits: &Limits) -> Option<f64> {
        match self {
            Metric::RequestsPerMinute => limits.requests_per_minute,
            Metric::TokensPerMinute => limits.tokens_per_minute,
            Metric::RequestsPerDay => limits.requests_per_day,
            Metric::TokensPerDay => limits.tokens_per_day,
        }
    }
}

/// The state of one lane. A metric without a bucket is not limited as far as we know.
#[derive(Debug, Clone, PartialEq)]
pub struct Lane {
    buckets: [Option<Bucket>; 4],
    blocked_until_ms: f64,
    /// Bookings that are not settled yet.
    unsettled: u32,
    /// Answers so far, and the moment of the first booking: how far a lane of unknown limits has started.
    answers: u32,
    first_booking_ms: Option<f64>,
}

/// Which of a lane's buckets a booking took room from. A limit that was learned since was not part of it.
pub type Charged = [bool; 4];

impl Lane {
    /// A lane with full buckets for the configured limits.
    pub fn new(limits: &Limits, now_ms: f64) -> Self {
        Lane {
            buckets: Metric::ALL.map(|metric| {
                let capacity = metric.configured(limits)?;
                Some(Bucket::full(capacity, metric.window_ms(), now_ms))
            }),
            blocked_until_ms: f64::NEG_INFINITY,
            unsettled: 0,
            answers: 0,
            first_booking_ms: None,
        }
    }

    /// The limit that a cost exceeds even when the lane is full, if there is one.
    pub fn exceeded_by(&self, cost: Cost) -> Option<(Metric, f64)> {
        self.metered().find_map(|(metric, bucket)| {
            let capacity = bucket.known_capacity()?;
            (metric.amount(cost) > capacity).then_some((metric, capacity))
        })
    }

    /// Milliseconds until the cost fits every bucket and no block is on the lane.
    pub fn wait_for(&self, cost: Cost, now_ms: f64) -> f64 {
        let least_ms = (self.blocked_until_ms - now_ms).max(self.wait_to_start(now_ms));
        self.metered()
            .map(|(metric, bucket)| bucket.wait_for(metric.amount(cost), now_ms))
            .fold(least_ms, f64::max)
    }

    /// The wait on a lane of unknown limits: it starts with one request under way, and doubles with each answer and each
    /// second, so that a burst does not run into a limit that the first answer would have told, and slow answers do not
    /// hold it up for long.
    fn wait_to_start(&self, now_ms: f64) -> f64 {
        let Some(first_ms) = self.first_booking_ms else {
            return 0.0;
        };
        if self.buckets.iter().any(Option::is_some) {
            return 0.0;
        }
        // 2^doublings must exceed what is under way.
        let doublings = f64::from(self.unsettled.checked_ilog2().map_or(0, |log| log + 1));
        let by_time = doublings - f64::from(self.answers);
        let wait_ms = first_ms + by_time * DOUBLING_MS - now_ms;
        if wait_ms <= 0.0 {
            return 0.0;
        }
        // Past the horizon, so that nothing is booked ahead: the next answer may well come sooner.
        wait_ms.max(HORIZON_MS + RETRY_MS)
    }

    /// The smallest share of a bucket that is left after the cost at the moment when it is sent: 1 is all, 0 nothing. A lane
    /// of unknown limits has the larger share the fewer requests are under way on it.
    pub fn share_left_after(&self, cost: Cost, at_ms: f64) -> f64 {
        self.metered()
            .map(|(metric, bucket)| (bucket.level(at_ms) - metric.amount(cost)) / bucket.capacity())
            .reduce(f64::min)
            .unwrap_or(1.0 / (1.0 + f64::from(self.unsettled)))
    }

    /// Takes room for a request.
    pub fn book(&mut self, cost: Cost, now_ms: f64) -> Charged {
        let mut charged = Charged::default();
        self.each_bucket(|metric, bucket| {
            bucket.take(metric.amount(cost), now_ms);
            charged[metric as usize] = true;
        });
        self.unsettled = self.unsettled.saturating_add(1);
        self.first_booking_ms.get_or_insert(now_ms);
        charged
    }

    /// Closes a booking: `unspent` is what OpenAI has not counted of it.
    pub fn settle(&mut self, charged: Charged, unspent: Cost, now_ms: f64) {
        self.each_bucket(|metric, bucket| {
            if charged[metric as usize] {
                bucket.give_back(metric.amount(unspent), now_ms);
            }
        });
        self.unsettled = self.unsettled.saturating_sub(1);
        self.answers = self.answers.saturating_add(1);
    }

    /// Lets nothing through before a moment; a later block stays.
    pub fn block_until(&mut self, until_ms: f64) {
        self.blocked_until_ms = self.blocked_until_ms.max(until_ms);
    }

    /// Learns limits from a response's headers. A configured limit stays unless the server's is smaller.
    pub fn learn_limits(&mut self, configured: &Limits, reading: &Reading, now_ms: f64) {
        for (tokens, meter) in [(false, reading.requests), (true, reading.tokens)] {
            if let Some(limit) = meter.limit {
                let metric = Metric::of(tokens, meter.window());
                self.learn_limit(configured, metric, limit, meter.remaining, now_ms);
            }
        }
    }

    /// Learns the limit that a 429 named.
    pub fn learn_hit(&mut self, configured: &Limits, hit: &LimitHit, now_ms: f64) {
        let metric = Metric::of(hit.tokens, hit.window);
        self.learn_limit(configured, metric, hit.limit, None, now_ms);
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
            let Some(left) = left else { continue };
            let bucket = self.buckets[metric as usize].get_or_insert_with(|| {
                Bucket::at_least(left + metric.amount(used), metric.window_ms(), now_ms)
            });
            bucket.set_level(left, now_ms);
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

    /// Whether a new lane would be the same: nothing under way, nothing blocked, every bucket full.
    pub fn is_idle(&self, now_ms: f64) -> bool {
        self.unsettled == 0
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::headers::Meter;

    fn limits(requests: f64, tokens: f64) -> Limits {
        Limits {
            requests_per_minute: Some(requests),
            tokens_per_minute: Some(tokens),
            ..Limits::default()
        }
    }

    fn tokens(tokens: f64) -> Cost {
        Cost {
            requests: 1.0,
            tokens,
        }
    }

    #[test]
    fn the_tightest_bucket_decides_the_wait() {
        let mut lane = Lane::new(&limits(60.0, 6_000.0), 0.0);
        lane.book(tokens(6_000.0), 0.0);
        assert_eq!(lane.wait_for(tokens(100.0), 0.0), 1_000.0);
        let mut lane = Lane::new(&limits(1.0, 6_000.0), 0.0);
        lane.book(tokens(1.0), 0.0);
        assert_eq!(lane.wait_for(tokens(1.0), 0.0), 60_000.0);
    }

    #[test]
    fn day_limits_hold_beside_minute_limits() {
        let day = Limits {
            requests_per_day: Some(1.0),
            ..limits(100.0, 1_000.0)
        };
        let mut lane = Lane::new(&day, 0.0);
        lane.book(tokens(1.0), 0.0);
        assert_eq!(lane.wait_for(tokens(1.0), 0.0), DAY_MS);
    }

    #[test]
    fn a_block_is_never_shortened() {
        let mut lane = Lane::new(&Limits::default(), 0.0);
        lane.block_until(5_000.0);
        lane.block_until(2_000.0);
        assert_eq!(lane.wait_for(tokens(1.0), 1_000.0), 4_000.0);
        assert_eq!(lane.wait_for(tokens(1.0), 9_000.0), 0.0);
    }

    #[test]
    fn a_cost_above_a_known_limit_names_the_limit() {
        let lane = Lane::new(&limits(60.0, 6_000.0), 0.0);
        assert_eq!(
            lane.exceeded_by(tokens(6_001.0)),
            Some((Metric::TokensPerMinute, 6_000.0))
        );
        assert_eq!(lane.exceeded_by(tokens(6_000.0)), None);
        assert_eq!(
            Lane::new(&Limits::default(), 0.0).exceeded_by(tokens(1e12)),
            None
        );
    }

    #[test]
    fn unknown_limits_are_learned_and_configured_ones_only_lowered() {
        let reading = |limit, remaining, reset_ms| Reading {
            tokens: Meter {
                limit: Some(limit),
                remaining: Some(remaining),
                reset: Some(Duration::from_millis(reset_ms)),
            },
            ..Reading::default()
        };
        let mut lane = Lane::new(&Limits::default(), 0.0);
        lane.learn_limits(&Limits::default(), &reading(1_000.0, 400.0, 36_000), 0.0);
        assert_eq!(lane.left(0.0), (None, Some(400.0)));
        let configured = limits(10.0, 500.0);
        let mut lane = Lane::new(&configured, 0.0);
        lane.learn_limits(&configured, &reading(1_000.0, 400.0, 36_000), 0.0);
        assert_eq!(lane.limits(), (Some(10.0), Some(500.0)));
        lane.learn_limits(&configured, &reading(300.0, 300.0, 0), 0.0);
        assert_eq!(lane.limits(), (Some(10.0), Some(300.0)));
    }

    #[test]
    fn an_observation_without_limits_counts_and_never_forbids() {
        let mut lane = Lane::new(&Limits::default(), 0.0);
        lane.observe(tokens(100.0), Some(0.0), Some(50.0), 0.0);
        assert_eq!(lane.left(0.0), (Some(0.0), Some(50.0)));
        assert!(lane.wait_for(tokens(10.0), 0.0) > 0.0);
        assert_eq!(lane.exceeded_by(tokens(1_000.0)), None);
    }

    #[test]
    fn a_limit_learned_after_a_booking_gets_nothing_back_from_it() {
        let mut lane = Lane::new(&Limits::default(), 0.0);
        let charged = lane.book(tokens(100.0), 0.0);
        lane.observe(tokens(100.0), None, Some(50.0), 0.0);
        lane.settle(charged, tokens(100.0), 0.0);
        assert_eq!(lane.left(0.0).1, Some(50.0));
    }

    #[test]
    fn a_lane_of_unknown_limits_starts_with_one_request_and_doubles_with_each_answer() {
        let mut lane = Lane::new(&Limits::default(), 0.0);
        let mut under_way = Vec::new();
        let mut admitted = Vec::new();
        for _ in 0..4 {
            let before = under_way.len();
            while lane.wait_for(tokens(1.0), 0.0) == 0.0 {
                under_way.push(lane.book(tokens(1.0), 0.0));
            }
            admitted.push(under_way.len() - before);
            lane.settle(under_way.pop().unwrap(), Cost::NOTHING, 0.0);
        }
        assert_eq!(admitted, [1, 2, 3, 5]);
    }

    #[test]
    fn a_lane_of_unknown_limits_doubles_each_second_while_answers_are_slow() {
        let mut lane = Lane::new(&Limits::default(), 0.0);
        let mut admitted = Vec::new();
        for second in 0..4 {
            let now_ms = f64::from(second) * 1_000.0;
            let mut count = 0;
            while lane.wait_for(tokens(1.0), now_ms) == 0.0 {
                lane.book(tokens(1.0), now_ms);
                count += 1;
            }
            assert!(lane.wait_for(tokens(1.0), now_ms) > HORIZON_MS);
            admitted.push(count);
        }
        assert_eq!(admitted, [1, 1, 2, 4]);
    }

    #[test]
    fn a_lane_is_idle_only_when_nothing_would_be_forgotten() {
        let mut lane = Lane::new(&limits(60.0, 6_000.0), 0.0);
        assert!(lane.is_idle(0.0));
        let charged = lane.book(tokens(600.0), 0.0);
        lane.settle(charged, Cost::NOTHING, 0.0);
        assert!(!lane.is_idle(100.0));
        assert!(lane.is_idle(6_000.0));
    }
}
