//! Counts of passages that come again: the system prompt of every request, the tools, the conversation so far, what a template says
//! around the few words that change.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{LazyLock, Mutex},
};

use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::{
    passages::{SHORTEST, passages},
    text,
};
use crate::models::Encoding;

/// How many counts are remembered at most; the newest of those that fall on the same place.
const PLACES: usize = 4096;

/// [`count_text`](super::count_text), remembered.
pub(super) fn count_text(text: &str, encoding: Encoding) -> usize {
    static REMEMBERED: LazyLock<Remembered> = LazyLock::new(Remembered::new);
    if text.len() < 2 * SHORTEST {
        return text::count_text(text, encoding);
    }
    passages(text)
        .map(|passage| REMEMBERED.count(passage, encoding, text::count_text))
        .sum()
}

/// Counts by the hashes of their texts.
struct Remembered {
    /// Each with a lock of its own that nobody waits for: whoever finds it taken counts.
    places: Vec<Mutex<Option<Count>>>,
    /// Nobody outside of the process knows it, so that two texts of the same hash can hardly be made on purpose; a count of the other
    /// one would be a wrong estimate, no more.
    seed: u64,
}

#[derive(Clone, Copy)]
struct Count {
    /// Of the text, for the encoding. So many bits that two texts which share them are not met with.
    hash: u128,
    tokens: usize,
}

impl Remembered {
    fn new() -> Self {
        Self {
            places: (0..PLACES).map(|_| Mutex::new(None)).collect(),
            seed: RandomState::new().hash_one(PLACES),
        }
    }

    fn count(
        &self,
        text: &str,
        encoding: Encoding,
        count: impl FnOnce(&str, Encoding) -> usize,
    ) -> usize {
        let hash = xxh3_128_with_seed(text.as_bytes(), self.seed ^ encoding as u64);
        let place = &self.places[(hash % PLACES as u128) as usize];
        let known = place.try_lock().ok().and_then(|place| *place);
        if let Some(known) = known.filter(|known| known.hash == hash) {
            return known.tokens;
        }
        let tokens = count(text, encoding);
        if let Ok(mut place) = place.try_lock() {
            *place = Some(Count { hash, tokens });
        }
        tokens
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passage_is_counted_once_for_each_encoding() {
        let remembered = Remembered::new();
        let counted = Mutex::new(0);
        let count = |text: &str, encoding| {
            remembered.count(text, encoding, |text, encoding| {
                *counted.lock().unwrap() += 1;
                text::count_text(text, encoding)
            })
        };
        let text = "言葉 and words. ".repeat(100);
        for encoding in [Encoding::O200kBase, Encoding::R50kBase] {
            let expected = text::count_text(&text, encoding);
            for _ in 0..3 {
                assert_eq!(count(&text, encoding), expected);
            }
        }
        assert_eq!(*counted.lock().unwrap(), 2);
    }

    #[test]
    fn texts_that_hardly_differ_have_counts_of_their_own() {
        let remembered = Remembered::new();
        // More than there are places.
        for length in 0..2 * PLACES {
            let text = "a b".repeat(300) + &" c".repeat(length);
            let count = |_: &str, _| length;
            assert_eq!(remembered.count(&text, Encoding::O200kBase, count), length);
        }
    }

    #[test]
    fn who_finds_a_place_taken_counts() {
        let remembered = Remembered::new();
        let places: Vec<_> = remembered.places.iter().map(|place| place.lock()).collect();
        assert_eq!(remembered.count("text", Encoding::O200kBase, |_, _| 7), 7);
        drop(places);
        assert_eq!(remembered.count("text", Encoding::O200kBase, |_, _| 8), 8);
        assert_eq!(remembered.count("text", Encoding::O200kBase, |_, _| 9), 8);
    }
}
