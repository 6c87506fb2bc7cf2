//! How a request went, as JSON: its calls, the choices of accounts behind them, and warnings.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    attempt::{Attempt, Choice},
    warning::Warning,
};

pub(super) fn attempts_json(attempts: &[Attempt]) -> Value {
    attempts
        .iter()
        .map(|attempt| {
            json!({
                "account": &*attempt.account,
                "outcome": attempt.outcome.name(),
                "status": attempt.status,
                "waitedMs": milliseconds(attempt.waited),
                "tookMs": milliseconds(attempt.took),
                "because": attempt.choice.because.name(),
                "candidates": candidates_json(&attempt.choice),
            })
        })
        .collect()
}

pub(super) fn candidates_json(choice: &Choice) -> Value {
    choice
        .candidates
        .iter()
        .map(|candidate| {
            json!({
                "account": &*candidate.account,
                "waitMs": candidate.wait.map(milliseconds),
            })
        })
        .collect()
}

pub(super) fn warnings_json(warnings: &[Warning]) -> Value {
    warnings
        .iter()
        .map(|warning| {
            json!({
                "code": warning.code,
                "message": warning.message,
                "account": warning.account.as_deref(),
                "quotaGroup": warning.quota_group.as_deref(),
            })
        })
        .collect()
}

/// Milliseconds with microseconds behind the point.
pub(super) fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}
