//! Sets of lengths.

use super::hash::{MEDIUM, PREFIX};

/// Lengths that tokens may have, in bytes.
#[derive(Debug, Clone, Copy)]
pub(in crate::tokens) struct Lengths {
    /// A bit for each of the lengths up to [`MEDIUM`].
    medium: u16,
    /// The largest, if there is one above.
    long: usize,
}

/// The bit of all lengths above [`MEDIUM`].
const LONG: u16 = 1;

/// No token is longer.
const LONGEST: usize = 128;

impl Lengths {
    /// The lengths below that of a table's key, and those that the table gives, of a text with so many bytes.
    #[inline]
    pub(super) fn up_to(available: usize, from_table: u16) -> Self {
        let lengths = Self {
            medium: ((1 << PREFIX) - 2) | (from_table & !LONG),
            long: if from_table & LONG == 0 { 0 } else { LONGEST },
        };
        lengths.at_most(available)
    }

    /// Those of them that are at most so large.
    #[inline]
    pub(in crate::tokens) fn at_most(self, most: usize) -> Self {
        let long = self.long.min(most);
        Self {
            medium: self.medium & (u16::MAX >> MEDIUM.saturating_sub(most)),
            long: if long > MEDIUM { long } else { 0 },
        }
    }
}

/// Takes the largest out first.
impl Iterator for Lengths {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.long > 0 {
            let length = self.long;
            self.long = if length - 1 > MEDIUM { length - 1 } else { 0 };
            return Some(length);
        }
        let length = self.medium.checked_ilog2()?;
        self.medium ^= 1 << length;
        Some(length as usize)
    }
}
