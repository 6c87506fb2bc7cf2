//! One limit: a bucket that refills continuously and holds one full window.
//!
//! OpenAI's limiter is this bucket, exact to the millisecond in its 429 texts: `wait = (used + requested - limit) × window /
//! limit`. Hence `level(t) = min(capacity, level + capacity / window · Δt)`. Our level may go below zero: that is room booked
//! ahead, for a moment that has not come yet.
//!
//! `redis/script.lua` does the same in Redis; change both.

/// A limit's state. Amounts are requests or tokens, times milliseconds on the store's clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    capacity: f64,
    window_ms: f64,
    level: f64,
    at_ms: f64,
    /// False where the capacity is only the most that was ever seen left, so that a larger one may well exist.
    capacity_is_known: bool,
}

impl Bucket {
    /// A full bucket.
    pub fn full(capacity: f64, window_ms: f64, now_ms: f64) -> Self {
        Bucket {
            capacity,
            window_ms,
            level: capacity,
            at_ms: now_ms,
            capacity_is_known: true,
        }
    }

    /// A bucket of which only a lower bound of the capacity is known.
    pub fn at_least(capacity: f64, window_ms: f64, now_ms: f64) -> Self {
        Bucket {
            capacity_is_known: false,
            ..Bucket::full(capacity.max(1.0), window_ms, now_ms)
        }
    }

    /// What the bucket holds when full.
    pub fn capacity(&self) -> f64 {
        self.capacity
    }

    /// The capacity if it is known: what is larger can never fit.
    pub fn known_capacity(&self) -> Option<f64> {
        self.capacity_is_known.then_some(self.capacity)
    }

    /// What flows back in a millisecond.
    pub fn per_ms(&self) -> f64 {
        self.capacity / self.window_ms
    }

    /// What is left at a moment; below zero where room is booked ahead. A clock that steps back refills nothing.
    pub fn level(&self, now_ms: f64) -> f64 {
        let refill = self.per_ms() * (now_ms - self.at_ms).max(0.0);
        (self.level + refill).min(self.capacity)
    }

    /// Milliseconds until the bucket holds `amount`; 0 if it does. An amount above the capacity counts as the capacity.
    pub fn wait_for(&self, amount: f64, now_ms: f64) -> f64 {
        self.wait_behind(0.0, amount, now_ms)
    }

    /// The same for one who lets others take `ahead` first, which may be more than the bucket ever holds.
    pub fn wait_behind(&self, ahead: f64, amount: f64, now_ms: f64) -> f64 {
        let missing = ahead + amount.min(self.capacity) - self.level(now_ms);
        (missing / self.per_ms()).max(0.0)
    }

    /// Takes room, also more than there is.
    pub fn take(&mut self, amount: f64, now_ms: f64) {
        self.set_level(self.level(now_ms) - amount, now_ms);
    }

    /// Takes room for a request that goes out after `wait_ms`, and none before it. What would flow over until then is gone as well.
    pub fn take_ahead(&mut self, amount: f64, wait_ms: f64, now_ms: f64) {
        let most = self.capacity - self.per_ms() * wait_ms;
        self.set_level(self.level(now_ms).min(most) - amount, now_ms);
    }

    /// Gives room back. Booking and giving back is the identity unless the bucket would have been full in between.
    pub fn give_back(&mut self, amount: f64, now_ms: f64) {
        self.set_level(self.level(now_ms) + amount, now_ms);
    }

    /// Sets what is left.
    pub fn set_level(&mut self, level: f64, now_ms: f64) {
        self.level = level.min(self.capacity);
        self.at_ms = self.at_ms.max(now_ms);
    }

    /// A bucket of unknown capacity was seen to hold this much.
    pub fn holds_at_least(&mut self, capacity: f64) {
        if !self.capacity_is_known {
            self.capacity = self.capacity.max(capacity);
        }
    }

    /// Follows a limit that became known or changed; what is left stays, as far as the bucket holds it.
    pub fn set_capacity(&mut self, capacity: f64, now_ms: f64) {
        let level = self.level(now_ms);
        self.capacity = capacity;
        self.capacity_is_known = true;
        self.set_level(level, now_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: f64 = 60_000.0;

    #[test]
    fn the_wait_is_openais_own() {
        // Recorded 429 texts: limit, used, requested, wait in ms.
        for (limit, used, requested, wait) in [
            (30_000.0, 29_937.0, 385.0, 644.0),
            (10_000.0, 8_554.0, 3_082.0, 9_816.0),
            (30_000.0, 14_567.0, 24_754.0, 18_642.0),
            (30_000.0, 18_928.0, 11_159.0, 174.0),
            (3.0, 3.0, 1.0, 20_000.0),
        ] {
            let mut bucket = Bucket::full(limit, MINUTE, 0.0);
            bucket.take(used, 0.0);
            assert!((bucket.wait_for(requested, 0.0) - wait).abs() < 1e-6);
        }
    }

    #[test]
    fn it_refills_continuously_up_to_its_capacity() {
        let mut bucket = Bucket::full(600.0, MINUTE, 0.0);
        bucket.take(300.0, 0.0);
        assert_eq!(bucket.level(1_000.0), 310.0);
        assert_eq!(bucket.level(30_000.0), 600.0);
        assert_eq!(bucket.level(90_000.0), 600.0);
    }

    #[test]
    fn never_before_the_promised_moment_and_always_at_it() {
        let mut bucket = Bucket::full(600.0, MINUTE, 0.0);
        bucket.take(650.0, 0.0);
        let wait = bucket.wait_for(10.0, 0.0);
        assert!(bucket.level(wait - 0.01) < 10.0);
        assert!(bucket.level(wait) >= 10.0 - 1e-9);
    }

    #[test]
    fn room_that_is_taken_ahead_does_not_flow_back_before_it_is_used() {
        let mut bucket = Bucket::full(600.0, MINUTE, 0.0);
        bucket.take_ahead(100.0, 30_000.0, 0.0);
        assert_eq!(bucket.level(30_000.0), 500.0);
        // A bucket that is not full until then loses nothing.
        let mut bucket = Bucket::full(600.0, MINUTE, 0.0);
        bucket.take(400.0, 0.0);
        bucket.take_ahead(100.0, 30_000.0, 0.0);
        assert_eq!(bucket.level(30_000.0), 400.0);
    }

    #[test]
    fn booking_and_giving_back_is_the_identity() {
        let mut bucket = Bucket::full(600.0, MINUTE, 0.0);
        bucket.take(400.0, 0.0);
        let untouched = bucket;
        bucket.take(100.0, 500.0);
        bucket.give_back(100.0, 1_500.0);
        assert!((bucket.level(2_000.0) - untouched.level(2_000.0)).abs() < 1e-9);
    }

    #[test]
    fn a_changed_limit_keeps_what_is_left() {
        let mut bucket = Bucket::full(600.0, MINUTE, 0.0);
        bucket.take(200.0, 0.0);
        bucket.set_capacity(1_000.0, 0.0);
        assert_eq!(bucket.level(0.0), 400.0);
        bucket.set_capacity(100.0, 0.0);
        assert_eq!(bucket.level(0.0), 100.0);
    }

    #[test]
    fn a_clock_that_steps_back_refills_nothing() {
        let mut bucket = Bucket::full(600.0, MINUTE, 10_000.0);
        bucket.take(600.0, 10_000.0);
        bucket.take(0.0, 5_000.0);
        assert_eq!(bucket.level(10_000.0), 0.0);
    }
}
