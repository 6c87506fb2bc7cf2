//! Where all chance comes from: generators seeded by what a request is, never by time.

use fastrand::Rng;

/// A generator that depends on all `parts` and nothing else.
pub(super) fn generator(parts: [u64; 3]) -> Rng {
    Rng::with_seed(
        parts
            .into_iter()
            .fold(0, |state, part| scramble(state ^ part)),
    )
}

/// The fingerprint of no bytes at all.
pub(super) const NOTHING: u64 = 0xcbf2_9ce4_8422_2325;

/// A number that depends on every byte (64-bit FNV-1a).
pub(super) fn fingerprint(bytes: &[u8]) -> u64 {
    continued(NOTHING, bytes)
}

/// The fingerprint of a text whose beginning has the fingerprint `state`, and which goes on with `bytes`.
pub(super) fn continued(state: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(state, |state, byte| {
        (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// `length` letters and digits, as in OpenAI's ids.
pub(super) fn letters_and_digits(rng: &mut Rng, length: usize) -> String {
    (0..length).map(|_| rng.alphanumeric()).collect()
}

/// The output function of SplitMix64: neighbouring seeds give unrelated numbers.
fn scramble(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_parts_give_equal_numbers_and_any_other_part_gives_others() {
        let first = |parts| generator(parts).u64(..);
        assert_eq!(first([1, 2, 3]), first([1, 2, 3]));
        for other in [[2, 2, 3], [1, 3, 3], [1, 2, 4], [3, 2, 1]] {
            assert_ne!(first([1, 2, 3]), first(other));
        }
    }

    #[test]
    fn a_fingerprint_is_that_of_fnv_1a() {
        // Vectors of the FNV authors' test suite.
        assert_eq!(fingerprint(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fingerprint(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fingerprint(b"foobar"), 0x8594_4171_f739_67e8);
        assert_eq!(
            continued(fingerprint(b"foo"), b"bar"),
            fingerprint(b"foobar")
        );
    }
}
