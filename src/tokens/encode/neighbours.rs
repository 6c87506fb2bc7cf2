//! Whether two tokens can stand side by side.

use crate::tokens::vocabulary::{Part, Rank, Vocabulary};

/// Whether the text of two tokens, the one behind the other, is encoded as these two.
///
/// It is unless something merges across their border on the way. Merges go by rank, and a token has a higher rank than its parts
/// (the build script makes sure), so the way is known: it is gone backwards here. At each step the token that was made last
/// gives way to its part at the border, and it is asked whether the two there would have merged before. Parts that merge with
/// nothing in time are passed over (the build script knows them); most tokens have few others.
#[inline]
pub(super) fn can_be(left: Rank, right: Rank, vocabulary: &Vocabulary) -> bool {
    parts_can_be(whole(left), whole(right), vocabulary)
}

/// The same where no longer token than the left one begins at its place: it merges with nothing behind it then, as that would be
/// such a token. So only its parts are asked about, and most have none.
#[inline]
pub(super) fn can_be_behind_longest(left: Rank, right: Rank, vocabulary: &Vocabulary) -> bool {
    let Some(last) = vocabulary.last_part(left) else {
        return true;
    };
    let mut right = whole(right);
    while left <= right.rank {
        let Some(first) = vocabulary.first_part(right.rank) else {
            return true;
        };
        right = first;
    }
    parts_can_be(last, right, vocabulary)
}

fn whole(rank: Rank) -> Part {
    Part {
        rank,
        before: Rank::MAX,
    }
}

#[inline]
fn parts_can_be(mut left: Part, mut right: Part, vocabulary: &Vocabulary) -> bool {
    loop {
        let makes = vocabulary.merge(left.rank, right.rank);
        if makes.is_some_and(|makes| makes < left.before.min(right.before)) {
            return false;
        }
        // Of two that are the same, the left one is made first.
        let (part, side) = if left.rank > right.rank {
            (vocabulary.last_part(left.rank), &mut left)
        } else {
            (vocabulary.first_part(right.rank), &mut right)
        };
        let Some(part) = part else {
            return true;
        };
        *side = part;
    }
}
