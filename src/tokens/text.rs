//! Tokens of plain text.

use tiktoken_rs::CoreBPE;

use super::boundary;
use crate::models::Encoding;

/// The most bytes the tokenizer gets at once.
///
/// Its two parts, a backtracking regex that cuts text into pieces and the merging of byte pairs within a piece, need time
/// and memory that grow faster than the piece, and the regex gives up with a panic on a run of some hundred thousand
/// spaces. On slices of this size both stay far from their limits, whatever the text. A larger size would move the
/// bound below which any text is exact, and make hostile text slower.
const MAX_SLICE_BYTES: usize = 2_048;

/// The number of tokens of `text`. Special tokens in it (`<|endoftext|>`) are ordinary text, as in a request.
///
/// The count is exact unless the text has a stretch of 2,048 bytes with no place in it where the tokenizer surely splits:
/// two thousand letters, spaces or equals signs on end, say. Such a stretch is cut at its end, and each cut can move the
/// count by about a token.
///
/// Never panics. Takes time in proportion to the text: about 0.03 s per MB of ordinary text, 0.1 s of hostile text. The
/// first call for an encoding loads its tables, which takes up to 0.1 s.
pub fn count_text(text: &str, encoding: Encoding) -> usize {
    let tokenizer = tokenizer(encoding);
    let mut rest = text;
    let mut tokens = 0;
    while rest.len() > MAX_SLICE_BYTES {
        let cut = boundary::last_within(rest, MAX_SLICE_BYTES, encoding)
            .unwrap_or_else(|| boundary::floor(rest, MAX_SLICE_BYTES));
        let (slice, tail) = rest.split_at(cut);
        tokens += tokenizer.count_ordinary(slice);
        rest = tail;
    }
    tokens + tokenizer.count_ordinary(rest)
}

/// The tables of an encoding, loaded at its first use and kept.
fn tokenizer(encoding: Encoding) -> &'static CoreBPE {
    match encoding {
        Encoding::Cl100kBase => tiktoken_rs::cl100k_base_singleton(),
        Encoding::O200kBase => tiktoken_rs::o200k_base_singleton(),
        Encoding::O200kHarmony => tiktoken_rs::o200k_harmony_singleton(),
        Encoding::P50kBase => tiktoken_rs::p50k_base_singleton(),
        Encoding::P50kEdit => tiktoken_rs::p50k_edit_singleton(),
        Encoding::R50kBase | Encoding::Gpt2 => tiktoken_rs::r50k_base_singleton(),
    }
}
