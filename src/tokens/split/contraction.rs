//! English contractions.

/// `'(?:[sdmt]|ll|ve|re)`: where the one ends that begins at a place.
#[inline]
pub(super) fn lower_case(text: &[u8], at: usize) -> Option<usize> {
    match text.get(at..)? {
        [b'\'', b's' | b'd' | b'm' | b't', ..] => Some(at + 2),
        [b'\'', b'l', b'l', ..] | [b'\'', b'v' | b'r', b'e', ..] => Some(at + 3),
        _ => None,
    }
}

/// `'(?i:[sdmt]|ll|ve|re)`: where the one ends that begins at a place.
#[inline]
pub(super) fn any_case(text: &[u8], at: usize) -> Option<usize> {
    let [b'\'', rest @ ..] = text.get(at..)? else {
        return None;
    };
    match rest {
        [b's' | b'd' | b'm' | b't' | b'S' | b'D' | b'M' | b'T', ..] => Some(at + 2),
        [b'l' | b'L', b'l' | b'L', ..] => Some(at + 3),
        [b'v' | b'V' | b'r' | b'R', b'e' | b'E', ..] => Some(at + 3),
        // The long s, ſ, is an s of another case too.
        [0xc5, 0xbf, ..] => Some(at + 3),
        _ => None,
    }
}
