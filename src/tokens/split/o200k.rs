//! The pieces of o200k_base and o200k_harmony.

use super::class::Class;
use super::contraction;
use super::scan::{WhiteSpace, run, up_to_three_digits};

/// `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`
const UPPER: Class = Class::UPPER.or(EITHER);

/// `[\p{Ll}\p{Lm}\p{Lo}\p{M}]`
const LOWER: Class = Class::LOWER.or(EITHER);

/// What is of both.
const EITHER: Class = Class::CASELESS.or(Class::MARK);

/// What no word begins with, not even before its letters.
const NO_LEAD: Class = Class::LETTER.or(Class::NUMBER).or(Class::BREAK);

/// Where the piece ends that begins at `start`, which must not be the end of the text.
///
/// ```text
/// [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?
/// [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?
/// \p{N}{1,3}
///  ?[^\s\p{L}\p{N}]+[\r\n/]*
/// \s*[\r\n]+
/// \s+(?!\S)
/// \s+
/// ```
#[inline]
pub(in crate::tokens) fn piece(text: &[u8], start: usize) -> usize {
    let (class, len) = Class::at(text, start);
    let second = start + len;
    if let Some(end) = word(text, start, class, second) {
        return contraction::any_case(text, end).unwrap_or(end);
    }
    if class.is(Class::NUMBER) {
        return up_to_three_digits(text, start);
    }
    let symbols = if text[start] == b' ' { second } else { start };
    let end = run(text, symbols, Class::SYMBOL);
    if end > symbols {
        return breaks_and_slashes(text, end);
    }
    let space = WhiteSpace::at(text, start);
    space
        .break_end
        .unwrap_or_else(|| space.without_last(text, start))
}

/// The first two alternatives without the contraction, each tried with a character before the letters and then without.
#[inline]
fn word(text: &[u8], start: usize, class: Class, second: usize) -> Option<usize> {
    if class.is(Class::NUMBER.or(Class::BREAK)) {
        return None;
    }
    if class.is(Class::MARK) {
        return word_of_mark(text, start, second);
    }
    let start = if class.is(NO_LEAD) { start } else { second };
    let Letters { lower, upper } = letters(text, start);
    lower.or(upper)
}

/// A mark can be before the letters as well as one of them.
#[cold]
fn word_of_mark(text: &[u8], start: usize, second: usize) -> Option<usize> {
    let tried = [letters(text, second), letters(text, start)];
    let lower = tried.iter().find_map(|letters| letters.lower);
    lower.or_else(|| tried.iter().find_map(|letters| letters.upper))
}

/// Where the letters of a word end that begins at a place.
struct Letters {
    /// By `[upper]*[lower]+`.
    lower: Option<usize>,
    /// By `[upper]+[lower]*`, where that above matches nothing.
    upper: Option<usize>,
}

#[inline]
fn letters(text: &[u8], start: usize) -> Letters {
    let mut end = start;
    let mut either_end = None;
    loop {
        let (class, len) = Class::at(text, end);
        if class.is(UPPER) {
            end += len;
            if class.is(EITHER) {
                either_end = Some(end);
            }
        } else if class.is(Class::LOWER) {
            let lower = Some(run(text, end + len, LOWER));
            return Letters { lower, upper: None };
        } else {
            // The upper ones give back all behind the last that is a lower one as well.
            return Letters {
                lower: either_end,
                upper: (end > start).then_some(end),
            };
        }
    }
}

/// `[\r\n/]*`
#[inline]
fn breaks_and_slashes(text: &[u8], start: usize) -> usize {
    let more = |byte: &u8| matches!(byte, b'\r' | b'\n' | b'/');
    start + text[start..].iter().take_while(|byte| more(byte)).count()
}
