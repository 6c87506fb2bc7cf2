//! Tokens of plain text.

use super::encode::Encoder;
use super::split;
use super::vocabulary::{self, Vocabulary};
use crate::models::Encoding;

/// The number of tokens of `text`, exactly as tiktoken counts. Special tokens in it (`<|endoftext|>`) are ordinary text, as in a
/// request.
///
/// Never panics. There is nothing to load.
pub fn count_text(text: &str, encoding: Encoding) -> usize {
    match encoding {
        Encoding::Cl100kBase => count(text, &vocabulary::CL100K_BASE, split::cl100k),
        Encoding::O200kBase | Encoding::O200kHarmony => {
            count(text, &vocabulary::O200K_BASE, split::o200k)
        }
        Encoding::P50kBase | Encoding::P50kEdit => count(text, &vocabulary::P50K_BASE, split::gpt2),
        Encoding::R50kBase | Encoding::Gpt2 => count(text, &vocabulary::R50K_BASE, split::gpt2),
    }
}

/// `piece` says where the piece ends that begins at a place.
#[inline]
fn count(
    text: &str,
    vocabulary: &'static Vocabulary,
    piece: impl Fn(&[u8], usize) -> usize,
) -> usize {
    let text = text.as_bytes();
    let mut encoder = Encoder::new(vocabulary);
    let (mut start, mut tokens) = (0, 0);
    while start < text.len() {
        let end = piece(text, start);
        tokens += encoder.count(text, start, end);
        start = end;
    }
    tokens
}
