//! What a bucket counts, over which window.

use super::Cost;
use crate::{config::Limits, headers::Window};

pub(super) const MINUTE_MS: f64 = 60_000.0;
pub(super) const DAY_MS: f64 = 86_400_000.0;

/// What a bucket counts, over which window. The order is that of a lane's buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// RPM.
    RequestsPerMinute,
    /// TPM.
    TokensPerMinute,
    /// RPD.
    RequestsPerDay,
    /// TPD.
    TokensPerDay,
}

impl Metric {
    /// All metrics, each at its own index.
    pub const ALL: [Metric; 4] = [
        Metric::RequestsPerMinute,
        Metric::TokensPerMinute,
        Metric::RequestsPerDay,
        Metric::TokensPerDay,
    ];

    /// For a message: "tokens per minute".
    pub fn name(self) -> &'static str {
        match self {
            Metric::RequestsPerMinute => "requests per minute",
            Metric::TokensPerMinute => "tokens per minute",
            Metric::RequestsPerDay => "requests per day",
            Metric::TokensPerDay => "tokens per day",
        }
    }

    pub(super) fn of(tokens: bool, window: Window) -> Self {
        match (tokens, window) {
            (false, Window::Minute) => Metric::RequestsPerMinute,
            (true, Window::Minute) => Metric::TokensPerMinute,
            (false, Window::Day) => Metric::RequestsPerDay,
            (true, Window::Day) => Metric::TokensPerDay,
        }
    }

    pub(super) fn counts_tokens(self) -> bool {
        matches!(self, Metric::TokensPerMinute | Metric::TokensPerDay)
    }

    pub(super) fn window_ms(self) -> f64 {
        match self {
            Metric::RequestsPerMinute | Metric::TokensPerMinute => MINUTE_MS,
            Metric::RequestsPerDay | Metric::TokensPerDay => DAY_MS,
        }
    }

    pub(super) fn amount(self, cost: Cost) -> f64 {
        if self.counts_tokens() {
            cost.tokens
        } else {
            cost.requests
        }
    }

    pub(super) fn configured(self, limits: &Limits) -> Option<f64> {
        match self {
            Metric::RequestsPerMinute => limits.requests_per_minute,
            Metric::TokensPerMinute => limits.tokens_per_minute,
            Metric::RequestsPerDay => limits.requests_per_day,
            Metric::TokensPerDay => limits.tokens_per_day,
        }
    }
}
