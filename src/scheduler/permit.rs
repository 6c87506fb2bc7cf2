//! The right to make one call: room on a lane, and a place among the account's concurrent requests.

use std::sync::Arc;

use http::HeaderMap;

use super::{Scheduler, Seat};
use crate::{
    attempt::{Choice, Loss, Outcome},
    config::Account,
    headers::Reading,
    outcome::LimitHit,
    quota::{Booking, Settlement, Unspent},
};

/// A guard over a booking. Dropped unsent it gives all back; dropped after sending it keeps what OpenAI has counted.
#[derive(Debug)]
pub struct Permit {
    scheduler: Arc<Scheduler>,
    seat: Arc<Seat>,
    // None once settled.
    booking: Option<Booking>,
    // None once it is free, or somebody else's.
    slot: Option<Slot>,
    choice: Choice,
    sent: bool,
    is_probe: bool,
}

/// What an answer says about a booking.
#[derive(Debug, Clone, PartialEq)]
pub struct Settling {
    /// What the answer means.
    pub outcome: Outcome,
    /// The loss of connections that it is an outcome of: for the account that counts once, however many requests were on them.
    pub loss: Option<Loss>,
    /// What OpenAI has not counted of the booking, where the reading does not say what is left.
    pub unspent: Unspent,
    /// What its headers said.
    pub reading: Reading,
    /// The limit that a 429 named.
    pub limit_hit: Option<LimitHit>,
    /// Nothing may be sent on the lane for this time.
    pub block_ms: Option<f64>,
}

impl Permit {
    /// A permit for a booking on a seat that was entered for it.
    pub(super) fn new(
        scheduler: Arc<Scheduler>,
        seat: Arc<Seat>,
        booking: Booking,
        choice: Choice,
    ) -> Self {
        let slot = Slot {
            scheduler: scheduler.clone(),
            seat: seat.clone(),
        };
        Permit {
            scheduler,
            seat,
            booking: Some(booking),
            slot: Some(slot),
            choice,
            sent: false,
            is_probe: false,
        }
    }

    /// The account, as the settings were when it was given.
    pub fn account(&self) -> &Arc<Account> {
        &self.seat.account
    }

    pub(super) fn seat(&self) -> &Seat {
        &self.seat
    }

    /// Goes on under the settings of now: another key of the same account.
    pub(super) fn move_to(&mut self, seat: Arc<Seat>) {
        self.seat = seat;
    }

    /// Takes note of the organization that the answer named.
    pub fn identify(&self, headers: &HeaderMap) {
        self.scheduler.identify(&self.seat, headers);
    }

    /// Why this account, and between which ones it was chosen.
    pub fn choice(&self) -> &Choice {
        &self.choice
    }

    /// Tokens left per minute after this booking, where a limit is known.
    pub fn tokens_left(&self) -> Option<f64> {
        self.booking.as_ref()?.tokens_left
    }

    /// This request asks for all others whether its parked account works again.
    pub(super) fn mark_as_probe(&mut self) {
        self.is_probe = true;
    }

    pub(super) fn is_probe(&self) -> bool {
        self.is_probe
    }

    /// From here on OpenAI may have counted the request.
    pub fn sending(&mut self) {
        self.sent = true;
    }

    /// Closes the booking with what the answer said.
    pub fn settle(mut self, settling: Settling) {
        let Some(booking) = self.booking.take() else {
            return;
        };
        let now_ms = self.scheduler.now_ms();
        let (group, outcome) = (&booking.model_group, settling.outcome);
        match &settling.loss {
            Some(loss) => self.seat.health().note_lost(group, outcome, loss, now_ms),
            None => self.seat.health().note(group, outcome, now_ms),
        }
        self.close(booking, settling, now_ms);
    }

    /// Closes the booking of a request whose answer goes on; returns its place, for as long as it does.
    pub fn settle_and_stay(mut self, settling: Settling) -> Option<Slot> {
        let slot = self.slot.take();
        self.settle(settling);
        slot
    }

    fn close(&mut self, booking: Booking, settling: Settling, now_ms: f64) {
        if let Some(block_ms) = settling.block_ms {
            self.scheduler
                .note_block(&booking, now_ms + block_ms, now_ms);
        }
        self.scheduler.store.settle(
            Settlement {
                booking,
                refused: matches!(settling.outcome, Outcome::Limited | Outcome::TooLarge),
                unspent: settling.unspent,
                reading: settling.reading,
                limit_hit: settling.limit_hit,
                block_ms: settling.block_ms,
            },
            now_ms,
        );
        match self.slot.take() {
            Some(slot) => drop(slot),
            // Somebody may start earlier now than it was told.
            None => self.scheduler.changed.notify_waiters(),
        }
    }
}

/// A place among the account's concurrent requests; free again when it is dropped.
#[derive(Debug)]
pub struct Slot {
    scheduler: Arc<Scheduler>,
    seat: Arc<Seat>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        // The place is free before anybody is woken: one who looked too early would sleep on.
        self.seat.leave();
        self.scheduler.changed.notify_waiters();
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(booking) = self.booking.take() {
            let unspent = if self.sent {
                Unspent::Nothing
            } else {
                Unspent::All
            };
            let settling = Settling {
                outcome: Outcome::Aborted,
                loss: None,
                unspent,
                reading: Reading::default(),
                limit_hit: None,
                block_ms: None,
            };
            self.close(booking, settling, self.scheduler.now_ms());
        }
    }
}
