//! What is counted of a request.

use crate::usage::Usage;

/// What is counted, by the names that stand in Redis.
pub(super) const MEASURES: [&str; 6] = [
    "requests",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    TOKENS,
    NANO_USD,
];

/// All tokens: what limits and budgets mean.
pub(super) const TOKENS: &str = "tokens";

/// Billionths of a US dollar.
pub(super) const NANO_USD: &str = "nano_usd";

/// Index of the tokens among the measures.
pub(super) const TOKENS_AT: usize = 4;

/// Index of the dollars among the measures.
pub(super) const NANO_USD_AT: usize = 5;

/// Billionths in a dollar.
pub(super) const NANO: f64 = 1e9;

/// The most tokens of one request, far above what any model takes: so that no number which a caller or a server makes up
/// spoils the sums.
const MOST_TOKENS: u64 = 1_000_000_000_000;

/// The most that one request costs: a million dollars.
const MOST_NANO_USD: f64 = 1e15;

/// Numbers of one request, or sums of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts(pub(super) [u64; MEASURES.len()]);

impl Counts {
    /// Of one request with this usage, which cost so many US dollars, as far as that is known.
    pub fn of_usage(usage: &Usage, cost: Option<f64>) -> Self {
        let tokens = |tokens: u64| tokens.min(MOST_TOKENS);
        Counts([
            1,
            tokens(usage.input_tokens),
            tokens(usage.cached_input_tokens),
            tokens(usage.output_tokens),
            tokens(usage.total_tokens),
            nano_usd(cost.unwrap_or(0.0)),
        ])
    }

    /// Of one request of which only the number of its tokens is known. They count as input.
    pub fn of_tokens(tokens: u64) -> Self {
        let usage = Usage {
            input_tokens: tokens,
            total_tokens: tokens,
            ..Usage::default()
        };
        Counts::of_usage(&usage, None)
    }

    /// Answered requests.
    pub fn requests(&self) -> u64 {
        self.0[0]
    }

    /// Tokens of any kind.
    pub fn tokens(&self) -> u64 {
        self.0[TOKENS_AT]
    }

    /// US dollars, as far as prices are known.
    pub fn cost(&self) -> f64 {
        self.0[NANO_USD_AT] as f64 / NANO
    }

    pub(super) fn add(&mut self, more: &Counts) {
        for (sum, more) in self.0.iter_mut().zip(more.0) {
            *sum = sum.saturating_add(more);
        }
    }
}

/// US dollars in whole billionths, rounded.
pub(super) fn nano_usd(usd: f64) -> u64 {
    // A float cast saturates, and what is no number becomes 0.
    (usd * NANO).round().clamp(0.0, MOST_NANO_USD) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_counts_in_whole_billionths_and_never_more_than_makes_sense() {
        let usage = Usage {
            input_tokens: 10,
            cached_input_tokens: 4,
            output_tokens: u64::MAX,
            total_tokens: 13,
            ..Usage::default()
        };
        let counts = Counts::of_usage(&usage, Some(0.000_000_012_6));
        assert_eq!(counts.0, [1, 10, 4, MOST_TOKENS, 13, 13]);
        assert_eq!(Counts::of_tokens(7).0, [1, 7, 0, 0, 7, 0]);
        for (usd, nano) in [
            (f64::NAN, 0),
            (-1.0, 0),
            (f64::INFINITY, MOST_NANO_USD as u64),
        ] {
            assert_eq!(nano_usd(usd), nano);
        }
    }
}
