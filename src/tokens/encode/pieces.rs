//! Counts of pieces that come again. A text has few words that are not a token, but has them many times, and they take most of the
//! time.

use std::{array, cell::Cell};

use crate::tokens::vocabulary::{Vocabulary, hash};

/// 64 KB of them, which stay in the processor's second cache. With half as many, code is counted at nine tenths of the speed, with
/// twice as many hardly faster.
const PLACES: usize = 4096;

/// The bits of a place that hold a count. A larger one is not remembered; hardly a piece of [`hash::MEDIUM`] bytes has it.
const COUNT_BITS: u32 = 4;

thread_local! {
    /// Those of each vocabulary while no text is counted.
    static OF_THREAD: [Cell<Pieces>; Vocabulary::COUNT] = array::from_fn(|_| Cell::default());
}

/// Counts by pieces; the newest of those that fall on the same place.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// A piece as a medium key and its count, or zero. There are none before there is something to remember.
    places: Vec<u128>,
}

impl Pieces {
    /// Takes those that the thread has of a vocabulary.
    pub(super) fn take(vocabulary: &Vocabulary) -> Self {
        // None are left when the thread ends.
        let taken = OF_THREAD.try_with(|pieces| pieces[vocabulary.number].take());
        taken.unwrap_or_default()
    }

    /// Leaves them to the next text.
    pub(super) fn leave(self, vocabulary: &Vocabulary) {
        // Where the thread ends there is none.
        let _ = OF_THREAD.try_with(|pieces| pieces[vocabulary.number].set(self));
    }

    /// The count of the piece with this medium key, if it is remembered.
    #[inline]
    pub(super) fn find(&self, key: u128) -> Option<usize> {
        let known = self.places.get(place(key))?;
        let count = known ^ (key << COUNT_BITS);
        (count < 1 << COUNT_BITS).then_some(count as usize)
    }

    /// Remembers the count of the piece with this medium key.
    #[inline]
    pub(super) fn remember(&mut self, key: u128, count: usize) {
        if count < 1 << COUNT_BITS {
            self.places.resize(PLACES, 0);
            self.places[place(key)] = (key << COUNT_BITS) | count as u128;
        }
    }
}

#[inline]
fn place(key: u128) -> usize {
    hash::scale(hash::of_medium(key), PLACES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::vocabulary::{CL100K_BASE, O200K_BASE, Prefix};

    fn key(piece: &str) -> u128 {
        Prefix::new(piece.as_bytes(), 0).medium(piece.len())
    }

    #[test]
    fn a_piece_is_found_again_and_no_other() {
        let mut pieces = Pieces::default();
        for piece in ["ab", "abc", "fifteen letters", "ab\0", "\0\0"] {
            assert_eq!(pieces.find(key(piece)), None);
            pieces.remember(key(piece), piece.len());
            assert_eq!(pieces.find(key(piece)), Some(piece.len()));
        }
    }

    #[test]
    fn of_two_on_one_place_the_newer_is_remembered() {
        let mut pieces = Pieces::default();
        for number in 0..4 * PLACES {
            let key = key(&format!("piece {number}"));
            pieces.remember(key, number % 15);
            assert_eq!(pieces.find(key), Some(number % 15));
        }
    }

    #[test]
    fn a_large_count_is_not_remembered() {
        let mut pieces = Pieces::default();
        pieces.remember(key("piece"), 16);
        assert_eq!(pieces.find(key("piece")), None);
    }

    #[test]
    fn each_vocabulary_has_pieces_of_its_own() {
        let mut pieces = Pieces::take(&O200K_BASE);
        pieces.remember(key("piece"), 7);
        pieces.leave(&O200K_BASE);
        assert_eq!(Pieces::take(&CL100K_BASE).find(key("piece")), None);
        assert_eq!(Pieces::take(&O200K_BASE).find(key("piece")), Some(7));
    }
}
