//! The one error of this crate: a stable code, a message for a person, and the facts a program wants.
//!
//! A message says what happened, the value, and what to do. No key, cookie or organization id is ever part of it: text from
//! a server goes through [`redact`] first.

use std::{fmt, time::Duration};

use crate::{attempt::Attempt, warning::Warning};

/// The result of everything that can fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it is; stable, listed in `index.d.ts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// The configuration cannot be used.
    Config,
    /// An argument of a call is wrong; nothing was sent.
    Argument,
    /// No account can take the request: none is configured, allowed or in working order.
    NoAccount,
    /// The request is larger than every account's limit.
    TooLarge,
    /// Every account that may be used has spent its budget, or the pool's.
    Budget,
    /// No account has room within the time that the request may wait.
    Wait,
    /// The call's total time is over.
    Timeout,
    /// The last attempt's answer was a failure.
    Upstream,
    /// Redis, which keeps the books of the pool, did not do what it was asked for.
    Store,
    /// The manager was closed.
    Closed,
}

impl Code {
    /// The stable text, as in `index.d.ts`.
    pub fn name(self) -> &'static str {
        match self {
            Code::Config => "ERR_CONFIG",
            Code::Argument => "ERR_ARGUMENT",
            Code::NoAccount => "ERR_NO_ACCOUNT",
            Code::TooLarge => "ERR_TOO_LARGE",
            Code::Budget => "ERR_BUDGET",
            Code::Wait => "ERR_WAIT",
            Code::Timeout => "ERR_TIMEOUT",
            Code::Upstream => "ERR_UPSTREAM",
            Code::Store => "ERR_STORE",
            Code::Closed => "ERR_CLOSED",
        }
    }
}

/// OpenAI's own error object, redacted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpstreamError {
    /// The server's text.
    pub message: String,
    /// As `invalid_request_error`.
    pub kind: Option<String>,
    /// The request's field that is at fault.
    pub param: Option<String>,
    /// As `rate_limit_exceeded`.
    pub code: Option<String>,
}

impl UpstreamError {
    /// The same with every text changed.
    #[must_use]
    pub fn map_texts(self, change: impl Fn(&str) -> String) -> Self {
        UpstreamError {
            message: change(&self.message),
            kind: self.kind.as_deref().map(&change),
            param: self.param.as_deref().map(&change),
            code: self.code.as_deref().map(&change),
        }
    }
}

/// What the last answer said, for an error that an answer caused.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LastAnswer {
    /// HTTP status.
    pub status: Option<u16>,
    /// The server's error object, where the body held one.
    pub error: Option<UpstreamError>,
    /// Response headers without cookies.
    pub headers: Vec<(String, String)>,
    /// OpenAI's id of the request.
    pub request_id: Option<String>,
}

/// A failure with its code, message and facts.
#[derive(Debug, Clone, PartialEq)]
pub struct Error(Box<Facts>);

#[derive(Debug, Clone, PartialEq)]
struct Facts {
    code: Code,
    message: String,
    last_answer: Option<LastAnswer>,
    attempts: Vec<Attempt>,
    retry_after: Option<Duration>,
    phase: Option<&'static str>,
    warnings: Option<Vec<Warning>>,
}

