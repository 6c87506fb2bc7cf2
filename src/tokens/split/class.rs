//! What the expressions tell apart of characters.

/// The classes of a character, as bits. Exact for all of Unicode, in the version of the regex engine that tiktoken-rs splits with:
/// the build script takes them from there (`build/classes.rs`; keep the bits in sync).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Class(u8);

impl Class {
    /// `[\p{Lu}\p{Lt}]`
    pub(super) const UPPER: Self = Self(1);
    /// `\p{Ll}`
    pub(super) const LOWER: Self = Self(2);
    /// `[\p{Lm}\p{Lo}]`
    pub(super) const CASELESS: Self = Self(4);
    /// `\p{L}`
    pub(super) const LETTER: Self = Self::UPPER.or(Self::LOWER).or(Self::CASELESS);
    /// `\p{M}`
    pub(super) const MARK: Self = Self(8);
    /// `\p{N}`
    pub(super) const NUMBER: Self = Self(16);
    /// `\s`
    pub(super) const SPACE: Self = Self(32);
    /// `[\r\n]`, which are of [`Class::SPACE`] as well.
    pub(super) const BREAK: Self = Self(64);
    /// `[^\s\p{L}\p{N}]` but for marks.
    const OTHER: Self = Self(128);
    /// `[^\s\p{L}\p{N}]`
    pub(super) const SYMBOL: Self = Self::OTHER.or(Self::MARK);
    /// What is behind the end of a text.
    const NONE: Self = Self(0);

    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether it is of any of these.
    #[inline]
    pub(super) const fn is(self, any: Self) -> bool {
        self.0 & any.0 != 0
    }

    /// The class of the character at a place, and how many bytes it has.
    #[inline]
    pub(super) fn at(text: &[u8], at: usize) -> (Self, usize) {
        match text.get(at) {
            Some(&byte) if byte < 128 => (Self(ASCII[usize::from(byte)]), 1),
            Some(_) => Self::beyond_ascii(&text[at..]),
            None => (Self::NONE, 0),
        }
    }

    /// The class of the first character, which has more than one byte.
    #[inline]
    fn beyond_ascii(text: &[u8]) -> (Self, usize) {
        let of = |first: u8, rest: &[u8]| {
            let bits = rest.iter().map(|byte| u32::from(byte & 0x3f));
            let character = bits.fold(u32::from(first), |bits, more| (bits << 6) | more);
            (Self::of(character), 1 + rest.len())
        };
        match *text {
            [first @ 0xf0..=0xff, a, b, c, ..] => of(first & 0x07, &[a, b, c]),
            [first @ 0xe0..=0xff, a, b, ..] => of(first & 0x0f, &[a, b]),
            [first, a, ..] => of(first & 0x1f, &[a]),
            // No string ends within a character.
            _ => (Self::NONE, text.len()),
        }
    }

    #[inline]
    fn of(character: u32) -> Self {
        let block = usize::from(TABLE[character as usize / BLOCK]);
        Self(TABLE[BLOCKS + block * BLOCK + character as usize % BLOCK])
    }
}

/// The number of each block of characters, then the classes of the characters of each number.
static TABLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/classes"));

/// Characters in a block.
const BLOCK: usize = 256;

/// How many blocks there are.
const BLOCKS: usize = 0x11_0000 / BLOCK;

/// The beginning of the table once more, where it is found with one look.
static ASCII: [u8; 128] = {
    let mut classes = [0; 128];
    let first = BLOCKS + TABLE[0] as usize * BLOCK;
    let mut at = 0;
    while at < classes.len() {
        classes[at] = TABLE[first + at];
        at += 1;
    }
    classes
};

#[cfg(test)]
mod tests {
    use super::*;
    use regex::Regex;

    #[test]
    fn every_character_has_the_classes_that_the_regex_engine_gives_it() {
        for (pattern, class) in [
            (r"[\p{Lu}\p{Lt}]", Class::UPPER),
            (r"\p{Ll}", Class::LOWER),
            (r"[\p{Lm}\p{Lo}]", Class::CASELESS),
            (r"\p{L}", Class::LETTER),
            (r"\p{M}", Class::MARK),
            (r"\p{N}", Class::NUMBER),
            (r"\s", Class::SPACE),
            (r"[\r\n]", Class::BREAK),
            (r"[^\s\p{L}\p{N}]", Class::SYMBOL),
        ] {
            let pattern = Regex::new(pattern).unwrap();
            for character in '\0'..=char::MAX {
                let mut bytes = [0; 4];
                let text: &str = character.encode_utf8(&mut bytes);
                let (actual, len) = Class::at(text.as_bytes(), 0);
                assert_eq!(len, text.len());
                assert_eq!(
                    actual.is(class),
                    pattern.is_match(text),
                    "{pattern} {character:?}"
                );
            }
        }
    }
}
