//! How many of a line may ask the store for room at a time.
//!
//! As long as whoever asks has room at once, many ask, since an answer of Redis takes a round trip. Where somebody is sent away only the
//! first few ask: each further one costs a question whenever room comes back.

use std::{mem, ops::Range};

/// How many of a line ask the store at a time where room is scarce.
pub const ASKERS: usize = 8;

/// How many ask at a time at most. Nothing keeps the order of those who have asked when room ends, but their claims.
pub(super) const MOST_ASKERS: usize = 64;

/// How many of a line may ask.
#[derive(Debug)]
pub(super) struct Askers {
    /// From [`ASKERS`] to [`MOST_ASKERS`]: twice as many when as many in a row had room at once.
    at_a_time: usize,
    /// How many had room at once since one had to wait, or since there are so many askers.
    in_a_row: usize,
    /// Whether somebody had to wait lately, or nobody knows yet.
    is_scarce: bool,
}

impl Default for Askers {
    fn default() -> Self {
        Askers {
            at_a_time: ASKERS,
            in_a_row: 0,
            is_scarce: true,
        }
    }
}

impl Askers {
    pub(super) fn at_a_time(&self) -> usize {
        self.at_a_time
    }

    /// Whether whoever stands in the line may have to wait for room.
    pub(super) fn is_scarce(&self) -> bool {
        self.is_scarce
    }

    /// One that asked for the first time had room at once. Returns the positions in line that may ask from now on.
    pub(super) fn found_room(&mut self) -> Range<usize> {
        let before = self.at_a_time;
        self.in_a_row += 1;
        if self.in_a_row < before {
            return before..before;
        }
        self.in_a_row = 0;
        self.is_scarce = false;
        self.at_a_time = (2 * before).min(MOST_ASKERS);
        before..self.at_a_time
    }

    /// One that asked has to wait. Returns whether room was plentiful up to now.
    pub(super) fn has_to_wait(&mut self) -> bool {
        self.at_a_time = ASKERS;
        self.in_a_row = 0;
        !mem::replace(&mut self.is_scarce, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_in_a_row_as_may_ask_double_them() {
        let mut askers = Askers::default();
        assert!(askers.is_scarce());
        for joining in [8..16, 16..32, 32..64, 64..64] {
            for _ in 1..askers.at_a_time() {
                assert!(askers.found_room().is_empty());
            }
            assert_eq!(askers.found_room(), joining);
            assert!(!askers.is_scarce());
        }
    }

    #[test]
    fn one_that_has_to_wait_ends_the_row() {
        let mut askers = Askers::default();
        for _ in 1..ASKERS {
            askers.found_room();
        }
        assert!(!askers.has_to_wait(), "nobody knew of plenty");
        assert!(askers.found_room().is_empty());
        for _ in 1..ASKERS {
            askers.found_room();
        }
        assert_eq!(askers.at_a_time(), 2 * ASKERS);
        assert!(askers.has_to_wait());
        assert_eq!((askers.at_a_time(), askers.is_scarce()), (ASKERS, true));
    }
}
