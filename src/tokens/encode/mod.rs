//! The tokens of one piece.
//!
//! What they are is defined by merging: of all neighbours that make a token, those of the lowest rank are merged, of several the
//! leftmost, until there are none. Done so it takes a search at each step. Two facts about it help; both follow from what happens
//! within a part of a text being the same as without the rest, as long as nothing merges across the part's ends:
//!
//! - Tokens are those of their text exactly if each two neighbours are those of their text ([`neighbours`]). So tokens can be
//!   guessed, and need no more than that to be right. [`longest`] guesses the longest.
//! - For the same reason a long piece can be encoded in [`windows`], one after the other.
//!
//! Where guesses fail too often, as in random letters or a long row of equals signs, the rest of the piece is merged as defined
//! ([`merging`]). What short pieces come to is remembered ([`pieces`]).

mod longest;
mod merging;
mod neighbours;
mod pieces;
mod windows;

#[cfg(test)]
mod tests;

use std::mem;

use super::vocabulary::{Prefix, Rank, Vocabulary, hash};
use longest::Longest;
use merging::Merging;
use pieces::Pieces;

/// A token at its place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Token {
    rank: Rank,
    len: u32,
    /// No longer token begins at its place in the window. It may be so where this is `false`.
    is_longest: bool,
}

/// Counts the tokens of pieces. It keeps its memory from piece to piece, and what it knows of them from text to text.
#[derive(Debug)]
pub(super) struct Encoder {
    vocabulary: &'static Vocabulary,
    pieces: Pieces,
    longest: Longest,
    merging: Merging,
    /// Guesses have failed too often in the piece in hand.
    is_hopeless: bool,
    /// The tokens of the window in hand.
    tokens: Vec<Token>,
}

impl Encoder {
    pub(super) fn new(vocabulary: &'static Vocabulary) -> Self {
        Self {
            vocabulary,
            pieces: Pieces::take(vocabulary),
            longest: Longest::default(),
            merging: Merging::default(),
            is_hopeless: false,
            tokens: Vec::new(),
        }
    }

    /// The number of tokens of the piece of `text` between two places.
    #[inline]
    pub(super) fn count(&mut self, text: &[u8], start: usize, end: usize) -> usize {
        let len = end - start;
        // Every byte is a token, and most pieces are one.
        if len == 1 {
            return 1;
        }
        let prefix = Prefix::new(text, start);
        if self.vocabulary.is_token(prefix, len) {
            return 1;
        }
        if len > hash::MEDIUM {
            return self.count_in_windows(&text[start..], len, windows::SIZE);
        }
        let piece = prefix.medium(len);
        self.pieces.find(piece).unwrap_or_else(|| {
            let count = self.count_in_windows(&text[start..], len, windows::SIZE);
            self.pieces.remember(piece, count);
            count
        })
    }

    /// Leaves the tokens of the window of so many bytes at the beginning of `text` in `self.tokens`. What is behind it is there
    /// because many bytes are faster to read than few.
    fn encode(&mut self, text: &[u8], size: usize) {
        let (vocabulary, tokens) = (self.vocabulary, &mut self.tokens);
        // A piece goes on as it has begun.
        self.is_hopeless = self.is_hopeless || !self.longest.encode(text, size, vocabulary, tokens);
        if self.is_hopeless {
            self.merging.encode(&text[..size], vocabulary, tokens);
        }
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        mem::take(&mut self.pieces).leave(self.vocabulary);
    }
}
