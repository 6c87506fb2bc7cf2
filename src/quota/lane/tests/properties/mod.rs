//! A lane beside the exact limiter, in random histories.

mod promises;
mod readings;
mod returns;

use std::num::NonZeroU64;

use proptest::prelude::*;

use super::{super::*, UNKNOWN};
use crate::simulator;

const LAST: Turn = Turn::without_ticket(0);

fn cost(tokens: u64) -> Cost {
    Cost {
        requests: 1.0,
        tokens: tokens as f64,
    }
}

/// The same limits for a lane and for the limiter.
#[derive(Debug, Clone, Copy)]
struct BothLimits {
    ours: Limits,
    theirs: simulator::Limits,
}

impl BothLimits {
    /// In the order of the fields of [`Limits`].
    fn new([rpm, tpm, rpd, tpd]: [Option<u64>; 4]) -> Self {
        let ours = |limit: Option<u64>| limit.map(|limit| limit as f64);
        let theirs = |limit: Option<u64>| limit.and_then(NonZeroU64::new);
        BothLimits {
            ours: Limits {
                requests_per_minute: ours(rpm),
                tokens_per_minute: ours(tpm),
                requests_per_day: ours(rpd),
                tokens_per_day: ours(tpd),
            },
            theirs: simulator::Limits {
                requests_per_minute: theirs(rpm),
                tokens_per_minute: theirs(tpm),
                requests_per_day: theirs(rpd),
                tokens_per_day: theirs(tpd),
            },
        }
    }

    /// A share of what may be asked for at most.
    fn tokens(&self, share: f64) -> u64 {
        let token_limits = [self.theirs.tokens_per_minute, self.theirs.tokens_per_day];
        let most = token_limits.into_iter().flatten().min();
        let most = most.map_or(10_000, NonZeroU64::get);
        (share * most as f64).ceil() as u64
    }
}

fn any_limits() -> impl Strategy<Value = BothLimits> {
    let maybe = |range: std::ops::Range<u64>| proptest::option::of(range);
    let limits = (
        maybe(1..1_000),
        maybe(10..100_000),
        maybe(1..5_000),
        maybe(10..1_000_000),
    );
    limits.prop_map(|(rpm, tpm, rpd, tpd)| BothLimits::new([rpm, tpm, rpd, tpd]))
}

/// Indices below `count` in the order of random keys.
fn in_order_of(keys: &[u32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by_key(|index| keys[*index]);
    order
}
