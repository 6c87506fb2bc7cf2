//! One error of the API, and those that the simulator finds by itself.

use serde::Serialize;

use crate::simulator::duration::go_duration;
use crate::simulator::limits::Refusal;

/// Whom an error text speaks of.
#[derive(Debug, Clone, Copy)]
pub(in crate::simulator) struct Subject<'a> {
    pub(in crate::simulator) organization: &'a str,
    pub(in crate::simulator) project: &'a str,
    /// The model asked for; empty where the request names none.
    pub(in crate::simulator) model: &'a str,
    pub(in crate::simulator) api_key: &'a str,
    pub(in crate::simulator) request_id: &'a str,
}

/// One error of the API: a status and OpenAI's error object.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::simulator) struct ApiError {
    pub(in crate::simulator) status: u16,
    kind: &'static str,
    code: Option<&'static str>,
    param: Option<&'static str>,
    message: String,
    /// What `retry-after-ms` says, in milliseconds.
    pub(in crate::simulator) wait_ms: Option<f64>,
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: Object<'a>,
}

#[derive(Serialize)]
struct Object<'a> {
    message: &'a str,
    r#type: &'a str,
    param: Option<&'a str>,
    code: Option<&'a str>,
}

/// The type of most errors that are the request's own fault.
pub(super) const INVALID: &str = "invalid_request_error";

impl ApiError {
    pub(super) fn new(
        status: u16,
        kind: &'static str,
        code: Option<&'static str>,
        message: impl Into<String>,
    ) -> ApiError {
        ApiError {
            status,
            kind,
            code,
            param: None,
            message: message.into(),
            wait_ms: None,
        }
    }

    /// Names the parameter that is at fault.
    pub(super) fn about(self, param: &'static str) -> ApiError {
        ApiError {
            param: Some(param),
            ..self
        }
    }

    /// Says when to come back, in milliseconds.
    pub(super) fn retry_after(self, wait_ms: f64) -> ApiError {
        ApiError {
            wait_ms: Some(wait_ms),
            ..self
        }
    }

    /// OpenAI's JSON for it.
    pub(in crate::simulator) fn body(&self) -> Vec<u8> {
        let envelope = Envelope {
            error: Object {
                message: &self.message,
                r#type: self.kind,
                param: self.param,
                code: self.code,
            },
        };
        // Strings and nulls always serialize.
        serde_json::to_vec(&envelope).unwrap_or_default()
    }

    /// A 429 of the limiter.
    pub(in crate::simulator) fn rate_limited(refusal: &Refusal, subject: &Subject<'_>) -> ApiError {
        let Subject {
            model,
            organization,
            ..
        } = subject;
        let (metric, limit, requested) =
            (refusal.metric.phrase(), refusal.limit, refusal.requested);
        let message = match refusal.wait_ms {
            Some(wait) => format!(
                "Rate limit reached for {model} in organization {organization} on {metric}: Limit {limit}, \
                 Used {}, Requested {requested}. Please try again in {}. \
                 Visit https://platform.openai.com/account/rate-limits to learn more.",
                refusal.used,
                go_duration(wait),
            ),
            None => format!(
                "Request too large for {model} in organization {organization} on {metric}: Limit {limit}, \
                 Requested {requested}. The input or output tokens must be reduced in order to run successfully. \
                 Visit https://platform.openai.com/account/rate-limits to learn more."
            ),
        };
        ApiError {
            wait_ms: refusal.wait_ms,
            ..ApiError::new(
                429,
                refusal.metric.unit(),
                Some("rate_limit_exceeded"),
                message,
            )
        }
    }

    pub(in crate::simulator) fn invalid_api_key(api_key: &str) -> ApiError {
        let message = format!(
            "Incorrect API key provided: {}. You can find your API key at https://platform.openai.com/account/api-keys.",
            masked(api_key)
        );
        ApiError::new(401, INVALID, Some("invalid_api_key"), message)
    }

    pub(in crate::simulator) fn missing_api_key() -> ApiError {
        let message = "You didn't provide an API key. You need to provide your API key in an Authorization header \
                       using Bearer auth (i.e. Authorization: Bearer YOUR_KEY). You can obtain an API key from \
                       https://platform.openai.com/account/api-keys.";
        ApiError::new(401, INVALID, None, message)
    }

    pub(in crate::simulator) fn model_not_found(model: &str) -> ApiError {
        let message =
            format!("The model `{model}` does not exist or you do not have access to it.");
        ApiError::new(404, INVALID, Some("model_not_found"), message)
    }

    pub(in crate::simulator) fn unknown_url(method: &str, path: &str) -> ApiError {
        ApiError::new(404, INVALID, None, format!("Invalid URL ({method} {path})"))
    }

    pub(in crate::simulator) fn wrong_method(method: &str, path: &str) -> ApiError {
        let message = format!(
            "Not allowed to {method} on {path}. (HINT: Perhaps you meant to use a different HTTP method?)"
        );
        ApiError::new(405, INVALID, None, message)
    }

    pub(in crate::simulator) fn not_json() -> ApiError {
        let message = "We could not parse the JSON body of your request. (HINT: This likely means you aren't using \
                       your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not \
                       valid JSON.)";
        ApiError::new(400, INVALID, None, message)
    }

    /// A field of the wrong kind; `detail` is the parser's own complaint.
    pub(in crate::simulator) fn invalid_type(detail: &str) -> ApiError {
        ApiError::new(
            400,
            INVALID,
            Some("invalid_type"),
            format!("Invalid type: {detail}."),
        )
    }

    pub(in crate::simulator) fn missing_parameter(name: &'static str) -> ApiError {
        let message = format!("Missing required parameter: '{name}'.");
        ApiError::new(400, INVALID, Some("missing_required_parameter"), message).about(name)
    }

    /// A field whose value is out of its range; `rule` completes "Invalid 'name': ".
    pub(in crate::simulator) fn invalid_value(name: &'static str, rule: &str) -> ApiError {
        let message = format!("Invalid '{name}': {rule}.");
        ApiError::new(400, INVALID, Some("invalid_value"), message).about(name)
    }

    /// One input of an embeddings request above the model's window.
    pub(in crate::simulator) fn input_too_long(window: u64, tokens: u64) -> ApiError {
        let message = format!(
            "This model's maximum context length is {window} tokens, however you requested {tokens} tokens \
             ({tokens} in your prompt; 0 for the completion). Please reduce your prompt; or completion length."
        );
        ApiError::new(400, INVALID, None, message)
    }

    /// All inputs of an embeddings request together above the limit of one request.
    pub(in crate::simulator) fn request_tokens_exceeded(tokens: u64, most: u64) -> ApiError {
        let message = format!("Requested {tokens} tokens, max {most} tokens per request");
        ApiError::new(
            400,
            "max_tokens_per_request",
            Some("max_tokens_per_request"),
            message,
        )
    }

    pub(in crate::simulator) fn body_too_large(most_bytes: usize) -> ApiError {
        let message = format!("Request body is larger than {most_bytes} bytes.");
        ApiError::new(413, INVALID, None, message)
    }
}

/// A key as OpenAI repeats it: the first letters and the last four, or nothing of a short one.
pub(super) fn masked(api_key: &str) -> String {
    let letters: Vec<char> = api_key.chars().collect();
    if letters.len() < 16 {
        return "*".repeat(letters.len());
    }
    let (head, tail) = (&letters[..8], &letters[letters.len() - 4..]);
    head.iter().chain(&['*'; 8]).chain(tail).collect()
}
