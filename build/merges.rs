//! How each token of a vocabulary comes about by merging.

use std::collections::HashMap;

/// The two tokens whose merge is the last on the way from a token's bytes to it, for each rank; `None` for single bytes, for
/// ranks that no token has, and for the tokens that merging does not arrive at, which only a whole piece can be.
pub(crate) fn splits(tokens: &[Vec<u8>]) -> Vec<Option<(u32, u32)>> {
    let ranks: HashMap<&[u8], u32> = (0..)
        .zip(tokens)
        .filter(|(_, token)| !token.is_empty())
        .map(|(rank, token)| (token.as_slice(), rank))
        .collect();
    let split = |token: &Vec<u8>| split(token, &ranks);
    let splits: Vec<_> = tokens.iter().map(split).collect();
    // `src/tokens/encode` rests on this: a token is made after its parts.
    for (rank, split) in (0..).zip(&splits) {
        assert!(split.is_none_or(|(left, right)| left < rank && right < rank));
    }
    for (rank, token) in tokens.iter().enumerate() {
        assert_eq!(token.len() == 1, rank < 256, "the bytes come first");
    }
    splits
}

/// Merges the bytes of a token, always the pair of lowest rank and of several the leftmost, until two parts are left.
fn split(token: &[u8], ranks: &HashMap<&[u8], u32>) -> Option<(u32, u32)> {
    let mut starts: Vec<usize> = (0..=token.len()).collect();
    while starts.len() > 3 {
        let pairs = starts.windows(3).enumerate();
        let merges =
            pairs.filter_map(|(at, pair)| Some((*ranks.get(&token[pair[0]..pair[2]])?, at)));
        let (_, at) = merges.min()?;
        starts.remove(at + 1);
    }
    let &[_, middle, _] = starts.as_slice() else {
        return None;
    };
    Some((ranks[&token[..middle]], ranks[&token[middle..]]))
}

/// A token that becomes part of another, if what it could merge with instead does not make a token of a lower rank than `before`.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    pub(crate) rank: u32,
    pub(crate) before: u32,
}

/// For each rank the largest part at its beginning, and at its end, that could merge with something outside of the token before the
/// token takes it in. Such a part may have one itself.
pub(crate) struct Parts {
    pub(crate) first: Vec<Option<Part>>,
    pub(crate) last: Vec<Option<Part>>,
}

impl Parts {
    pub(crate) fn of(splits: &[Option<(u32, u32)>]) -> Self {
        // The lowest rank that each makes with something before it, and behind it.
        let mut lowest_before = vec![u32::MAX; splits.len()];
        let mut lowest_behind = vec![u32::MAX; splits.len()];
        for (rank, split) in (0..).zip(splits) {
            if let &Some((left, right)) = split {
                let lower = |lowest: &mut u32| *lowest = rank.min(*lowest);
                lower(&mut lowest_behind[left as usize]);
                lower(&mut lowest_before[right as usize]);
            }
        }
        let (mut first, mut last) = (Vec::new(), Vec::new());
        for (rank, split) in (0..).zip(splits) {
            let Some((left, right)) = *split else {
                first.push(None);
                last.push(None);
                continue;
            };
            let (left_at, right_at) = (left as usize, right as usize);
            // Of two merges to the same token the left one is first, so what lies before can still take the first part.
            let taken = Part {
                rank: left,
                before: rank + 1,
            };
            let part = (lowest_before[left_at] < taken.before).then_some(taken);
            first.push(part.or_else(|| first[left_at]));
            let taken = Part {
                rank: right,
                before: rank,
            };
            let part = (lowest_behind[right_at] < taken.before).then_some(taken);
            last.push(part.or_else(|| last[right_at]));
        }
        Self { first, last }
    }
}
