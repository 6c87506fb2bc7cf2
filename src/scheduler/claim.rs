//! What a caller leaves with the store while it waits.

use super::{Scheduler, Want};

/// A caller's number and place with the store. A claim that ends wakes those who wait behind it: also that of a caller who goes
/// away.
pub(super) struct Claim<'a> {
    scheduler: &'a Scheduler,
    model_group: &'a str,
    pub(super) claimant: u64,
    /// By priority; then one that had its turn before others.
    pub(super) urgency: i32,
    /// The store may remember it.
    pub(super) is_entered: bool,
}

impl<'a> Claim<'a> {
    pub(super) fn new(scheduler: &'a Scheduler, want: &'a Want, had_a_turn: bool) -> Self {
        Claim {
            scheduler,
            model_group: &want.model_group,
            // Among all processes: two callers of one number would share a claim for a while, which harms nobody.
            claimant: fastrand::u64(1..),
            urgency: 2 * want.order.priority + i32::from(had_a_turn),
            is_entered: false,
        }
    }

    /// The store has taken the claim for a booking, perhaps on another lane.
    pub(super) fn is_booked(&mut self) {
        if std::mem::take(&mut self.is_entered) {
            self.scheduler.changed.notify_waiters();
        }
    }

    /// Takes the claim back, so that nobody waits behind it.
    pub(super) fn withdraw(&mut self) {
        if std::mem::take(&mut self.is_entered) {
            let store = &self.scheduler.store;
            store.withdraw(self.model_group, self.claimant);
            self.scheduler.changed.notify_waiters();
        }
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.withdraw();
    }
}
