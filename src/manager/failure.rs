//! The errors of requests that were sent and not served.

use super::{
    Manager, Request,
    reply::{header_pairs, request_id},
    serving::LastAttempt,
};
use crate::{
    attempt::Outcome,
    error::{Code, Error, LastAnswer},
    models,
};

/// Headers that say who the caller is. Errors end up in logs, and the ids are masked in their messages as well.
const IDENTIFYING: [&str; 2] = ["openai-organization", "openai-project"];

impl Manager {
    /// The error for a request whose last attempt is the end.
    pub(super) fn failed(&self, request: &Request, account: usize, last: LastAttempt) -> Error {
        let label = &self.settings.accounts[account].label;
        let said = match (&last.answer, &last.verdict.error) {
            (Err(failure), _) => format!("account \"{label}\": {failure}"),
            (Ok(answer), Some(error)) => {
                format!(
                    "account \"{label}\" answered {}: {}",
                    answer.status, error.message
                )
            }
            (Ok(answer), None) if last.verdict.outcome == Outcome::Broken => {
                format!(
                    "account \"{label}\" answered {} with a body that is not JSON",
                    answer.status
                )
            }
            (Ok(answer), None) => format!("account \"{label}\" answered {}", answer.status),
        };
        let hint = match last.verdict.outcome {
            Outcome::ModelRefused => self.retired_hint(request),
            _ => String::new(),
        };
        upstream(Error::new(Code::Upstream, said + &hint), last)
    }

    /// The error for a request that found no further account after its last attempt.
    pub(super) fn gave_up(&self, request: &Request, error: &Error, last: LastAttempt) -> Error {
        match error.code() {
            // The accounts' own words say more than "nobody is left".
            Code::NoAccount | Code::TooLarge => {
                let said = match (&last.answer, &last.verdict.error) {
                    (Err(failure), _) => failure.to_string(),
                    (Ok(_), Some(error)) => error.message.clone(),
                    (Ok(answer), None) => format!("status {}", answer.status),
                };
                let hint = match last.verdict.outcome {
                    Outcome::ModelRefused => self.retired_hint(request),
                    _ => String::new(),
                };
                let code = match last.verdict.outcome {
                    Outcome::TooLarge => Code::TooLarge,
                    _ => Code::Upstream,
                };
                upstream(
                    Error::new(code, format!("{said}{hint} ({})", error.message())),
                    last,
                )
            }
            code => {
                let mut again = Error::new(code, error.message());
                if let Some(after) = error.retry_after() {
                    again = again.with_retry_after(after);
                }
                upstream(again, last)
            }
        }
    }

    /// The date on which a refused model was turned off, and what to do about it.
    fn retired_hint(&self, request: &Request) -> String {
        match models::find(&request.model).and_then(|model| model.retired) {
            Some(date) => format!(
                " OpenAI's last day for \"{}\" is {date}: ask for another model, or set modelAliases: {{ \"{}\": \
                 \"gpt-6-luna\" }}",
                request.model, request.requested_model
            ),
            None => String::new(),
        }
    }
}

/// Adds the last answer to an error.
fn upstream(error: Error, last: LastAttempt) -> Error {
    let error = match last.verdict.wait {
        Some(wait) if error.retry_after().is_none() => error.with_retry_after(wait),
        _ => error,
    };
    let Ok(answer) = last.answer else {
        return error;
    };
    error.with_last_answer(LastAnswer {
        status: Some(answer.status),
        error: last.verdict.error,
        headers: header_pairs(&answer.headers)
            .filter(|(name, _)| !IDENTIFYING.contains(name))
            .map(|(name, value)| (name.to_owned(), value.into_owned()))
            .collect(),
        request_id: request_id(&answer),
    })
}
