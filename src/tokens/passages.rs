//! Where a long text may be cut so that its parts have as many tokens together as it has.

use memchr::memchr_iter;

/// Shorter passages are counted as fast as looked up. @unit bytes
pub(super) const SHORTEST: usize = 128;

/// How many passages a text has at most: its own, so that a book does not drive all else out of the memory.
pub(super) const MOST: usize = 64;

/// The passages of a text, in order; together they are the text. Where they end depends on the text around it alone, so that one which
/// differs from another in some places has its other passages in common with it: wherever the first one after a difference begins, soon
/// one ends where one of the other text does.
pub(super) fn passages(text: &str) -> impl Iterator<Item = &str> {
    // Doubled, so that most texts which grow keep their passages.
    let least = text.len().div_ceil(MOST).max(SHORTEST).next_power_of_two();
    let mut rest = text;
    std::iter::from_fn(move || {
        let (passage, after) = rest.split_at(end(rest, least));
        rest = after;
        (!passage.is_empty()).then_some(passage)
    })
}

/// Of the places from `least` on to twice that, the one of the least rank; without any, the next.
fn end(text: &str, least: usize) -> usize {
    let mut places = places(text, least);
    let Some(first) = places.next() else {
        return text.len();
    };
    let near = places.take_while(|place| *place < 2 * least);
    std::iter::once(first)
        .chain(near)
        .min_by_key(|place| rank(text, *place))
        .unwrap_or(first)
}

/// A number that depends on the eight bytes before a place, and looks like chance.
fn rank(text: &str, place: usize) -> u64 {
    let before = text.as_bytes()[..place].last_chunk::<8>();
    before.map_or(0, |bytes| {
        // 2^64 divided by the golden ratio: the upper bits of the product depend on all of the bytes.
        u64::from_le_bytes(*bytes).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    })
}

/// Where a text may be cut, at `from` or later, which is not 0: behind a mark of punctuation with a space after it. In all encodings a
/// piece that takes in such a mark ends there, and the next one begins with the space, whatever is before it.
pub(super) fn places(text: &str, from: usize) -> impl Iterator<Item = usize> {
    let text = text.as_bytes();
    let tail = text.get(from..).unwrap_or_default();
    memchr_iter(b' ', tail)
        .map(move |at| from + at)
        .filter(|space| text[space - 1].is_ascii_punctuation())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passages_are_the_text_and_end_where_words_do() {
        let text = "One, two; three (four) five. ".repeat(100);
        let parts: Vec<_> = passages(&text).collect();
        assert_eq!(parts.concat(), text);
        for part in &parts[..parts.len() - 1] {
            assert!((SHORTEST..2 * SHORTEST).contains(&part.len()), "{part:?}");
            assert!(part.ends_with(|last: char| last.is_ascii_punctuation()));
        }
    }

    #[test]
    fn a_text_of_any_length_has_few_passages() {
        for length in [0, 1, 127, 128, 129, 10_000, 1_000_000] {
            let text = ". ".repeat(length);
            let count = passages(&text).count();
            assert!(count <= MOST, "{count} of {length}");
        }
        assert_eq!(passages(&"x".repeat(10_000)).count(), 1);
    }

    #[test]
    fn texts_that_differ_in_their_beginnings_share_their_ends() {
        let numbers = (1..200u32).map(|number| number.wrapping_mul(2_654_435_761));
        let rows: Vec<_> = numbers
            .clone()
            .map(|number| format!(r#"{{"id": {number}, "price": {}.5}}"#, number % 97))
            .collect();
        let words = numbers.map(|number| format!("{number:x}, "));
        for same in [rows.join(", "), words.collect()] {
            let of_one: Vec<String> = passages(&format!("Order 7: {same}"))
                .map(str::to_owned)
                .collect();
            for length in 1..100 {
                let other = format!("Order {} of today: {same}", "9".repeat(length));
                let shared = passages(&other).filter(|part| of_one.iter().any(|one| one == part));
                let shared: usize = shared.map(str::len).sum();
                assert!(
                    shared * 4 > same.len() * 3,
                    "{shared} of {} behind {length}",
                    same.len()
                );
            }
        }
    }
}
