//! One process's memory of an account's failures, with the numbers of the scheduler's health, whose own is not public.

/// Failures in a row before an account is held back.
const FAILURES_TO_OPEN: u32 = 5;
const FIRST_HOLD_MS: f64 = 1_000.0;
const LONGEST_HOLD_MS: f64 = 30_000.0;

/// Holds an account back after failures in a row, each time twice as long, until an answer comes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Breaker {
    failures_in_a_row: u32,
    held_until_ms: f64,
}

impl Breaker {
    /// The account is not to be used before this moment.
    pub(crate) fn not_before_ms(&self) -> f64 {
        self.held_until_ms
    }

    /// The account answered with a 500.
    pub(crate) fn failed(&mut self, now_ms: f64) {
        // Sent before the account was held back: one trouble with many requests in flight is still one.
        if now_ms < self.held_until_ms {
            return;
        }
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        if let Some(doublings) = self.failures_in_a_row.checked_sub(FAILURES_TO_OPEN) {
            let hold_ms = FIRST_HOLD_MS * f64::from(doublings.min(10)).exp2();
            self.held_until_ms = now_ms + hold_ms.min(LONGEST_HOLD_MS);
        }
    }

    /// The account answered otherwise.
    pub(crate) fn answered(&mut self) {
        *self = Breaker::default();
    }
}
