//! Where the tables keep a key. The build script, which writes the tables, and [`super::Vocabulary`], which reads them, share
//! this file.
//!
//! The hashes are perfect: each table's keys are known when it is written, so a number is sought for each small group of them, its
//! *pilot*, with which all of the group find a slot of their own. A look-up then reads one pilot and one slot, whether the key
//! is there or not, and no text can make it longer.

/// Digits of √2, √3 and √5: odd numbers without a pattern.
const A: u64 = 0x6a09_e667_f3bc_c909;
const B: u64 = 0xbb67_ae85_84ca_a73b;
const C: u64 = 0x3c6e_f372_fe94_f82b;

/// The bytes that a short key holds at most. The eighth byte is for the length, as bytes may be zero.
pub(crate) const SHORT: usize = 7;

/// The bytes that a medium key holds at most.
pub(crate) const MEDIUM: usize = 15;

/// The bytes by which the table of lengths is asked; as many as a `u32` has.
pub(crate) const PREFIX: usize = 4;

/// The bytes by which the table of the lengths of long tokens is asked, which every long token has; as many as a `u128` has.
pub(crate) const LONG_PREFIX: usize = MEDIUM + 1;

/// Both halves of the product, so that every bit of it depends on all bits of the factors.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

/// Of a short key, or of a pair of tokens.
#[inline]
pub(crate) fn of_number(key: u64) -> u64 {
    fold(key ^ A, B)
}

/// Of a medium key.
#[inline]
pub(crate) fn of_medium(key: u128) -> u64 {
    fold((key as u64) ^ A, ((key >> 64) as u64) ^ B)
}

/// Of a token that is longer than a medium key.
#[inline]
pub(crate) fn of_long(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let hash = words.iter().fold(bytes.len() as u64, |hash, word| {
        fold(hash ^ A ^ u64::from_le_bytes(*word), B)
    });
    fold(hash ^ A ^ u64::from_le_bytes(last), B)
}

/// The place of the pilot, of so many.
#[inline]
pub(crate) fn group(hash: u64, groups: usize) -> usize {
    scale(hash, groups)
}

/// The slot, of so many.
#[inline]
pub(crate) fn slot(hash: u64, pilot: u16, slots: usize) -> usize {
    scale(
        (hash ^ u64::from(pilot).wrapping_mul(C)).wrapping_mul(A),
        slots,
    )
}

/// The place in the table of lengths, of so many, for a token or text that begins so.
#[inline]
pub(crate) fn prefix(prefix: u32, places: usize) -> usize {
    scale(u64::from(prefix).wrapping_mul(C), places)
}

/// The place in the table of the lengths of long tokens, of so many, for a token or text that begins so.
#[inline]
pub(crate) fn long_prefix(prefix: u128, places: usize) -> usize {
    scale(of_medium(prefix), places)
}

/// The upper half of a number, taken as a fraction of `size`.
#[inline]
pub(crate) fn scale(number: u64, size: usize) -> usize {
    (((number >> 32) * size as u64) >> 32) as usize
}

/// What a pair of tokens is looked up by. Ranks have at most 20 bits.
#[inline]
pub(crate) fn pair(left: u32, right: u32) -> u64 {
    (u64::from(left) << 20) | u64::from(right)
}
