//! Places where a tokenizer surely splits, so that text may be cut there without changing its count.
//!
//! Every encoding first cuts text into pieces with a regular expression and then merges bytes within each piece. The
//! expressions look ahead of a piece by one character at most and never back, so a cut between two pieces changes nothing.
//! Whether two characters can be in one piece depends on their classes. Over all the expressions of tiktoken 0.14.0
//! (`tiktoken_ext/openai_public.py`) a piece is one of
//!
//! - letters, perhaps with one character before them that is no letter, digit or line break (a space in the old
//!   encodings), perhaps with an English contraction (`'s`, `'ll`) after them;
//! - digits, with a space before them in the old encodings;
//! - symbols, perhaps with a space before them and line breaks or slashes after them;
//! - white space.
//!
//! Combining marks count as letters in the newest encodings and as symbols in the others. Of what is
//! [`Class::Unsure`] below, a cut depends only on its not being white space.

use crate::models::Encoding;

/// The last place within the first `limit` bytes of `text` where the tokenizer surely splits, if there is one.
pub(super) fn last_within(text: &str, limit: usize, encoding: Encoding) -> Option<usize> {
    let breaks_end_pieces = !matches!(
        encoding,
        Encoding::P50kBase | Encoding::P50kEdit | Encoding::R50kBase | Encoding::Gpt2
    );
    let limit = floor(text, limit);
    let mut after = text[limit..].chars().next();
    let mut second_after = text[limit..].chars().nth(1);
    for (at, before) in text[..limit].char_indices().rev() {
        if after.is_some_and(|after| splits(before, after, second_after, breaks_end_pieces)) {
            return Some(at + before.len_utf8());
        }
        (after, second_after) = (Some(before), after);
    }
    None
}

/// The last character boundary within the first `limit` bytes. (`str::floor_char_boundary` needs Rust 1.91.)
pub(super) fn floor(text: &str, limit: usize) -> usize {
    (0..=limit)
        .rev()
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or(0)
}

/// Whether every encoding (that ends pieces at line breaks, if so stated) splits between `before` and `after`.
fn splits(before: char, after: char, second_after: Option<char>, breaks_end_pieces: bool) -> bool {
    use Class::{Break, Digit, Letter, Space, Symbol, Unsure};
    match (Class::of(before), Class::of(after)) {
        // White space never follows anything else in a piece, but for line breaks after symbols.
        (Letter | Digit | Symbol | Unsure, Space) | (Letter | Digit, Break) => true,
        (Letter, Digit) | (Digit, Letter) | (Symbol, Digit) => true,
        // A contraction belongs to the word, so an apostrophe must not be the start of one.
        (Letter | Digit, Symbol) => {
            after != '\'' || !second_after.is_some_and(|c| matches!(Class::of(c), Letter | Unsure))
        }
        // The old encodings keep the last of several line breaks apart, but only if something follows it.
        (Break, Letter | Digit | Symbol | Unsure) => breaks_end_pieces && after != '/',
        _ => false,
    }
}

/// What the expressions tell apart, as far as it is certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// `\p{L}`
    Letter,
    /// `\p{N}`
    Digit,
    /// `\r` and `\n`
    Break,
    /// Other `\s`
    Space,
    /// None of these, and no combining mark.
    Symbol,
    /// Not white space; not classified further.
    Unsure,
}

impl Class {
    /// Exact for ASCII and for the scripts that make up most text without spaces; [`Class::Unsure`] elsewhere. The
    /// standard library's own notion of a letter includes marks and circled letters, which the expressions' does not.
    fn of(c: char) -> Self {
        match c {
            '\r' | '\n' => Self::Break,
            c if c.is_whitespace() => Self::Space,
            'a'..='z' | 'A'..='Z' => Self::Letter,
            '0'..='9' => Self::Digit,
            '\0'..='\x7f' => Self::Symbol,
            // Latin with its extensions, Greek, Cyrillic.
            '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2af}' => Self::Letter,
            '\u{391}'..='\u{3a1}' | '\u{3a3}'..='\u{3f5}' => Self::Letter,
            '\u{400}'..='\u{481}' | '\u{48a}'..='\u{52f}' => Self::Letter,
            // Hiragana, katakana, the basic block of CJK ideographs, hangul.
            '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}' => Self::Letter,
            '\u{4e00}'..='\u{9fcb}' | '\u{ac00}'..='\u{d7a3}' => Self::Letter,
            // General punctuation; arrows, mathematical and technical signs; boxes, shapes, dingbats.
            '\u{2010}'..='\u{2027}' | '\u{2190}'..='\u{23ff}' | '\u{2500}'..='\u{2775}' => {
                Self::Symbol
            }
            // CJK and fullwidth punctuation.
            '\u{3001}' | '\u{3002}' | '\u{3008}'..='\u{3011}' => Self::Symbol,
            '\u{ff01}'..='\u{ff0f}' | '\u{ff1a}'..='\u{ff20}' => Self::Symbol,
            _ => Self::Unsure,
        }
    }
}
