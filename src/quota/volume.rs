//! How much was booked on a lane, and what of it the last reading has confirmed.
//!
//! `redis/script.lua` does the same in Redis; change both.

use super::Cost;

/// Running sums over bookings. The difference of two is what was booked in between.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Volume {
    /// Requests.
    pub(super) requests: f64,
    /// Tokens as estimated.
    pub(super) estimated: f64,
    /// Tokens as booked.
    pub(super) tokens: f64,
    /// Squares of the tokens of each booking.
    pub(super) squares: f64,
}

impl Volume {
    /// With one more booking.
    pub(super) fn with(self, estimated: f64, cost: Cost) -> Volume {
        Volume {
            requests: self.requests + cost.requests,
            estimated: self.estimated + estimated,
            tokens: self.tokens + cost.tokens,
            squares: self.squares + cost.tokens * cost.tokens,
        }
    }

    /// Together with what others book.
    pub(super) fn and(self, others: Volume) -> Volume {
        Volume {
            requests: self.requests + others.requests,
            estimated: self.estimated + others.estimated,
            tokens: self.tokens + others.tokens,
            squares: self.squares + others.squares,
        }
    }

    /// The same where a token is charged `factor` times as it was booked.
    pub(super) fn times(self, factor: f64) -> Volume {
        Volume {
            tokens: self.tokens * factor,
            squares: self.squares * factor * factor,
            ..self
        }
    }

    /// What was booked since an earlier sum.
    pub(super) fn since(self, earlier: Volume) -> Volume {
        Volume {
            requests: self.requests - earlier.requests,
            estimated: self.estimated - earlier.estimated,
            tokens: self.tokens - earlier.tokens,
            squares: self.squares - earlier.squares,
        }
    }
}

/// The latest booking whose reading was believed. What was sent before it says nothing new.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Confirmed {
    pub(super) send_ms: f64,
    /// All that was booked up to it.
    pub(super) volume: Volume,
}

impl Default for Confirmed {
    fn default() -> Self {
        Confirmed {
            send_ms: f64::NEG_INFINITY,
            volume: Volume::default(),
        }
    }
}

impl Confirmed {
    /// Whether this was sent after a booking; of one moment, what was booked last counts as sent last.
    pub(super) fn is_after(&self, send_ms: f64, volume: Volume) -> bool {
        (self.send_ms, self.volume.requests) > (send_ms, volume.requests)
    }

    /// What was booked from here until a booking with it, at least its own cost.
    pub(super) fn until(&self, volume: Volume, own: Cost) -> Volume {
        let between = volume.since(self.volume);
        match between.requests >= own.requests {
            true => between,
            // It was booked before this and is sent after it.
            false => Volume::default().with(own.tokens, own),
        }
    }

    /// A later reading was believed.
    pub(super) fn move_to(&mut self, send_ms: f64, volume: Volume) {
        self.send_ms = send_ms;
        if volume.requests > self.volume.requests {
            self.volume = volume;
        }
    }
}
