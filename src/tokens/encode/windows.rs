//! Encoding a long piece part by part, so that neither time nor memory grows faster than it.

use super::{Encoder, Token, neighbours};

/// The bytes of a window: many more than any token has, and so few that all that is kept for them stays in the processor's nearest
/// cache.
pub(super) const SIZE: usize = 1024;

impl Encoder {
    /// The number of tokens of the piece of so many bytes at the beginning of `text`, encoded in windows of `size` bytes at first.
    ///
    /// What comes behind a window can change the tokens in it. So its last eighth is left to the next one, and the last token
    /// before that must go with the first one of the next. If it does not, the piece is done again in larger windows, if need be
    /// in a single one. Hardly any text is such.
    pub(super) fn count_in_windows(&mut self, text: &[u8], len: usize, mut size: usize) -> usize {
        self.is_hopeless = false;
        self.longest.begin();
        loop {
            if let Some(count) = self.count_in_windows_of(text, len, size) {
                return count;
            }
            size *= 2;
        }
    }

    /// The number of tokens, unless two windows do not go together.
    pub(super) fn count_in_windows_of(
        &mut self,
        mut text: &[u8],
        mut len: usize,
        size: usize,
    ) -> Option<usize> {
        let mut count = 0;
        let mut before: Option<Token> = None;
        loop {
            self.encode(text, size.min(len));
            if let (Some(before), Some(first)) = (before, self.tokens.first())
                && !neighbours::can_be(before.rank, first.rank, self.vocabulary)
            {
                return None;
            }
            if len <= size {
                return Some(count + self.tokens.len());
            }
            let mut end = 0;
            for token in &self.tokens {
                let next = end + token.len as usize;
                if next > size - size / 8 {
                    break;
                }
                (before, end) = (Some(*token), next);
                count += 1;
            }
            (text, len) = (&text[end..], len - end);
        }
    }
}
