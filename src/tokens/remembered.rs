//! Counts of passages that come again: the system prompt of every request, the tools, the conversation so far, what a template says
//! around the few words that change.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{
    passages::{SHORTEST, passages},
    text,
};
use crate::models::Encoding;

/// How many counts are remembered at most; the newest of those that fall on the same place. They are 32 KB.
const PLACES: usize = 4096;

/// The bits of a place that hold a count. A larger one, of a passage of some hundred KB, is not remembered.
const COUNT_BITS: u32 = 16;

/// [`count_text`](super::count_text), remembered.
pub(super) fn count_text(text: &str, encoding: Encoding) -> usize {
    static REMEMBERED: LazyLock<Remembered> = LazyLock::new(Remembered::new);
    if text.len() < 2 * SHORTEST {
        return text::count_text(text, encoding);
    }
    passages(text)
        .map(|passage| REMEMBERED.count(passage, encoding, || text::count_text(passage, encoding)))
        .sum()
}

/// Counts by the hashes of their texts.
struct Remembered {
    /// The upper bits of a hash and the count behind them, or zero. With the place they are 60 bits of the hash: among as many texts as
    /// a process ever counts, two that share them are not met with.
    places: Vec<AtomicU64>,
    /// Nobody outside of the process knows it, so that two texts of the same hash can hardly be made on purpose; a count of the other
    /// one would be a wrong estimate, no more.
    seed: u64,
}

impl Remembered {
    fn new() -> Self {
        Self {
            places: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
            seed: RandomState::new().hash_one(PLACES),
        }
    }

    fn count(&self, text: &str, encoding: Encoding, count: impl FnOnce() -> usize) -> usize {
        let hash = xxh3_64_with_seed(text.as_bytes(), self.seed ^ encoding as u64);
        let place = &self.places[hash as usize % PLACES];
        // Hash and count are in one word, which is written and read whole.
        let known = place.load(Ordering::Relaxed);
        if known != 0 && (known ^ hash) >> COUNT_BITS == 0 {
            return (known & ((1 << COUNT_BITS) - 1)) as usize;
        }
        let tokens = count();
        if tokens < 1 << COUNT_BITS {
            place.store(
                hash >> COUNT_BITS << COUNT_BITS | tokens as u64,
                Ordering::Relaxed,
            );
        }
        tokens
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_counted_once_for_each_encoding() {
        let remembered = Remembered::new();
        let text = "言葉 and words. ".repeat(100);
        for (encoding, tokens) in [(Encoding::O200kBase, 7), (Encoding::R50kBase, 8)] {
            assert_eq!(remembered.count(&text, encoding, || tokens), tokens);
            for _ in 0..3 {
                assert_eq!(remembered.count(&text, encoding, || unreachable!()), tokens);
            }
        }
    }

    #[test]
    fn texts_that_hardly_differ_have_counts_of_their_own() {
        let remembered = Remembered::new();
        // More than there are places.
        for length in 0..2 * PLACES {
            let text = "a b".repeat(300) + &" c".repeat(length);
            let count = |text: &str, tokens| remembered.count(text, Encoding::O200kBase, || tokens);
            assert_eq!(count(&text, length), length);
        }
    }

    #[test]
    fn a_count_that_has_no_room_is_not_remembered() {
        let remembered = Remembered::new();
        for tokens in [1 << COUNT_BITS, (1 << COUNT_BITS) - 1] {
            let count = || remembered.count("text", Encoding::O200kBase, || tokens);
            assert_eq!(count(), tokens);
        }
        let count = || remembered.count("text", Encoding::O200kBase, || unreachable!());
        assert_eq!(count(), (1 << COUNT_BITS) - 1);
    }

    #[test]
    fn a_long_text_has_the_same_count_however_often_it_is_counted() {
        let text = "One, two; three (four) five: 6.7! 言葉? ".repeat(300);
        for encoding in [
            Encoding::O200kBase,
            Encoding::Cl100kBase,
            Encoding::R50kBase,
        ] {
            let expected = text::count_text(&text, encoding);
            for _ in 0..2 {
                assert_eq!(count_text(&text, encoding), expected);
            }
        }
    }
}
