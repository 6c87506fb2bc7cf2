//! A served request, and the texts that go back to JavaScript.
//!
//! OpenAI's answer is spliced in as it came: nothing in it is parsed into values and written again.

use std::{borrow::Cow, fmt::Write, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{json, value::RawValue};

use super::facts::{Attempts, Facts, warnings_json};
use crate::{
    attempt::Attempt, body::quoted, client::Answer, error::Error, usage::Usage, warning::Warning,
};

/// A request that was served.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Label of the account.
    pub account: Arc<str>,
    /// HTTP status.
    pub status: u16,
    /// Response headers.
    pub headers: HeaderMap,
    /// The body: valid JSON.
    pub body: Bytes,
    /// What OpenAI says was used; `None` where the answer does not say.
    pub usage: Option<Usage>,
    /// Tokens used: OpenAI's count, else our estimate.
    pub tokens_used: u64,
    /// US dollars; `None` where the price or the usage is unknown.
    pub cost: Option<f64>,
    /// Tokens left on the account for the model; `None` where no limit is known.
    pub tokens_left: Option<f64>,
    /// Time spent waiting for room, over all attempts.
    pub waited: Duration,
    /// Every call that was made, the last one included.
    pub attempts: Vec<Attempt>,
    /// OpenAI's id of the request.
    pub request_id: Option<String>,
    /// What those who listen should know; `None` where nobody listens, and then the drop-in results do not tell how the
    /// request was served.
    pub warnings: Option<Vec<Warning>>,
    /// Whether the call was made for another one that asked for the same.
    pub coalesced: bool,
}

impl Reply {
    /// The result of `createChat`, without the prompt, which JavaScript has.
    pub fn to_chat_result(&self) -> String {
        let served = self.warnings.is_some().then(|| self.facts().to_json());
        let mut json = self.drop_in_head("totalCost", served.as_deref());
        let _ = write!(
            json,
            r#","output":{{"status":{},"statusText":{},"headers":{},"data":{}}}}}"#,
            self.status,
            quoted(status_text(self.status)),
            headers_json(&self.headers),
            self.body_text(),
        );
        json
    }

    /// All embeddings of an answer, in the order of the inputs.
    pub(super) fn embeddings_json(&self) -> String {
        format!("[{}]", self.embeddings().join(","))
    }

    /// The result of the class methods: how it was served, and OpenAI's answer.
    pub fn to_class_result(&self) -> String {
        let mut told = self.told_first(&self.facts().to_json());
        told.push_str(self.body_text());
        told
    }

    /// What stands before an answer: how it was served as JSON, beginning with the warnings where somebody listens, and a line feed. The
    /// two apart, as few look at the first.
    pub(super) fn told_first(&self, served: &str) -> String {
        let mut told = String::with_capacity(self.body.len() + served.len() + 64);
        told.push('{');
        if let Some(warnings) = &self.warnings {
            let _ = write!(told, r#""warnings":{},"#, warnings_json(warnings));
        }
        let _ = writeln!(told, r#""served":{served}}}"#);
        told
    }

    /// The answer as it came, for those who read it themselves: its head as JSON, a line feed, and its body; in base64 where that is no
    /// text.
    pub fn to_passed_result(&self) -> String {
        let text = std::str::from_utf8(&self.body);
        let mut head = format!(
            r#"{{"status":{},"statusText":{},"headers":{},"isText":{},"served":{}"#,
            self.status,
            quoted(status_text(self.status)),
            headers_json(&self.headers),
            text.is_ok(),
            self.facts().to_json(),
        );
        if let Some(warnings) = &self.warnings {
            let _ = write!(head, r#","warnings":{}"#, warnings_json(warnings));
        }
        head.push('}');
        let body = match text {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => Cow::Owned(STANDARD.encode(&self.body)),
        };
        format!("{head}\n{body}")
    }

    /// The fields that the drop-in results share, as an object that is not closed. How it was served is for those who listen.
    pub(super) fn drop_in_head(&self, cost_name: &str, served: Option<&str>) -> String {
        let mut json = String::with_capacity(self.body.len() + 2048);
        let _ = write!(
            json,
            r#"{{"org":{},"remainingAvailableTokensThisMinute":{},"tokensUsed":{},"{cost_name}":{}"#,
            quoted(&self.account),
            json!(self.tokens_left.map(f64::floor)),
            self.tokens_used,
            json!(self.cost),
        );
        if let (Some(served), Some(warnings)) = (served, &self.warnings) {
            let _ = write!(
                json,
                r#","served":{served},"warnings":{}"#,
                warnings_json(warnings)
            );
        }
        json
    }

    pub(super) fn facts(&self) -> Facts<'_> {
        Facts {
            account: &self.account,
            waited: self.waited,
            attempts: &self.attempts,
            usage: self.usage,
            cost: self.cost,
            request_id: self.request_id.as_deref(),
            coalesced: self.coalesced,
        }
    }

    fn embeddings(&self) -> Vec<&str> {
        #[derive(Deserialize)]
        struct List<'a> {
            #[serde(borrow)]
            data: Vec<&'a RawValue>,
        }
        #[derive(Deserialize)]
        struct Place {
            #[serde(default)]
            index: usize,
        }
        let Ok(list) = serde_json::from_slice::<List<'_>>(&self.body) else {
            return Vec::new();
        };
        let mut placed: Vec<(usize, &str)> = list
            .data
            .iter()
            .map(|item| item.get())
            .map(|item| {
                let place = serde_json::from_str(item).map_or(0, |Place { index }| index);
                (place, item)
            })
            .collect();
        placed.sort_by_key(|(place, _)| *place);
        placed.into_iter().map(|(_, item)| item).collect()
    }

