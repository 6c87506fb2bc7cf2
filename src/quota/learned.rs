//! What a lane learns from its readings: what OpenAI charges for an estimated token, how far that varies, and how sure both are.
//!
//! OpenAI charges by an estimate of its own, which differs from ours by a *factor* that depends on the endpoint, the language,
//! and OpenAI's version of the day. Booked and corrected over some minutes, it comes out by itself.
//!
//! A reading tells exactly what was left at its moment, so only what was booked since, the *unconfirmed* volume, is uncertain, in
//! two ways. Charges scatter around the factor independently of each other, so the variance of their sum is the squared
//! *spread* times the sum of their squares; the spread is learned from readings, whose squared errors over the squares booked
//! in between are its square. And the factor itself may be wrong, for all alike: that *doubt* is large on a new lane and goes
//! with the volume that readings have confirmed. A booking leaves a margin for both. It lowers the burst, not the rate.
//!
//! `redis/script.lua` does the same in Redis; change both.

use super::volume::Volume;

/// The time over which the factor is learned, in milliseconds: sums decay by e over it.
pub(super) const MEMORY_MS: f64 = 180_000.0;

/// The factor begins at 1, with the weight of this share of a window's capacity.
pub(super) const PRIOR_SHARE: f64 = 0.04;

/// No charge is believed to be further from our estimate than this.
pub(super) const FACTOR_RANGE: (f64, f64) = (0.25, 4.0);

/// Before any reading, charges are taken to scatter by this share around the factor, with the weight of some readings.
pub(super) const FIRST_SPREAD: f64 = 0.3;
pub(super) const FIRST_READINGS: f64 = 5.0;

/// The spread's bounds. Charges that never vary would otherwise make every reading unbelievable; a single error out of all
/// proportion (an account that was in use already) would raise the margin for minutes.
pub(super) const SPREAD_RANGE: (f64, f64) = (0.02, 1.5);

/// What is left of a reading's weight in the spread with the next one: the last 50 or so count.
pub(super) const READING_MEMORY: f64 = 0.98;

/// Our own count of requests is exact; what differs is somebody else's use.
pub(super) const SPREAD_OF_REQUESTS: f64 = 0.1;

/// How far the factor of a new lane may be off, upwards; halved twice as soon as readings have confirmed about this share of
/// a window's capacity.
pub(super) const FIRST_DOUBT: f64 = 0.6;
pub(super) const DOUBT_SHARE: f64 = 0.1;

/// The margin in standard deviations of the unconfirmed charges.
pub(super) const MARGIN_DEVIATIONS: f64 = 1.9;

/// Bounds of the margin as shares of the capacity: the least, the most for scattering charges, the most for doubt.
pub(super) const LEAST_MARGIN: f64 = 0.002;
pub(super) const MOST_FOR_SPREAD: f64 = 0.2;
pub(super) const MOST_FOR_DOUBT: f64 = 0.4;

/// The sums of one lane, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Learned {
    /// Decaying sums over what readings have confirmed: as estimated, as booked, and by how much the books were corrected.
    estimated: f64,
    booked: f64,
    corrected: f64,
    decayed_at_ms: f64,
    /// Sums over the last readings: squared errors, squares of what was booked in between, and their number.
    squared_errors: f64,
    squares: f64,
    readings: f64,
}

impl Learned {
    /// What OpenAI charges for a token of our estimate.
    pub(super) fn factor(&self, capacity: f64) -> f64 {
        let prior = PRIOR_SHARE * capacity;
        let factor = (self.booked - self.corrected + prior) / (self.estimated + prior);
        factor.clamp(FACTOR_RANGE.0, FACTOR_RANGE.1)
    }

    /// The room that a booking must leave, when this much is unconfirmed with it.
    pub(super) fn margin(&self, unconfirmed: Volume, capacity: f64) -> f64 {
        let spread = MARGIN_DEVIATIONS * self.variance(unconfirmed).sqrt();
        let doubt = self.doubt(capacity) * unconfirmed.tokens;
        let margin =
            spread.min(MOST_FOR_SPREAD * capacity) + doubt.clamp(0.0, MOST_FOR_DOUBT * capacity);
        margin.max(LEAST_MARGIN * capacity)
    }

    /// How far a reading is to be believed, from 0 to 1: the variance of what it is to tell, as a share of that and of what the
    /// `crowd` around it makes of it. The crowd's part is that of a place in it that may be any.
    pub(super) fn trust_in_tokens(&self, unconfirmed: Volume, crowd: f64) -> f64 {
        trust(self.variance(unconfirmed), crowd)
    }

    /// The same for a reading of requests.
    pub(super) fn trust_in_requests(unconfirmed: Volume, crowd: f64) -> f64 {
        let variance = SPREAD_OF_REQUESTS * SPREAD_OF_REQUESTS * unconfirmed.requests;
        trust(variance, crowd)
    }

    /// A reading differed from the books by `error`; `between` was booked since the one before, and a `crowd` was around it.
    pub(super) fn erred(&mut self, error: f64, between: Volume, crowd: f64) {
        let squares = between.squares.max(1.0);
        let most = SPREAD_RANGE.1 * SPREAD_RANGE.1 * squares;
        let squared_error = (error * error - variance_of_crowd(crowd)).clamp(0.0, most);
        self.squared_errors = self.squared_errors * READING_MEMORY + squared_error;
        self.squares = self.squares * READING_MEMORY + squares;
        self.readings = self.readings * READING_MEMORY + 1.0;
    }