impl Error {
    /// An error of `code`; `message` says what happened, the value, and what to do.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Error(Box::new(Facts {
            code,
            message: message.into(),
            last_answer: None,
            attempts: Vec::new(),
            retry_after: None,
            phase: None,
            warnings: None,
        }))
    }

    /// Adds what the last answer said.
    #[must_use]
    pub fn with_last_answer(mut self, last_answer: LastAnswer) -> Self {
        self.0.last_answer = Some(last_answer);
        self
    }

    /// Adds the calls that were made.
    #[must_use]
    pub fn with_attempts(mut self, attempts: Vec<Attempt>) -> Self {
        self.0.attempts = attempts;
        self
    }

    /// Adds when the same request could succeed.
    #[must_use]
    pub fn with_retry_after(mut self, retry_after: Duration) -> Self {
        self.0.retry_after = Some(retry_after);
        self
    }

    /// A call that took too long in one of its phases, called as in `timeoutsMs`.
    pub fn timeout(phase: &'static str, message: impl Into<String>) -> Self {
        let mut error = Error::new(Code::Timeout, message);
        error.0.phase = Some(phase);
        error
    }

    /// Adds what those who listen should know.
    #[must_use]
    pub fn with_warnings(mut self, warnings: Vec<Warning>) -> Self {
        self.0.warnings = Some(warnings);
        self
    }

    /// The same for one who does not listen.
    #[must_use]
    pub fn without_warnings(mut self) -> Self {
        self.0.warnings = None;
        self
    }

    /// Adds what it is about before its message.
    #[must_use]
    pub fn behind(mut self, subject: &str) -> Self {
        self.0.message = format!("{subject}: {}", self.0.message);
        self
    }

    /// What kind of failure it is.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The text for a person.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What the last answer said, if an answer caused this error.
    pub fn last_answer(&self) -> Option<&LastAnswer> {
        self.0.last_answer.as_ref()
    }

    /// The calls that were made before giving up, in order.
    pub fn attempts(&self) -> &[Attempt] {
        &self.0.attempts
    }

    /// The phase that took too long.
    pub fn phase(&self) -> Option<&'static str> {
        self.0.phase
    }

    /// When the same request could succeed, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// What those who listen should know; `None` where nobody listens.
    pub fn warnings(&self) -> Option<&[Warning]> {
        self.0.warnings.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code.name(), self.0.message)
    }
}

impl std::error::Error for Error {}

/// Replaces keys (`sk-…`, also masked ones) and organization ids (`org-…`) in a server's text.
///
/// OpenAI's 401 texts hold a masked key and its 429 texts the organization's id; both end up in logs.
pub fn redact(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, marker, after)) = next_secret(rest) {
        clean.push_str(before);
        clean.push_str(marker);
        clean.push('…');
        rest = after;
    }
    clean.push_str(rest);
    clean
}

/// Splits at the next secret: the text before it, its marker, the text after it.
fn next_secret(text: &str) -> Option<(&str, &'static str, &str)> {
    let starts_word = |at: usize| {
        text[..at]
            .chars()
            .next_back()
            .is_none_or(|c| !c.is_ascii_alphanumeric())
    };
    let part_of_secret = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '*');
    text.match_indices('-')
        .filter_map(|(dash, _)| {
            ["sk-", "org-"].into_iter().find_map(|marker| {
                let at = (dash + 1).checked_sub(marker.len())?;
                let body = text.get(at..)?.strip_prefix(marker)?;
                let length = body.find(|c| !part_of_secret(c)).unwrap_or(body.len());
                // Short words such as "sk-learn" are not secrets.
                (starts_word(at) && length >= 8).then(|| (&text[..at], marker, &body[length..]))
            })
        })
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redact_hides_keys_and_organizations_and_nothing_else() {
        for (text, clean) in [
            (
                "Incorrect API key provided: sk-proj-********abcd. Find it at x",
                "Incorrect API key provided: sk-…. Find it at x",
            ),
            (
                "Rate limit reached for gpt-4o in organization org-A1b2C3d4e5 on tokens",
                "Rate limit reached for gpt-4o in organization org-… on tokens",
            ),
            (
                "task-list-of-things, sk-learn, org-2 stay",
                "task-list-of-things, sk-learn, org-2 stay",
            ),
            ("sk-abcdefgh1 sk-abcdefgh2", "sk-… sk-…"),
            ("— ümläut sk-äöü", "— ümläut sk-äöü"),
            ("", ""),
        ] {
            assert_eq!(redact(text), clean);
        }
    }

    #[test]
    fn an_error_prints_its_code_and_message() {
        let error = Error::new(Code::Wait, "no room for 30 s");
        assert_eq!(error.to_string(), "ERR_WAIT: no room for 30 s");
    }
}
