//! How a request went, as JSON: its calls, the choices of accounts behind them, and warnings.

use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::{
    attempt::{Attempt, Candidate, Choice},
    usage::Usage,
    warning::Warning,
};

/// How a request was served. Each reply tells it, so it is written in one go, without a tree of values.
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
    /// Whether the call was made for another one that asked for the same.
    pub(super) coalesced: bool,
}

impl Facts<'_> {
    pub(super) fn to_json(&self) -> String {
        // Writing to memory what has only texts as names cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// For those who add to it.
    pub(super) fn to_value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl Serialize for Facts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Json<'a> {
            account: &'a str,
            waited_ms: f64,
            attempts: Attempts<'a>,
            usage: Option<UsageJson>,
            cost: Option<f64>,
            request_id: Option<&'a str>,
            because: Option<&'static str>,
            candidates: Option<Candidates<'a>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            coalesced: Option<bool>,
        }
        let choice = self.attempts.last().map(|last| &last.choice);
        Json {
            account: self.account,
            waited_ms: milliseconds(self.waited),
            attempts: Attempts(self.attempts),
            usage: self.usage.map(UsageJson::from),
            cost: self.cost,
            request_id: self.request_id,
            because: choice.map(|choice| choice.because.name()),
            candidates: choice.map(Candidates::of),
            coalesced: self.coalesced.then_some(true),
        }
        .serialize(serializer)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UsageJson {
    input_tokens: u64,
    cached_input_tokens: u64,
    output_tokens: u64,
    total_tokens: u64,
}

impl From<Usage> for UsageJson {
    fn from(usage: Usage) -> Self {
        UsageJson {
            input_tokens: usage.input_tokens,
            cached_input_tokens: usage.cached_input_tokens,
            output_tokens: usage.output_tokens,
            total_tokens: usage.total_tokens,
        }
    }
}

/// The calls of a request.
#[derive(Debug)]
pub(super) struct Attempts<'a>(pub(super) &'a [Attempt]);

impl Serialize for Attempts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Json<'a> {
            account: &'a str,
            outcome: &'static str,
            status: Option<u16>,
            waited_ms: f64,
            took_ms: f64,
            because: &'static str,
            candidates: Candidates<'a>,
        }
        serializer.collect_seq(self.0.iter().map(|attempt| Json {
            account: &attempt.account,
            outcome: attempt.outcome.name(),
            status: attempt.status,
            waited_ms: milliseconds(attempt.waited),
            took_ms: milliseconds(attempt.took),
            because: attempt.choice.because.name(),
            candidates: Candidates::of(&attempt.choice),
        }))
    }
}

struct Candidates<'a>(&'a [Candidate]);

impl<'a> Candidates<'a> {
    fn of(choice: &'a Choice) -> Self {
        Candidates(&choice.candidates)
    }
}

impl Serialize for Candidates<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Json<'a> {
            account: &'a str,
            wait_ms: Option<f64>,
        }
        serializer.collect_seq(self.0.iter().map(|candidate| Json {
            account: &candidate.account,
            wait_ms: candidate.wait.map(milliseconds),
        }))
    }
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
