//! Where a long text may be cut so that its parts have as many tokens together as it has.

use memchr::memchr_iter;

/// Shorter passages are counted as fast as looked up. @unit bytes
pub(super) const SHORTEST: usize = 128;

/// How many passages a text has at most: its own, so that a book does not drive all else out of the memory.
pub(super) const MOST: usize = 64;

/// The passages of a text, in order; together they are the text. Where they end depends on what is there, so that a text which differs
/// from another in some places has its other passages in common with it.
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

fn end(text: &str, least: usize) -> usize {
    places(text, least).next().unwrap_or(text.len())
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
            assert!((SHORTEST..SHORTEST + 20).contains(&part.len()), "{part:?}");
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
        let same = "The parcel, which came late; was (partly) empty. ".repeat(40);
        let [one, other] =
            ["Order 7", "Order 12345 of today"].map(|head| format!("{head}: {same}"));
        let of_one: Vec<_> = passages(&one).collect();
        let shared = passages(&other)
            .filter(|part| of_one.contains(part))
            .count();
        assert!(shared + 3 >= of_one.len(), "{shared} of {}", of_one.len());
    }
}
