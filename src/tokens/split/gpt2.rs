//! The pieces of r50k_base, p50k_base and p50k_edit, which are those of GPT-2.

use super::class::Class;
use super::contraction;
use super::scan::{WhiteSpace, run};

/// Where the piece ends that begins at `start`, which must not be the end of the text.
///
/// ```text
/// '(?:[sdmt]|ll|ve|re)
///  ?\p{L}++
///  ?\p{N}++
///  ?[^\s\p{L}\p{N}]++
/// \s++$
/// \s+(?!\S)
/// \s
/// ```
#[inline]
pub(in crate::tokens) fn piece(text: &[u8], start: usize) -> usize {
    if let Some(end) = contraction::lower_case(text, start) {
        return end;
    }
    let first = if text[start] == b' ' {
        start + 1
    } else {
        start
    };
    let (class, len) = Class::at(text, first);
    for kind in [Class::LETTER, Class::NUMBER, Class::SYMBOL] {
        if class.is(kind) {
            return run(text, first + len, kind);
        }
    }
    WhiteSpace::at(text, start).without_last(text, start)
}
