//! What an answer means: (status, headers, body) → [`Verdict`]. Pure tables; what to do about it is the manager's.
//!
//! OpenAI's meaning is spread over the status, the error's `type` and `code`, and sometimes only its message: 429 alone stands
//! for "wait", "never", "no money" and "slow down". The rows are tested from recorded bodies.

use std::time::Duration;

use http::HeaderMap;
use serde_json::Value;

use crate::{
    attempt::Outcome,
    error::{UpstreamError, redact},
    headers::{RetryHint, Window, go_duration},
};

/// Error bodies are small; a page past this size is not searched for an error object.
const LONGEST_ERROR_BODY: usize = 256 * 1024;

/// No limit of tokens per minute is waited for so long, whatever a request takes of it.
const LONGER_THAN_MINUTES: Duration = Duration::from_secs(3600);

/// A judged answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// What it means.
    pub outcome: Outcome,
    /// The server's own word on whether to try again; goes before ours.
    pub should_retry: Option<bool>,
    /// When the server says to come back.
    pub wait: Option<Duration>,
    /// The limit that a 429 names.
    pub limit_hit: Option<LimitHit>,
    /// The server's error object, redacted.
    pub error: Option<UpstreamError>,
}

/// The numbers in the text of a 429.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LimitHit {
    /// Whether tokens (else requests) are limited.
    pub tokens: bool,
    /// Per minute or per day.
    pub window: Window,
    /// What the window holds.
    pub limit: f64,
}

/// Judges a complete answer.
pub fn judge(status: u16, headers: &HeaderMap, body: &[u8]) -> Verdict {
    if (200..300).contains(&status) {
        return Verdict {
            outcome: Outcome::Ok,
            should_retry: None,
            wait: None,
            limit_hit: None,
            error: None,
        };
    }
    let hint = RetryHint::from_headers(headers);
    let error = error_object(body);
    let outcome = match outcome(status, error.as_ref()) {
        // The server knows better than its status when it asks for another try.
        Outcome::BadRequest if hint.should_retry == Some(true) => Outcome::Overloaded,
        outcome => outcome,
    };
    let message = error.as_ref().map_or("", |error| error.message.as_str());
    let wait = hint.after.or_else(|| try_again_in(message));
    let outcome = match outcome {
        Outcome::Limited if never_fits(message, wait) => Outcome::TooLarge,
        outcome => outcome,
    };
    Verdict {
        outcome,
        should_retry: hint.should_retry,
        wait,
        limit_hit: (status == 429).then(|| limit_hit(message)).flatten(),
        error: error.map(|error| error.map_texts(redact)),
    }
}

/// What an event of a stream says went wrong, without secrets.
pub fn error_of_event(event: &[u8]) -> Option<UpstreamError> {
    error_object(event).map(|error| error.map_texts(redact))
}

/// The status that an answer would have had which is an event with an error instead. It was too late for one.
pub fn status_of_event(event: &[u8]) -> u16 {
    let error = error_object(event);
    let words = error.map(|error| (error.code, error.kind));
    let (code, kind) = words.unwrap_or_default();
    let says = |word: &str| code.as_deref() == Some(word) || kind.as_deref() == Some(word);
    if says("rate_limit_exceeded") || OUT_OF_MONEY.iter().any(|word| says(word)) {
        429
    } else if says("invalid_request_error") || says("invalid_prompt") {
        400
    } else {
        500
    }
}

/// Codes and types that mean an empty purse. The first is OpenAI's until 2026, the next four its successors.
const OUT_OF_MONEY: &[&str] = &[
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_usage_limit_exceeded",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "billing_hard_limit_reached",
];

