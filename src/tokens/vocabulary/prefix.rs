//! The bytes from one place of a text on, of which any number may be a token.

/// A place in a text.
#[derive(Debug, Clone, Copy)]
pub(in crate::tokens) struct Prefix<'a> {
    rest: &'a [u8],
    /// The first [`HEAD`] bytes as a number, the first lowest; zeros where there are fewer.
    head: u128,
}

const HEAD: usize = 16;

impl<'a> Prefix<'a> {
    #[inline]
    pub(in crate::tokens) fn new(text: &'a [u8], at: usize) -> Self {
        let rest = &text[at..];
        let head = match rest.first_chunk() {
            Some(head) => *head,
            None => Self::last(rest),
        };
        Self {
            rest,
            head: u128::from_le_bytes(head),
        }
    }

    #[cold]
    fn last(rest: &[u8]) -> [u8; HEAD] {
        let mut head = [0; HEAD];
        head[..rest.len()].copy_from_slice(rest);
        head
    }

    #[inline]
    pub(super) fn bytes(&self, len: usize) -> &'a [u8] {
        &self.rest[..len]
    }

    /// The bytes by which the table of lengths is asked.
    #[inline]
    pub(super) fn first(&self) -> u32 {
        self.head as u32
    }

    /// The bytes by which the table of the lengths of long tokens is asked.
    #[inline]
    pub(super) fn head(&self) -> u128 {
        self.head
    }

    /// The first `len` bytes with their length, at most [`super::hash::SHORT`].
    #[inline]
    pub(super) fn short(&self, len: usize) -> u64 {
        let bytes = (self.head as u64) & ((1 << (8 * len)) - 1);
        bytes | ((len as u64) << 56)
    }

    /// The first `len` bytes with their length, at most [`super::hash::MEDIUM`].
    #[inline]
    pub(in crate::tokens) fn medium(&self, len: usize) -> u128 {
        let bytes = self.head & ((1 << (8 * len)) - 1);
        bytes | ((len as u128) << 120)
    }
}
