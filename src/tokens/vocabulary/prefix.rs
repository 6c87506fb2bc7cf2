//! The bytes from one place of a text on, of which any number may be a token.

use super::hash;

/// A place in a text.
#[derive(Debug, Clone, Copy)]
pub(in crate::tokens) struct Prefix<'a> {
    rest: &'a [u8],
    /// The first 16 bytes as a number, the first lowest; zeros where there are fewer.
    head: u128,
}

impl<'a> Prefix<'a> {
    #[inline]
    pub(in crate::tokens) fn new(text: &'a [u8], at: usize) -> Self {
        let rest = &text[at..];
        let head = match rest.first_chunk() {
            Some(head) => *head,
            None => {
                let mut head = [0; 16];
                head[..rest.len()].copy_from_slice(rest);
                head
            }
        };
        Self {
            rest,
            head: u128::from_le_bytes(head),
        }
    }

    /// The bytes that there are.
    #[inline]
    pub(in crate::tokens) fn len(&self) -> usize {
        self.rest.len()
    }

    #[inline]
    pub(super) fn bytes(&self, len: usize) -> &'a [u8] {
        &self.rest[..len]
    }

    /// The bytes by which the table of lengths is asked.
    #[inline]
    pub(super) fn first(&self) -> Option<[u8; hash::PREFIX]> {
        self.rest.first_chunk().copied()
    }

    /// The first `len` bytes with their length, at most [`hash::SHORT`].
    #[inline]
    pub(super) fn short(&self, len: usize) -> u64 {
        let bytes = (self.head as u64) & ((1 << (8 * len)) - 1);
        bytes | ((len as u64) << 56)
    }

    /// The first `len` bytes with their length, at most [`hash::MEDIUM`].
    #[inline]
    pub(super) fn medium(&self, len: usize) -> u128 {
        let bytes = self.head & ((1 << (8 * len)) - 1);
        bytes | ((len as u128) << 120)
    }
}
