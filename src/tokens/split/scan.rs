//! Runs of characters.

use super::class::Class;

/// Where the run of characters of any of these classes ends that begins at a place.
#[inline]
pub(super) fn run(text: &[u8], mut at: usize, classes: Class) -> usize {
    loop {
        let (class, len) = Class::at(text, at);
        if !class.is(classes) {
            return at;
        }
        at += len;
    }
}

/// `\p{N}{1,3}`
#[inline]
pub(super) fn up_to_three_digits(text: &[u8], mut at: usize) -> usize {
    for _ in 0..3 {
        let (class, len) = Class::at(text, at);
        if !class.is(Class::NUMBER) {
            break;
        }
        at += len;
    }
    at
}

/// A run of white space.
pub(super) struct WhiteSpace {
    /// Where it ends.
    pub(super) end: usize,
    /// Where the last line break in it ends.
    pub(super) break_end: Option<usize>,
    /// Where its last character begins.
    last: usize,
}

impl WhiteSpace {
    /// The run that begins at a place; there must be one.
    #[inline]
    pub(super) fn at(text: &[u8], start: usize) -> Self {
        let mut space = Self {
            end: start,
            break_end: None,
            last: start,
        };
        loop {
            let (class, len) = Class::at(text, space.end);
            if !class.is(Class::SPACE) {
                return space;
            }
            space.last = space.end;
            space.end += len;
            if class.is(Class::BREAK) {
                space.break_end = Some(space.end);
            }
        }
    }

    /// `\s+(?!\S)|\s`: the last character of several stays for what follows, if anything does.
    #[inline]
    pub(super) fn without_last(&self, text: &[u8], start: usize) -> usize {
        if self.end == text.len() || self.last == start {
            self.end
        } else {
            self.last
        }
    }
}
