//! One limit: a token bucket that refills continuously.
//!
//! Recorded reset headers and 429 texts fit this form to the millisecond: capacity is one full window's limit, and
//! `level(t) = min(limit, level + limit / window × Δt)`. There is no fixed window that starts anew on the minute.

use std::num::NonZeroU64;

/// Slack for floating point, in requests or tokens: far below one, far above the noise of a level of 10¹⁰.
const ROUNDING: f64 = 1e-5;

/// What one limit's headers would say at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// The limit: requests or tokens per window.
    pub limit: u64,
    /// What is left, in whole requests or tokens, rounded down.
    pub remaining: u64,
    /// Milliseconds until the bucket is full again.
    pub reset_ms: f64,
}

/// One limit of a lane and how much of it is left.
#[derive(Debug, Clone)]
pub struct Bucket {
    limit: u64,
    window_ms: f64,
    /// What is left at `at`; between 0 and `limit`.
    level: f64,
    /// Moment of `level`, in milliseconds of the caller's clock; never goes back.
    at: f64,
}

impl Bucket {
    /// A full bucket of `limit` per `window_ms` milliseconds, at the moment `now` (milliseconds).
    pub fn full(limit: NonZeroU64, window_ms: f64, now: f64) -> Bucket {
        Bucket {
            limit: limit.get(),
            window_ms,
            level: limit.get() as f64,
            at: now,
        }
    }

    /// The limit: requests or tokens per window.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Lets the time until `now` flow in. A `now` before the last one changes nothing: threads read the clock before
    /// they get the lane, so that moments can arrive slightly out of order.
    pub fn refill(&mut self, now: f64) {
        if now > self.at {
            let limit = self.limit as f64;
            self.level = limit.min(self.level + (now - self.at) * limit / self.window_ms);
            self.at = now;
        }
    }

    /// Whether the bucket holds `amount` as of its last refill.
    pub fn holds(&self, amount: u64) -> bool {
        self.level + ROUNDING >= amount as f64
    }

    /// Takes `amount`, or what there is.
    pub fn take(&mut self, amount: u64) {
        self.level = (self.level - amount as f64).max(0.0);
    }

    /// What is gone, in whole units, rounded up: the `Used` of a 429 text.
    pub fn used(&self) -> u64 {
        self.limit - self.remaining()
    }

    /// Milliseconds until the bucket holds `amount`, as OpenAI states it: from the whole number used, not from the
    /// true level. So an empty limit of 3 requests a minute always says 20 s, as every recorded text does.
    pub fn stated_wait_ms(&self, amount: u64) -> f64 {
        let missing = amount.saturating_sub(self.remaining());
        missing as f64 * self.window_ms / self.limit as f64
    }

    /// What the headers say as of the last refill.
    pub fn reading(&self) -> Reading {
        Reading {
            limit: self.limit,
            remaining: self.remaining(),
            reset_ms: (self.limit as f64 - self.level) * self.window_ms / self.limit as f64,
        }
    }

    /// All that the bucket could have given between `since` and `now` (milliseconds): one full bucket and the refill.
    pub fn offered(&self, since: f64, now: f64) -> f64 {
        self.limit as f64 * (1.0 + (now - since).max(0.0) / self.window_ms)
    }

    /// Units per millisecond, to tell which of two limits binds in the long run.
    pub fn rate(&self) -> f64 {
        self.limit as f64 / self.window_ms
    }

    fn remaining(&self) -> u64 {
        ((self.level + ROUNDING).floor() as u64).min(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::duration::go_duration;

    const MINUTE: f64 = 60_000.0;
    const DAY: f64 = 86_400_000.0;

    fn bucket(limit: u64, window_ms: f64) -> Bucket {
        Bucket::full(NonZeroU64::new(limit).unwrap(), window_ms, 0.0)
    }

    #[test]
    fn reset_headers_after_one_request_read_as_recorded() {
        for (limit, window, reset) in [
            (500, MINUTE, "120ms"),
            (3_000, MINUTE, "20ms"),
            (5_000, MINUTE, "12ms"),
            (10_000, MINUTE, "6ms"),
            (15_000, MINUTE, "4ms"),
            (30_000, MINUTE, "2ms"),
            (10_000, DAY, "8.64s"),
        ] {
            let mut bucket = bucket(limit, window);
            bucket.take(1);
            assert_eq!(bucket.reading().remaining, limit - 1);
            assert_eq!(go_duration(bucket.reading().reset_ms), reset);
        }
    }

    #[test]
    fn recorded_resets_of_a_daily_limit_are_the_requests_gone_less_the_time_passed() {
        // Limit 10,000 a day: each request gone is worth 8.64 s. The first is taken at 0, the others when the reset
        // header says that they were.
        for (remaining, reset_ms, text) in [
            (9_999, 8_640.0, "8.64s"),
            (9_998, 16_601.0, "16.601s"),
            (9_997, 22_564.0, "22.564s"),
            (9_996, 30_375.0, "30.375s"),
            (9_993, 59_369.0, "59.369s"),
        ] {
            let mut bucket = bucket(10_000, DAY);
            let gone = 10_000 - remaining;
            bucket.take(1);
            bucket.refill(gone as f64 * 8_640.0 - reset_ms);
            bucket.take(gone - 1);
            assert_eq!(bucket.reading().remaining, remaining);
            assert_eq!(go_duration(bucket.reading().reset_ms), text);
        }
    }

    #[test]
    fn a_bucket_never_holds_more_than_one_window() {
        let mut bucket = bucket(60, MINUTE);
        bucket.refill(10.0 * MINUTE);
        assert_eq!(bucket.reading().remaining, 60);
        assert_eq!(bucket.reading().reset_ms, 0.0);
    }

    #[test]
    fn a_unit_is_back_exactly_when_its_time_has_passed() {
        let mut bucket = bucket(3, MINUTE);
        bucket.take(3);
        bucket.refill(19_999.0);
        assert!(!bucket.holds(1));
        bucket.refill(20_000.0);
        assert!(bucket.holds(1));
    }

    #[test]
    fn a_clock_that_steps_back_gives_nothing_and_takes_nothing() {
        let mut bucket = bucket(60, MINUTE);
        bucket.refill(5_000.0);
        bucket.take(60);
        bucket.refill(1_000.0);
        bucket.refill(5_000.0);
        assert_eq!(bucket.reading().remaining, 0);
    }
}