    /// The books were corrected by `step` after a reading; `between` was booked since the one before. More than the factor's
    /// range explains is somebody else's doing.
    pub(super) fn corrected(&mut self, step: f64, between: Volume, now_ms: f64) {
        self.decay(now_ms);
        let most = (FACTOR_RANGE.1 - 1.0) * between.tokens.max(0.0);
        self.corrected += step.clamp(-most, most);
    }

    /// A reading has confirmed what was booked since the one before.
    pub(super) fn confirmed(&mut self, between: Volume, now_ms: f64) {
        self.decay(now_ms);
        self.estimated += between.estimated;
        self.booked += between.tokens;
    }

    fn variance(&self, unconfirmed: Volume) -> f64 {
        self.squared_spread() * unconfirmed.squares.max(0.0)
    }

    fn squared_spread(&self) -> f64 {
        let first = FIRST_SPREAD * FIRST_SPREAD;
        if self.readings == 0.0 {
            return first;
        }
        let weight = FIRST_READINGS / self.readings;
        let errors = first * weight * self.squares + self.squared_errors;
        let squared = errors / ((weight + 1.0) * self.squares);
        squared.max(SPREAD_RANGE.0 * SPREAD_RANGE.0)
    }

    fn doubt(&self, capacity: f64) -> f64 {
        let share = DOUBT_SHARE * capacity;
        FIRST_DOUBT * (share / (self.estimated + share)).powi(2)
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

fn trust(variance: f64, crowd: f64) -> f64 {
    let noise = variance_of_crowd(crowd);
    match variance + noise > 0.0 {
        true => variance / (variance + noise),
        false => 1.0,
    }
}

/// The variance of an even distribution over as much as the crowd on either side.
fn variance_of_crowd(crowd: f64) -> f64 {
    crowd * crowd / 3.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quota::Cost;

    const CAPACITY: f64 = 60_000.0;

    fn volume(requests: u32, tokens: f64) -> Volume {
        let cost = Cost {
            requests: 1.0,
            tokens,
        };
        (0..requests).fold(Volume::default(), |volume, _| volume.with(tokens, cost))
    }

    /// Requests of 1,000 estimated tokens, charged `charge` times as much, with readings that are alone and fully applied.
    fn after_charges_of(charge: impl Fn(u32) -> f64) -> Learned {
        let mut learned = Learned::default();
        for request in 0..60 {
            let now_ms = f64::from(request) * 1_000.0;
            let booked = 1_000.0 * learned.factor(CAPACITY);
            let cost = Cost {
                requests: 1.0,
                tokens: booked,
            };
            let between = Volume::default().with(1_000.0, cost);
            let error = booked - 1_000.0 * charge(request);
            learned.erred(error, between, 0.0);
            learned.corrected(error, between, now_ms);
            learned.confirmed(between, now_ms);
        }
        learned
    }

    #[test]
    fn the_factor_becomes_what_is_charged() {
        for charge in [0.5, 1.0, 1.6] {
            let factor = after_charges_of(|_| charge).factor(CAPACITY);
            // The prior of 2,400 tokens weighs a little beside 51,000.
            assert!((factor - charge).abs() < 0.06, "{charge}: {factor}");
        }
    }

    #[test]
    fn the_factor_stays_within_reason_whatever_a_reading_says() {
        let mut learned = Learned::default();
        for _ in 0..100 {
            learned.corrected(-1e12, volume(1, 10_000.0), 0.0);
        }
        assert_eq!(learned.factor(CAPACITY), 4.0);
        for _ in 0..300 {
            learned.corrected(1e12, volume(1, 10_000.0), 0.0);
        }
        assert_eq!(learned.factor(CAPACITY), 0.25);
    }

    #[test]
    fn the_margin_is_small_where_charges_never_vary_and_grows_with_their_spread() {
        let own = volume(1, 1_000.0);
        let steady = after_charges_of(|_| 1.0).margin(own, CAPACITY);
        let varied =
            after_charges_of(|request| [0.4, 1.6][request as usize % 2]).margin(own, CAPACITY);
        // 1.9 × 0.6 × 1,000 tokens, and what is left of the first guess and the first doubt.
        assert!(steady < 250.0, "{steady}");
        assert!((700.0..1_200.0).contains(&varied), "{varied}");
    }

    #[test]
    fn a_new_lane_keeps_room_for_charges_of_its_own_kind() {
        let learned = Learned::default();
        // 0.6 × 30,000 for doubt, and 1.9 × 0.3 × 1,000 × √30 for chance.
        let margin = learned.margin(volume(30, 1_000.0), CAPACITY);
        assert!((margin - 21_122.0).abs() < 1.0, "{margin}");
        // At most 0.4 and 0.2 of the capacity.
        assert_eq!(learned.margin(volume(1_000, 1_000.0), CAPACITY), 36_000.0);
    }

    #[test]
    fn a_reading_out_of_a_crowd_is_hardly_believed_and_a_lone_one_is() {
        let learned = Learned::default();
        assert_eq!(learned.trust_in_tokens(volume(1, 1_000.0), 0.0), 1.0);
        assert!(learned.trust_in_tokens(volume(100, 1_000.0), 99_000.0) < 0.01);
        assert_eq!(Learned::trust_in_requests(volume(1, 1_000.0), 0.0), 1.0);
        assert!(Learned::trust_in_requests(volume(100, 1_000.0), 99.0) < 0.01);
    }

    #[test]
    fn one_error_out_of_all_proportion_is_forgotten() {
        let mut learned = after_charges_of(|_| 1.0);
        learned.erred(-1e9, volume(1, 1_000.0), 0.0);
        for _ in 0..200 {
            learned.erred(0.0, volume(1, 1_000.0), 0.0);
        }
        assert!(learned.margin(volume(1, 1_000.0), CAPACITY) < 250.0);
    }
}
