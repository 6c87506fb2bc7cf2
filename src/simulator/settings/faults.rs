//! The `faults` of the settings.

use hyper::header::{HeaderName, HeaderValue};
use serde_json::Value;

use super::distribution::LONGEST_MS;
use super::fields::{Fields, mismatch, text};
use super::{Account, SettingsError};
use crate::simulator::errors::{NAMES, status_of};
use crate::simulator::faults::{Effect, FaultRule, Scripted, ScriptedBody, Trigger};

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

pub(super) fn rules(
    fields: &mut Fields<'_>,
    accounts: &[Account],
) -> Result<Vec<FaultRule>, SettingsError> {
    fields
        .list("faults")?
        .unwrap_or_default()
        .into_iter()
        .map(|(path, value)| rule(path, value, accounts))
        .collect()
}

fn rule(path: String, value: &Value, accounts: &[Account]) -> Result<FaultRule, SettingsError> {
    let mut fields = Fields::new(path.clone(), value)?;
    let trigger = Trigger {
        account: account(&mut fields, accounts)?,
        model: fields.text("model")?.map(str::to_owned),
        path: fields.text("path")?.map(str::to_owned),
        after: fields.integer("after", 0, u64::MAX)?.unwrap_or(0),
        times: fields.integer("times", 0, u64::MAX)?,
        probability: fields.number("probability", 0.0, 1.0)?.unwrap_or(1.0),
    };
    let delay_ms = fields.number("delayMs", 0.0, LONGEST_MS)?;
    let answer = answer(&mut fields)?;
    fields.finish()?;
    if delay_ms.is_none() && answer.is_none() {
        return Err(SettingsError::new(format!(
            "{path} has no effect: it needs a status, an error or a delayMs"
        )));
    }
    let effect = Effect {
        delay_ms: delay_ms.unwrap_or(0.0),
        answer,
    };
    Ok(FaultRule { trigger, effect })
}

fn account(fields: &mut Fields<'_>, accounts: &[Account]) -> Result<Option<usize>, SettingsError> {
    let path = fields.path("account");
    let Some(label) = fields.text("account")? else {
        return Ok(None);
    };
    accounts
        .iter()
        .position(|account| account.label == label)
        .map(Some)
        .ok_or_else(|| {
            let labels: Vec<&str> = accounts.iter().map(|account| &*account.label).collect();
            SettingsError::new(format!(
                "{path} must be an account's label ({}), got {label:?}",
                labels.join(", ")
            ))
        })
}

fn answer(fields: &mut Fields<'_>) -> Result<Option<Scripted>, SettingsError> {
    // 1xx are no final answers.
    let status = fields.integer("status", 200, 599)?.map(|code| code as u16);
    let error = named_error(fields)?;
    let body = fields.value("body").map(verbatim);
    let headers = headers(fields)?;
    let complaint = |rule: &str| {
        Err(SettingsError::new(format!(
            "{} {rule}",
            fields.path("status")
        )))
    };
    let body = match (error, body) {
        (Some(_), Some(_)) => {
            let path = fields.path("error");
            return Err(SettingsError::new(format!(
                "{path} and body exclude each other"
            )));
        }
        (Some(name), None) => ScriptedBody::Named(name),
        (None, Some(body)) => body,
        (None, None) => ScriptedBody::Fitting,
    };
    match (status, &body) {
        (None, ScriptedBody::Fitting) if headers.is_empty() => Ok(None),
        (None, ScriptedBody::Named(name)) => Ok(Some(Scripted {
            status: status_of(name),
            body,
            headers,
        })),
        (None, _) => complaint("is missing, but there is a body or headers to send with it"),
        (Some(200..400), ScriptedBody::Fitting | ScriptedBody::Named(_)) => {
            complaint("below 400 needs a body")
        }
        (Some(status), _) => Ok(Some(Scripted {
            status,
            body,
            headers,
        })),
    }
}

fn named_error(fields: &mut Fields<'_>) -> Result<Option<&'static str>, SettingsError> {
    let path = fields.path("error");
    fields
        .value("error")
        .map(|value| {
            NAMES
                .into_iter()
                .find(|name| value == *name)
                .ok_or_else(|| mismatch(&path, &format!("one of {}", NAMES.join(", ")), value))
        })
        .transpose()
}

/// A string is sent as it is, and taken for HTML if it looks like a page; every other value is sent as JSON.
fn verbatim(value: &Value) -> ScriptedBody {
    let (text, content_type) = match value {
        Value::String(text) if text.trim_start().starts_with('<') => (text.clone(), "text/html"),
        Value::String(text) if text.trim_start().starts_with(['{', '[']) => (text.clone(), JSON),
        Value::String(text) => (text.clone(), TEXT),
        other => (other.to_string(), JSON),
    };
    ScriptedBody::Verbatim { text, content_type }
}

fn headers(fields: &mut Fields<'_>) -> Result<Vec<(HeaderName, HeaderValue)>, SettingsError> {
    fields
        .map("headers")?
        .unwrap_or_default()
        .into_iter()
        .map(|(path, name, value)| {
            // Numbers are welcome: `"retry-after": 3`.
            let text = match value {
                Value::Number(number) => number.to_string(),
                other => text(&path, other)?.to_owned(),
            };
            HeaderName::try_from(name)
                .ok()
                .zip(HeaderValue::try_from(text).ok())
                .ok_or_else(|| mismatch(&path, "a header that HTTP allows", value))
        })
        .collect()
}
