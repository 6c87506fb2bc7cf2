//! Accounts that are left out because they may not spend.

use super::{Candidates, Scheduler, Seat, health::Access};
use crate::books::Standing;

impl Scheduler {
    /// Until when an account has spent a budget, on the scheduler's clock; the past where it has not.
    pub(super) fn spent_until_ms(&self, seat: &Seat, now_ms: f64) -> f64 {
        let books = self.books.as_ref().filter(|books| books.has_budgets());
        match books.map(|books| (books.standing(&seat.account.label), books.now_ms())) {
            Some((Standing::Over(over), unix_ms)) => now_ms + over.until_ms - unix_ms,
            _ => f64::NEG_INFINITY,
        }
    }

    /// Whether an account may not spend now; notes for how long.
    pub(super) fn is_left_out_by_budget(
        &self,
        seat: usize,
        access: Access,
        now_ms: f64,
        candidates: &mut Candidates,
    ) -> bool {
        let Some(books) = self.books.as_ref().filter(|books| books.has_budgets()) else {
            return false;
        };
        let label = &candidates.roster.seats[seat].account.label;
        let left_ms = |until_ms: f64| (until_ms - books.now_ms()).max(0.0);
        match (books.standing(label), access) {
            (Standing::Open, _) => false,
            (Standing::Over(over), Access::Parked { until_ms, .. })
                if until_ms - now_ms > left_ms(over.until_ms) =>
            {
                // It will be parked for longer.
                false
            }
            (Standing::Over(over), _) => {
                let left_ms = left_ms(over.until_ms);
                candidates.over.push((seat, over, left_ms));
                true
            }
            (Standing::Held(_), Access::Parked { .. }) => false,
            (Standing::Held(until_ms), Access::Open { .. }) => {
                let held_ms = candidates.held_ms.unwrap_or(f64::INFINITY);
                candidates.held_ms = Some(held_ms.min(left_ms(until_ms)));
                candidates.busy += 1;
                true
            }
        }
    }
}
