//! Which inputs go together in one request. Pure.

use std::ops::Range;

/// What one request may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) inputs: usize,
    /// Of all inputs together.
    pub(super) tokens: u64,
}

/// OpenAI's own: 2,048 inputs, and 300,000 tokens together (API reference of embeddings; the second also by the text of its refusal,
/// "max 300000 tokens per request").
pub(super) const OPENAI: Bounds = Bounds {
    inputs: 2_048,
    tokens: 300_000,
};

/// Accounts with fewer tokens a minute do not make the parts of all others smaller: one input can have as many.
const LEAST_TOKENS: f64 = 8_192.0;

impl Bounds {
    /// OpenAI's, and what accounts with these limits of tokens a minute can take. Any of them should be able to take any part, or
    /// those with small limits would stand aside; an account whose limit is not known says nothing.
    pub(super) fn of_lanes(limits: impl Iterator<Item = Option<f64>> + Clone) -> Self {
        let known = limits.flatten();
        let enough = known.clone().filter(|limit| *limit >= LEAST_TOKENS);
        let tokens = enough
            .reduce(f64::min)
            .or_else(|| known.reduce(f64::max))
            // A limit's fraction is room for no token.
            .map_or(u64::MAX, |limit| limit as u64);
        Bounds {
            tokens: tokens.min(OPENAI.tokens),
            ..OPENAI
        }
    }
}

/// Neighbouring inputs, as many as a request may hold; `tokens` are those of each. One that alone is larger than the bound is alone.
pub(super) fn pack(tokens: &[u64], bounds: Bounds) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut sum = 0_u64;
    for (index, tokens) in tokens.iter().enumerate() {
        let is_full = index - start == bounds.inputs || sum.saturating_add(*tokens) > bounds.tokens;
        if is_full && index > start {
            parts.push(start..index);
            start = index;
            sum = 0;
        }
        sum = sum.saturating_add(*tokens);
    }
    if start < tokens.len() {
        parts.push(start..tokens.len());
    }
    parts
}

/// The parts of a part that no account could take: as the bounds say that are known by now, at least two where it has two inputs.
pub(super) fn split(part: Range<usize>, tokens: &[u64], bounds: Bounds) -> Vec<Range<usize>> {
    let packed = pack(&tokens[part.clone()], bounds);
    if packed.len() > 1 {
        let moved = packed.into_iter();
        return moved
            .map(|within| part.start + within.start..part.start + within.end)
            .collect();
    }
    let middle = part.start + part.len() / 2;
    let halves = [part.start..middle, middle..part.end];
    halves.into_iter().filter(|half| !half.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tests::cases;

    const SMALL: Bounds = Bounds {
        inputs: 3,
        tokens: 10,
    };

    #[test]
    fn a_part_ends_where_the_next_input_would_be_one_too_many_or_too_large() {
        for (tokens, lengths) in [
            (&[][..], &[][..]),
            (&[1], &[1]),
            (&[1, 1, 1, 1], &[3, 1]),
            (&[5, 5, 1], &[2, 1]),
            (&[11, 1], &[1, 1]),
            (&[1, 11, 1], &[1, 1, 1]),
            (&[0, 0, 0, 0], &[3, 1]),
        ] {
            let parts = pack(tokens, SMALL);
            let found: Vec<usize> = parts.iter().map(Range::len).collect();
            assert_eq!(found, lengths, "{tokens:?}");
        }
    }

    #[test]
    fn the_smallest_limit_that_holds_any_input_bounds_the_parts() {
        for (limits, tokens) in [
            (&[][..], 300_000),
            (&[None], 300_000),
            (&[Some(1e6), None], 300_000),
            (&[Some(1e6), Some(40_000.0)], 40_000),
            (&[Some(1e6), Some(40_000.7), Some(500.0)], 40_000),
            (&[Some(200.0), Some(500.0)], 500),
        ] {
            let bounds = Bounds::of_lanes(limits.iter().copied());
            assert_eq!((bounds.tokens, bounds.inputs), (tokens, 2_048));
        }
    }

    proptest! {
        #![proptest_config(cases(512))]

        #[test]
        fn every_input_is_in_one_part_in_order_and_parts_keep_to_the_bounds(
            tokens in proptest::collection::vec(0_u64..400, 0..200),
            inputs in 1_usize..50,
            most in 1_u64..1_000,
        ) {
            let bounds = Bounds { inputs, tokens: most };
            let parts = pack(&tokens, bounds);
            let indices: Vec<usize> = parts.iter().cloned().flatten().collect();
            prop_assert_eq!(indices, (0..tokens.len()).collect::<Vec<_>>());
            for part in &parts {
                let sum: u64 = tokens[part.clone()].iter().sum();
                prop_assert!(!part.is_empty() && part.len() <= inputs);
                prop_assert!(sum <= most || part.len() == 1);
            }
            // None could have been joined to the one before it.
            for pair in parts.windows(2) {
                let with_next = pair[0].start..pair[0].end + 1;
                let sum: u64 = tokens[with_next.clone()].iter().sum();
                prop_assert!(with_next.len() > inputs || sum > most);
            }
        }

        #[test]
        fn what_is_split_keeps_every_input_and_gets_smaller(
            tokens in proptest::collection::vec(0_u64..400, 2..100),
            start in 0_usize..50,
            most in 1_u64..1_000,
        ) {
            let part = start.min(tokens.len() - 2)..tokens.len();
            let bounds = Bounds { inputs: 2_048, tokens: most };
            let parts = split(part.clone(), &tokens, bounds);
            prop_assert!(parts.len() > 1 && parts.iter().all(|part| !part.is_empty()));
            let indices: Vec<usize> = parts.into_iter().flatten().collect();
            prop_assert_eq!(indices, part.collect::<Vec<_>>());
        }
    }
}
