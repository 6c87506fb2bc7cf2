//! Encoding by guessing the longest token.

use super::{Token, neighbours};
use crate::tokens::vocabulary::{Prefix, Vocabulary};

/// The guesses allowed are so many for four bytes. Ordinary text needs from two to four; where tokens are so short that it takes
/// more, merging is faster.
const GUESSES_PER_FOUR_BYTES: usize = 5;

/// Guesses allowed in addition, so that a piece of usual length has enough of them however they are spread.
const GUESSES: usize = 1280;

/// A guess of so many bytes takes as much time as a short one once more.
const LONG: usize = 16;

/// Guesses the tokens of a piece, window by window.
#[derive(Debug, Default)]
pub(super) struct Longest {
    /// Places of a window, one bit each, from which nothing leads to its end.
    dead: Vec<u64>,
    /// The guesses left. What one window does not need is there for the next.
    guesses: usize,
}

impl Longest {
    /// Begins with another piece.
    pub(super) fn begin(&mut self) {
        self.guesses = GUESSES;
    }

    /// Encodes the window of so many bytes at the beginning of a text, or says that it takes too many guesses.
    ///
    /// The tokens so far are those of the text so far, as each goes with its neighbour; there are no others. So where all that
    /// can follow has been tried in vain, the last one is wrong, and coming to that place again is no use.
    pub(super) fn encode(
        &mut self,
        text: &[u8],
        size: usize,
        vocabulary: &Vocabulary,
        tokens: &mut Vec<Token>,
    ) -> bool {
        tokens.clear();
        self.dead.clear();
        self.dead.resize(size / 64 + 1, 0);
        let mut guesses = self.guesses + size * GUESSES_PER_FOUR_BYTES / 4;
        let mut at = 0;
        // Longer ones have been tried at this place.
        let mut at_most = usize::MAX;
        while at < size {
            let prefix = Prefix::new(text, at);
            let found = vocabulary
                .lengths(prefix)
                .at_most(at_most.min(size - at))
                .find_map(|len| {
                    guesses = guesses.saturating_sub(1 + len / LONG);
                    Some((vocabulary.rank(prefix, len)?, len))
                });
            if guesses == 0 {
                return false;
            }
            let Some((rank, len)) = found else {
                self.dead[at / 64] |= 1 << (at % 64);
                // The first place is never dead: every text has its tokens.
                let Some(last) = tokens.pop() else {
                    return false;
                };
                at -= last.len as usize;
                at_most = last.len as usize - 1;
                continue;
            };
            let end = at + len;
            let is_dead = self.dead[end / 64] >> (end % 64) & 1 == 1;
            let goes_with = |last: &Token| {
                if last.is_longest {
                    neighbours::can_be_behind_longest(last.rank, rank, vocabulary)
                } else {
                    neighbours::can_be(last.rank, rank, vocabulary)
                }
            };
            if !is_dead && tokens.last().is_none_or(goes_with) {
                tokens.push(Token {
                    rank,
                    len: len as u32,
                    is_longest: at_most == usize::MAX,
                });
                at = end;
                at_most = usize::MAX;
            } else {
                at_most = len - 1;
            }
        }
        self.guesses = guesses;
        true
    }
}
