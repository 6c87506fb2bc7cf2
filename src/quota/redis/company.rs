//! When a batch leaves: at once, or a little later with more of its kind.
//!
//! What is under way when a round trip ends goes with the next one, so the more there is to do, the more goes together. In between,
//! with answers that take longer than a round trip, everybody would travel alone, and an operation alone costs Redis three times
//! what it costs in company. So settlements, for which nobody waits, wait for a booking. And where many requests are under way a
//! booking waits for some others, for less time than anybody notices beside an answer of OpenAI's.

use std::time::Duration;

use tokio::time::Instant;

/// The longest wait of a booking for company: with 64 requests under way, whose answers take 200 ms, four go together.
const BOOKINGS_WAIT: Duration = Duration::from_millis(10);

/// A booking waits until there is one for every so many requests under way. So one of a few never waits.
const UNDER_WAY_FOR_EACH: usize = 8;

/// The longest wait of what nobody waits for.
const OTHERS_WAIT: Duration = Duration::from_millis(20);

/// What waits to leave.
#[derive(Debug, Default)]
pub(super) struct Company {
    bookings: usize,
    first_booking: Option<Instant>,
    first: Option<Instant>,
    is_urgent: bool,
}

impl Company {
    /// One more booking.
    pub(super) fn add_booking(&mut self, now: Instant) {
        self.bookings += 1;
        self.first_booking.get_or_insert(now);
        self.first.get_or_insert(now);
    }

    /// One more for which nobody waits.
    pub(super) fn add_other(&mut self, now: Instant) {
        self.first.get_or_insert(now);
    }

    /// One that takes all others along at once.
    pub(super) fn add_urgent(&mut self) {
        self.is_urgent = true;
    }

    /// When it leaves, with so many requests under way; `None` is at once.
    pub(super) fn leaves_at(&self, under_way: usize) -> Option<Instant> {
        if self.is_urgent {
            return None;
        }
        match self.first_booking {
            Some(_) if self.bookings * UNDER_WAY_FOR_EACH >= under_way => None,
            Some(first) => Some(first + BOOKINGS_WAIT),
            None => Some(self.first? + OTHERS_WAIT),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_booking_waits_for_as_many_as_are_usual() {
        let now = Instant::now();
        let mut company = Company::default();
        company.add_booking(now);
        assert_eq!(company.leaves_at(0), None);
        assert_eq!(company.leaves_at(8), None);
        assert_eq!(company.leaves_at(9), Some(now + BOOKINGS_WAIT));
        company.add_booking(now + Duration::from_millis(1));
        assert_eq!(company.leaves_at(9), None);
        assert_eq!(company.leaves_at(64), Some(now + BOOKINGS_WAIT));
    }

    #[test]
    fn what_nobody_waits_for_goes_with_the_next_booking_or_by_itself() {
        let now = Instant::now();
        let mut company = Company::default();
        company.add_other(now);
        company.add_other(now + Duration::from_millis(5));
        assert_eq!(company.leaves_at(64), Some(now + OTHERS_WAIT));
        company.add_booking(now + Duration::from_millis(7));
        assert_eq!(company.leaves_at(1), None);
    }

    #[test]
    fn an_urgent_one_takes_all_along() {
        let mut company = Company::default();
        company.add_booking(Instant::now());
        company.add_urgent();
        assert_eq!(company.leaves_at(1_000), None);
    }
}
