//! The errors of requests that were sent and not served.

use super::{
    Request,
    reply::{header_pairs, request_id},
    serving::LastAttempt,
};
use crate::{
    attempt::Outcome,
    client::Failure,
    config::Kind,
    error::{Code, Error, LastAnswer},
    models,
};

/// Headers that say who the caller is. Errors end up in logs, and the ids are masked in their messages as well.
const IDENTIFYING: [&str; 2] = ["openai-organization", "openai-project"];

/// Texts of fewer characters are not looked for in messages.
const SHORTEST_SECRET: usize = 8;

/// The error for a request whose last attempt is the end.
pub(super) fn failed(request: &Request, last: LastAttempt) -> Error {
    let last = without_secrets(last);
    let label = &last.account.label;
    let message = format!("account \"{label}\" {}", said(request, &last));
    let error = match last.answer.as_ref().err().and_then(Failure::phase) {
        Some(phase) => Error::timeout(phase, message),
        None => Error::new(Code::Upstream, message),
    };
    upstream(error, last)
}

/// The error for a request that found no further account after its last attempt.
pub(super) fn gave_up(request: &Request, error: &Error, last: LastAttempt) -> Error {
    let last = without_secrets(last);
    let gave_up = match error.code() {
        // The accounts' own words say more than "nobody is left".
        Code::NoAccount | Code::TooLarge => {
            let label = &last.account.label;
            let said = said(request, &last);
            let code = match last.verdict.outcome {
                Outcome::TooLarge => Code::TooLarge,
                _ => Code::Upstream,
            };
            Error::new(
                code,
                format!("account \"{label}\" {said}; {}", error.message()),
            )
        }
        code => Error::new(code, error.message()),
    };
    let gave_up = match error.retry_after() {
        Some(after) => gave_up.with_retry_after(after),
        None => gave_up,
    };
    upstream(gave_up, last)
}

/// What the last attempt's account said, and what to do about a model that is gone.
fn said(request: &Request, last: &LastAttempt) -> String {
    let said = match (&last.answer, &last.verdict.error) {
        (Err(failure), _) => format!("did not answer: {failure}"),
        (Ok(answer), Some(error)) => format!("answered {}: {}", answer.status, error.message),
        (Ok(answer), None) if last.verdict.outcome == Outcome::Broken && request.streams => {
            format!("answered {} with no stream of events", answer.status)
        }
        (Ok(answer), None) if last.verdict.outcome == Outcome::Broken => {
            format!(
                "answered {} with a body that is no JSON object",
                answer.status
            )
        }
        (Ok(answer), None) => format!("answered {}", answer.status),
    };
    if last.verdict.outcome != Outcome::ModelRefused {
        return said;
    }
    let retired = match last.account.kind {
        Kind::Azure => {
            let name = last.account.name_of(&request.model);
            return format!("{said} (asked for the deployment \"{name}\")");
        }
        Kind::OpenAi => models::find(&request.model).and_then(|model| model.retired),
        Kind::Compatible => None,
    };
    match retired {
        Some(date) => format!(
            "{said} OpenAI's last day for \"{}\" is {date}: ask for another model, or set modelAliases: {{ \"{}\": \
             \"gpt-6-luna\" }}",
            request.model, request.requested_model
        ),
        None => said,
    }
}

/// Servers echo what they were sent: the account's own key is hidden whatever it looks like.
fn without_secrets(mut last: LastAttempt) -> LastAttempt {
    let account = &last.account;
    let secrets = account.headers.iter().map(|(_, value)| value.as_str());
    let secrets: Vec<&str> = secrets
        .chain([last.key.expose()])
        // A shorter text stands in any message by chance.
        .filter(|secret| secret.len() >= SHORTEST_SECRET)
        .collect();
    let hide = |text: &str| {
        secrets
            .iter()
            .fold(text.to_owned(), |text, secret| text.replace(secret, "…"))
    };
    last.verdict.error = last.verdict.error.map(|error| error.map_texts(hide));
    last
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
