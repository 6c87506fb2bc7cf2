//! What a booking tells of the choice that led to it.

use std::time::Duration;

use super::Candidates;
use crate::{
    attempt::{Candidate, Choice},
    quota::Booking,
};

impl Candidates {
    /// The choice behind a booking of theirs.
    pub(super) fn choice(&self, booking: &Booking) -> Choice {
        let candidates = self.seats.iter().zip(&booking.waits_ms);
        let candidates = candidates.map(|(seat, wait_ms)| Candidate {
            account: self.roster.seats[*seat].account.label.clone(),
            // An infinite one is none.
            wait: Duration::try_from_secs_f64(wait_ms.max(0.0) / 1000.0).ok(),
        });
        Choice::new(booking.because, candidates.collect(), booking.candidate)
    }
}
