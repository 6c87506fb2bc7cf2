//! The pieces of cl100k_base.

use super::class::Class;
use super::contraction;
use super::scan::{WhiteSpace, run, up_to_three_digits};

/// Where the piece ends that begins at `start`, which must not be the end of the text.
///
/// ```text
/// '(?i:[sdmt]|ll|ve|re)
/// [^\r\n\p{L}\p{N}]?+\p{L}++
/// \p{N}{1,3}+
///  ?[^\s\p{L}\p{N}]++[\r\n]*+
/// \s++$
/// \s*[\r\n]
/// \s+(?!\S)
/// \s
/// ```
#[inline]
pub(in crate::tokens) fn piece(text: &[u8], start: usize) -> usize {
    if let Some(end) = contraction::any_case(text, start) {
        return end;
    }
    let (class, len) = Class::at(text, start);
    let second = start + len;
    if class.is(Class::LETTER) {
        return run(text, second, Class::LETTER);
    }
    if class.is(Class::NUMBER) {
        return up_to_three_digits(text, start);
    }
    if !class.is(Class::BREAK) {
        let end = run(text, second, Class::LETTER);
        if end > second {
            return end;
        }
    }
    let symbols = if text[start] == b' ' { second } else { start };
    let end = run(text, symbols, Class::SYMBOL);
    if end > symbols {
        return run(text, end, Class::BREAK);
    }
    let space = WhiteSpace::at(text, start);
    match space.break_end {
        Some(end) if space.end < text.len() => end,
        _ => space.without_last(text, start),
    }
}
