//! Sets of lengths.

use super::hash::{LONG_PREFIX, PREFIX};

/// Lengths that tokens may have, in bytes.
#[derive(Debug, Clone, Copy)]
pub(in crate::tokens) struct Lengths {
    /// A bit for each of the lengths below [`ABOVE`].
    bits: u64,
    /// The largest from [`ABOVE`] on, 0 if there is none.
    above: usize,
}

/// Lengths from here on have a bit together, the last of those that the table of long tokens gives.
const ABOVE: usize = LONG_PREFIX + 31;

/// No token is longer.
const LONGEST: usize = 128;

impl Lengths {
    /// Those below that of the table's key, and the medium ones that the table gives.
    #[inline]
    pub(super) fn medium(from_table: u16) -> Self {
        Self {
            bits: ((1 << PREFIX) - 2) | u64::from(from_table),
            above: 0,
        }
    }

    /// Those that the table of long tokens gives too.
    #[inline]
    pub(super) fn and_long(self, from_table: u32) -> Self {
        let bits = u64::from(from_table) << LONG_PREFIX;
        Self {
            bits: self.bits | (bits & !(1 << ABOVE)),
            above: if bits >> ABOVE == 0 { 0 } else { LONGEST },
        }
    }

    /// Those of them that are at most so large.
    #[inline]
    pub(in crate::tokens) fn at_most(self, most: usize) -> Self {
        let above = self.above.min(most);
        Self {
            bits: self.bits & (u64::MAX >> (63 - most.min(63))),
            above: if above >= ABOVE { above } else { 0 },
        }
    }
}

/// Takes the largest out first.
impl Iterator for Lengths {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.above > 0 {
            let length = self.above;
            self.above = if length > ABOVE { length - 1 } else { 0 };
            return Some(length);
        }
        let length = self.bits.checked_ilog2()?;
        self.bits ^= 1 << length;
        Some(length as usize)
    }
}
