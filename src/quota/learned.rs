//! What a lane learns from its answers: what OpenAI charges for an estimated token, and how wrong our books are.
//!
//! OpenAI charges by an estimate of its own, which differs from ours by a factor that depends on the endpoint, the language, and
//! OpenAI's version of the day. Booked and corrected over about a minute, the factor comes out by itself. What is left is
//! chance: answers that overtake each other, requests of others on the same account. A margin of a few errors' size keeps
//! the books from promising room that is not there. It lowers the burst, not the rate.

/// The time over which cost is learned: sums decay by e over it.
const MEMORY_MS: f64 = 60_000.0;

/// What a lane begins with: this share of a window's capacity, as if charged exactly as estimated.
const PRIOR_SHARE: f64 = 0.1;

/// No charge is believed to be further from our estimate than this.
const FACTOR_RANGE: (f64, f64) = (0.25, 4.0);

/// The margin in mean negative errors, and its bounds as shares of the capacity.
const MARGIN_ERRORS: f64 = 6.0;
const MARGIN_RANGE: (f64, f64) = (0.01, 0.20);

/// How fast the mean error follows an error that was negative, and one that was not.
const WEIGHT_OF_NEGATIVE: f64 = 0.1;
const WEIGHT_OF_OTHER: f64 = 0.02;

/// The decaying sums of one lane, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Learned {
    estimated: f64,
    booked: f64,
    corrected: f64,
    decayed_at_ms: f64,
    /// Decaying mean of how much less was left than the books said.
    mean_negative_error: f64,
}

impl Learned {
    /// What OpenAI charges for a token of our estimate.
    pub(super) fn factor(&self, capacity: f64) -> f64 {
        let prior = PRIOR_SHARE * capacity;
        let factor = (self.booked - self.corrected + prior) / (self.estimated + prior);
        factor.clamp(FACTOR_RANGE.0, FACTOR_RANGE.1)
    }

    /// The room that a booking must leave.
    pub(super) fn margin(&self, capacity: f64) -> f64 {
        let errors = MARGIN_ERRORS * self.mean_negative_error;
        errors.clamp(MARGIN_RANGE.0 * capacity, MARGIN_RANGE.1 * capacity)
    }

    /// A request was admitted: what was estimated, and what was booked for it.
    pub(super) fn admitted(&mut self, estimated: f64, booked: f64, now_ms: f64) {
        self.decay(now_ms);
        self.estimated += estimated;
        self.booked += booked;
    }

    /// A request was refused although the books had room for it: at least its own size was missing.
    pub(super) fn refused(&mut self, booked: f64) {
        self.mean_negative_error = self.mean_negative_error.max(booked);
    }

    /// A reading differed from the books by `error`, of which `step` was applied.
    pub(super) fn corrected(&mut self, error: f64, step: f64, now_ms: f64) {
        self.decay(now_ms);
        self.corrected += step;
        let weight = if error < 0.0 {
            WEIGHT_OF_NEGATIVE
        } else {
            WEIGHT_OF_OTHER
        };
        self.mean_negative_error += weight * ((-error).max(0.0) - self.mean_negative_error);
    }

    fn decay(&mut self, now_ms: f64) {
        let passed_ms = (now_ms - self.decayed_at_ms).max(0.0);
        let decay = (-passed_ms / MEMORY_MS).exp();
        self.estimated *= decay;
        self.booked *= decay;
        self.corrected *= decay;
        self.decayed_at_ms = self.decayed_at_ms.max(now_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPACITY: f64 = 60_000.0;

    /// Thirty requests of 1,000 estimated tokens, charged `charge` times as much; the books are corrected fully.
    fn after_charges_of(charge: f64) -> Learned {
        let mut learned = Learned::default();
        for request in 0..30 {
            let now_ms = f64::from(request) * 1_000.0;
            let booked = 1_000.0 * learned.factor(CAPACITY);
            learned.admitted(1_000.0, booked, now_ms);
            let error = booked - 1_000.0 * charge;
            learned.corrected(error, error, now_ms);
        }
        learned
    }

    #[test]
    fn the_factor_becomes_what_is_charged() {
        for charge in [0.5, 1.0, 1.6] {
            let factor = after_charges_of(charge).factor(CAPACITY);
            // The prior still weighs about a quarter.
            assert!(
                (factor - charge).abs() < 0.3 * (charge - 1.0).abs() + 1e-9,
                "{charge}: {factor}"
            );
        }
    }

    #[test]
    fn the_factor_stays_within_its_bounds() {
        assert_eq!(after_charges_of(1_000.0).factor(CAPACITY), 4.0);
        assert_eq!(after_charges_of(-9.0).factor(CAPACITY), 0.25);
        assert_eq!(Learned::default().factor(CAPACITY), 1.0);
    }

    #[test]
    fn what_was_learned_fades_within_minutes() {
        let mut learned = after_charges_of(1.6);
        learned.admitted(0.0, 0.0, 600_000.0);
        assert!((learned.factor(CAPACITY) - 1.0).abs() < 0.001);
    }

    #[test]
    fn the_margin_follows_negative_errors_and_a_refusal_raises_it_at_once() {
        let mut learned = Learned::default();
        assert_eq!(learned.margin(CAPACITY), 600.0);
        learned.refused(1_500.0);
        assert_eq!(learned.margin(CAPACITY), 9_000.0);
        learned.refused(1e9);
        assert_eq!(learned.margin(CAPACITY), 12_000.0);
        for _ in 0..2_000 {
            learned.corrected(5.0, 0.0, 0.0);
        }
        assert_eq!(learned.margin(CAPACITY), 600.0);
    }
}