fn outcome(status: u16, error: Option<&UpstreamError>) -> Outcome {
    let says = |word: &str| {
        error.is_some_and(|e| e.code.as_deref() == Some(word) || e.kind.as_deref() == Some(word))
    };
    let text = |part: &str| error.is_some_and(|e| e.message.contains(part));
    let out_of_money = || OUT_OF_MONEY.iter().any(|word| says(word));
    let model_refused = || {
        says("model_not_found")
            || says("DeploymentNotFound")
            || text("does not have access to model")
    };
    match status {
        400 if out_of_money() => Outcome::OutOfMoney,
        401 => Outcome::KeyRefused,
        402 => Outcome::OutOfMoney,
        403 if model_refused() => Outcome::ModelRefused,
        // Every account calls from the same address, so another one would be refused as well.
        403 if says("unsupported_country_region_territory") => Outcome::BadRequest,
        403 => Outcome::KeyRefused,
        404 if model_refused() => Outcome::ModelRefused,
        // Azure's word for an address or a version that this resource does not have; another account's may be right.
        404 if says("404") && text("Resource not found") => Outcome::ModelRefused,
        408 | 409 => Outcome::Overloaded,
        429 if out_of_money() => Outcome::OutOfMoney,
        429 if text("Request too large") => Outcome::TooLarge,
        429 if says("slow_down")
            || text("overloaded")
            || text("resource unavailable")
            || text("experiencing high demand") =>
        {
            Outcome::Overloaded
        }
        429 => Outcome::Limited,
        500.. => Outcome::Overloaded,
        _ => Outcome::BadRequest,
    }
}

/// OpenAI's `{"error": {…}}`, read as liberally as servers write it: `error` or `message` may be of any type, `code` a number.
fn error_object(body: &[u8]) -> Option<UpstreamError> {
    if body.len() > LONGEST_ERROR_BODY {
        return None;
    }
    let body: Value = serde_json::from_slice(body).ok()?;
    let error = body.get("error").unwrap_or(&body);
    if let Value::String(message) = error {
        return Some(UpstreamError {
            message: message.clone(),
            ..UpstreamError::default()
        });
    }
    let words = |value: Option<&Value>| match value? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let message = words(error.get("message").or_else(|| error.get("detail")));
    let code = words(error.get("code"));
    if message.is_none() && code.is_none() {
        return None;
    }
    Some(UpstreamError {
        message: message.unwrap_or_default(),
        kind: words(error.get("type")),
        param: words(error.get("param")),
        code,
    })
}

/// "Please try again in 9.816s." → 9.816 s; and Azure's "Please retry after 7 seconds.", "Try again in 53 seconds."
fn try_again_in(message: &str) -> Option<Duration> {
    let after = |words: &str| Some(message.split_once(words)?.1);
    let rest = after("ry again in ").or_else(|| after("retry after "))?;
    let mut words = rest.split_whitespace();
    let word = words.next()?.trim_end_matches(['.', ',']);
    let in_seconds = || {
        let seconds: u32 = word.parse().ok()?;
        let unit = words.next()?;
        unit.starts_with("second")
            .then(|| Duration::from_secs(seconds.into()))
    };
    go_duration(word).or_else(in_seconds)
}

/// Azure names a day for a request that is larger than a deployment's tokens per minute, which no minute gives back.
/// (Seen in vanderschaarlab/climb#1: it ended when the limit was raised.)
fn never_fits(message: &str, wait: Option<Duration>) -> bool {
    message.contains("token rate limit") && wait.is_some_and(|wait| wait >= LONGER_THAN_MINUTES)
}

/// "… on tokens per min (TPM): Limit 30000, Used 29937, …" → the numbers; also the form of 2023, "Limit: 10000 / min".
fn limit_hit(message: &str) -> Option<LimitHit> {
    let (_, rest) = message.split_once(" on ")?;
    let tokens = rest.starts_with("tokens");
    if !tokens && !rest.starts_with("requests") {
        return None;
    }
    let window = if rest.contains("per day") {
        Window::Day
    } else {
        Window::Minute
    };
    let (_, number) = rest.split_once("Limit")?;
    let number = number.trim_start_matches([':', ' ']);
    let digits = number
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(number.len());
    // "1,000,000" is no number that we can read; its first digit would be a limit that nothing fits.
    if number[digits..].starts_with(',')
        && number[digits + 1..].starts_with(|c: char| c.is_ascii_digit())
    {
        return None;
    }
    let limit: f64 = number[..digits].parse().ok()?;
    (limit > 0.0).then_some(LimitHit {
        tokens,
        window,
        limit,
    })
}

#[cfg(test)]
mod tests;
