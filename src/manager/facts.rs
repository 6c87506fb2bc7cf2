//! How a request went, as JSON: its calls, the choices of accounts behind them, and warnings.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    attempt::{Attempt, Choice},
    usage::Usage,
    warning::Warning,
};

/// How a request was served.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    /// Label of the account.
    pub(super) account: &'a str,
    pub(super) waited: Duration,
    pub(super) attempts: &'a [Attempt],
    pub(super) usage: Option<Usage>,
    /// US dollars.
    pub(super) cost: Option<f64>,
    pub(super) request_id: Option<&'a str>,
}

pub(super) fn served_json(facts: &Facts<'_>) -> Value {
    let choice = facts.attempts.last().map(|last| &last.choice);
    json!({
        "account": facts.account,
        "waitedMs": milliseconds(facts.waited),
        "attempts": attempts_json(facts.attempts),
        "usage": facts.usage.map(|usage| json!({
            "inputTokens": usage.input_tokens,
            "cachedInputTokens": usage.cached_input_tokens,
            "outputTokens": usage.output_tokens,
            "totalTokens": usage.total_tokens,
        })),
        "cost": facts.cost,
        "requestId": facts.request_id,
        "because": choice.map(|choice| choice.because.name()),
        "candidates": choice.map(candidates_json),
    })
}

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

fn candidates_json(choice: &Choice) -> Value {
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