    pub(super) fn body_text(&self) -> &str {
        // A reply's body was parsed as JSON, so it is UTF-8.
        std::str::from_utf8(&self.body).unwrap_or("null")
    }
}

/// A failure as JSON, for the error class of `index.js`.
pub fn error_json(error: &Error) -> String {
    let last = error.last_answer();
    let mut json = json!({
        "code": error.code().name(),
        "message": error.message(),
        "status": last.and_then(|last| last.status),
        "error": last.and_then(|last| last.error.as_ref()).map(|error| json!({
            "message": error.message,
            "type": error.kind,
            "param": error.param,
            "code": error.code,
        })),
        "headers": last.map(|last| {
            last.headers.iter().cloned().map(|(name, value)| (name, value.into())).collect::<serde_json::Map<_, _>>()
        }),
        "requestId": last.and_then(|last| last.request_id.as_deref()),
        "attempts": Attempts(error.attempts()),
        "phase": error.phase(),
        "retryAfterMs": error.retry_after().map(|after| after.as_millis() as u64),
    });
    if let Some(warnings) = error.warnings() {
        json["warnings"] = warnings_json(warnings);
    }
    json.to_string()
}

/// The server's id of an answered request.
pub(super) fn request_id(answer: &Answer) -> Option<String> {
    let headers = &answer.headers;
    // Azure's gateway refuses by itself, and then only its own id is there.
    let id = headers
        .get("x-request-id")
        .or_else(|| headers.get("apim-request-id"))?;
    Some(id.to_str().ok()?.to_owned())
}

/// Headers as pairs, cookies left out: they are nobody's business and hold session ids.
pub(super) fn header_pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
    headers
        .iter()
        .filter(|(name, _)| *name != http::header::SET_COOKIE)
        .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())))
}

/// Headers as a JSON object; the values of a repeated name are joined, as `fetch` does.
fn headers_json(headers: &HeaderMap) -> String {
    struct Joined<'a>(Vec<(&'a str, Cow<'a, str>)>);
    impl Serialize for Joined<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
        }
    }
    let mut pairs: Vec<(&str, Cow<'_, str>)> = Vec::with_capacity(headers.len());
    for (name, value) in header_pairs(headers) {
        match pairs.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = format!("{known}, {value}").into(),
            None => pairs.push((name, value)),
        }
    }
    // Writing texts to memory cannot fail.
    serde_json::to_string(&Joined(pairs)).unwrap_or_default()
}

pub(super) fn status_text(status: u16) -> &'static str {
    StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn reply(body: &'static str) -> Reply {
        let mut headers = HeaderMap::new();
        headers.insert("x-request-id", HeaderValue::from_static("req_1"));
        headers.append("vary", HeaderValue::from_static("a"));
        headers.append("vary", HeaderValue::from_static("b"));
        headers.insert("set-cookie", HeaderValue::from_static("__cf_bm=secret"));
        Reply {
            account: "org_1".into(),
            status: 200,
            headers,
            body: Bytes::from_static(body.as_bytes()),
            usage: None,
            tokens_used: 7,
            cost: None,
            tokens_left: Some(90.7),
            waited: Duration::from_micros(1500),
            attempts: Vec::new(),
            request_id: Some("req_1".into()),
            warnings: None,
            coalesced: false,
        }
    }

    #[test]
    fn the_body_goes_back_as_it_came() {
        assert_eq!(
            reply(r#"{"n":1.00000000000000000001}"#).to_chat_result(),
            r#"{"org":"org_1","remainingAvailableTokensThisMinute":90.0,"tokensUsed":7,"totalCost":null,"output":{"status":200,"statusText":"OK","headers":{"x-request-id":"req_1","vary":"a, b"},"data":{"n":1.00000000000000000001}}}"#
        );
    }

    #[test]
    fn embeddings_come_back_in_the_order_of_the_inputs() {
        let reply = reply(r#"{"data":[{"index":1,"embedding":[2]},{"index":0,"embedding":[1]}]}"#);
        assert_eq!(
            reply.embeddings(),
            [
                r#"{"index":0,"embedding":[1]}"#,
                r#"{"index":1,"embedding":[2]}"#
            ]
        );
    }
}
