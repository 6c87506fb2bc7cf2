//! What a booking tells of the choice that led to it.

use std::time::Duration;

use super::Scheduler;
use crate::{
    attempt::{Candidate, Choice},
    quota::Booking,
};

impl Scheduler {
    /// The choice behind a booking; `accounts` are the indices of its ask's candidates.
    pub(super) fn choice(&self, accounts: &[usize], booking: &Booking) -> Choice {
        let candidates = accounts.iter().zip(&booking.waits_ms);
        let candidates = candidates.map(|(account, wait_ms)| Candidate {
            account: self.seats[*account].account.label.clone(),
            // An infinite one is none.
            wait: Duration::try_from_secs_f64(wait_ms.max(0.0) / 1000.0).ok(),
        });
        Choice::new(booking.because, candidates.collect(), booking.candidate)
    }
}
