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
    let whole = |rank| Part {
        rank,
        before: Rank::MAX,
    };
    let (mut left, mut right) = (whole(left), whole(right));
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
