//! Encoding as it is defined.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::Token;
use crate::tokens::vocabulary::{Rank, Vocabulary};

/// The neighbours in a window that make a token, the next to be merged first. Takes n log n steps for n bytes.
#[derive(Debug, Default)]
pub(super) struct Merging {
    /// The token that begins at each byte, if one does.
    parts: Vec<Part>,
    /// The rank that a byte makes with its neighbour, and in the lower half where it is; the next to be merged last.
    bytes: Vec<u64>,
    /// The same of the parts that have been made since.
    made: BinaryHeap<Reverse<u64>>,
}

#[derive(Debug)]
struct Part {
    rank: Rank,
    /// What it makes with the next one, [`NOTHING`] if they make nothing or it has been merged into another.
    makes: Rank,
    /// Where the part before begins.
    previous: u32,
    /// Where the next part begins.
    end: u32,
}

const NOTHING: Rank = Rank::MAX;

impl Merging {
    /// Encodes a window.
    pub(super) fn encode(
        &mut self,
        window: &[u8],
        vocabulary: &Vocabulary,
        tokens: &mut Vec<Token>,
    ) {
        self.parts.clear();
        self.parts
            .extend((0..).zip(window).map(|(at, byte): (u32, _)| Part {
                rank: vocabulary.byte(*byte),
                makes: NOTHING,
                previous: at.saturating_sub(1),
                end: at + 1,
            }));
        self.bytes.clear();
        self.made.clear();
        for at in 0..self.parts.len() {
            let pair = self.pair(at, vocabulary);
            self.bytes.extend(pair);
        }
        // Sorted at once, which is faster than one by one in a heap.
        self.bytes.sort_unstable_by_key(|&pair| Reverse(pair));
        while let Some(pair) = self.next() {
            let (rank, at) = ((pair >> 32) as Rank, pair as u32 as usize);
            // Else one of the two has been merged with another since.
            if self.parts[at].makes == rank {
                self.merge(at, rank, vocabulary);
            }
        }
        tokens.clear();
        let mut at = 0;
        while let Some(&Part { rank, end, .. }) = self.parts.get(at) {
            let len = end - at as u32;
            tokens.push(Token {
                rank,
                len,
                is_longest: false,
            });
            at = end as usize;
        }
    }

    /// Makes one of the part that begins at `at` and the next.
    fn merge(&mut self, at: usize, rank: Rank, vocabulary: &Vocabulary) {
        let next = self.parts[at].end as usize;
        self.parts[next].makes = NOTHING;
        let end = self.parts[next].end;
        if let Some(behind) = self.parts.get_mut(end as usize) {
            behind.previous = at as u32;
        }
        let merged = &mut self.parts[at];
        (merged.rank, merged.end) = (rank, end);
        let previous = merged.previous as usize;
        let pair = self.pair(at, vocabulary);
        self.made.extend(pair.map(Reverse));
        if previous < at {
            let pair = self.pair(previous, vocabulary);
            self.made.extend(pair.map(Reverse));
        }
    }

    /// Takes out the pair of lowest rank, of several the leftmost.
    fn next(&mut self) -> Option<u64> {
        match (self.bytes.last(), self.made.peek()) {
            (Some(byte), Some(Reverse(made))) if made < byte => self.made.pop().map(|made| made.0),
            (None, _) => self.made.pop().map(|made| made.0),
            _ => self.bytes.pop(),
        }
    }

    /// Looks up what the part that begins at `at` makes with the next.
    fn pair(&mut self, at: usize, vocabulary: &Vocabulary) -> Option<u64> {
        let Part { rank, end, .. } = self.parts[at];
        let next = self.parts.get(end as usize);
        let makes = next.and_then(|next| vocabulary.merge(rank, next.rank));
        self.parts[at].makes = makes.unwrap_or(NOTHING);
        makes.map(|makes| (u64::from(makes) << 32) | at as u64)
    }
}
