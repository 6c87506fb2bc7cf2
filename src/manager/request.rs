//! A request as it will be sent: where to, which body, what it takes from a lane.

use std::sync::Arc;

use bytes::Bytes;

use super::{named::named_by, passing::Route};
use crate::{
    body::{Body, quoted},
    config::{Account, CallOptions, Settings},
    error::{Code, Error, Result},
    models,
    tokens::{self, Endpoint, Estimate},
};

/// Bodies from this size on are counted on a thread of their own, so that other requests do not wait behind them.
const LONG_BODY: usize = 32 * 1024;

/// Behind a model group's name: the lane of its requests with a long prompt.
const LONG_CONTEXT: &str = ":long";

/// A request that is ready for the accounts.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where it goes.
    pub endpoint: Endpoint,
    /// The model that the caller named.
    pub requested_model: String,
    /// The model that is sent.
    pub model: Arc<str>,
    /// Whose limits count.
    pub model_group: Arc<str>,
    /// JSON.
    pub body: Bytes,
    /// Whether the answer comes in events.
    pub streams: bool,
    /// Whether the event that tells the usage is ours alone: the caller did not ask for it.
    pub hides_usage: bool,
    /// Ids of lasting things that it names: an account that has made one of them serves it.
    pub names: Vec<String>,
    /// How it is passed on, where it came as an HTTP request.
    pub route: Option<Route>,
    /// What the caller set for this call.
    pub options: CallOptions,
    /// What it takes, where that was counted already.
    pub(super) counted: Option<Estimate>,
}

impl Request {
    /// A request in OpenAI's own form. All that we do not know passes untouched; a body with nothing to change is sent as it
    /// came.
    pub fn new(
        endpoint: Endpoint,
        json: String,
        options: CallOptions,
        settings: &Settings,
    ) -> Result<Self> {
        let mut body = parse_object(&json, "params")?;
        let requested = match body.get::<String>("model") {
            Some(model) if !model.is_empty() => model,
            _ => {
                return Err(wrong(
                    "params.model",
                    "a non-empty string",
                    body.raw("model"),
                ));
            }
        };
        let (field, accepted) = match endpoint {
            Endpoint::Chat => ("messages", "an array of messages"),
            Endpoint::Completions => ("prompt", "a prompt"),
            Endpoint::Embeddings | Endpoint::Responses | Endpoint::Other => {
                ("input", "a string or an array")
            }
        };
        let fits = match endpoint {
            // What it answers can be elsewhere: a stored prompt, a conversation.
            Endpoint::Responses => true,
            Endpoint::Chat => body.raw(field).is_some_and(|raw| raw.starts_with('[')),
            _ => body.has(field),
        };
        if !fits {
            return Err(wrong(&format!("params.{field}"), accepted, body.raw(field)));
        }
        let model = settings.sent_model(&requested);
        if model != requested {
            body.set("model", quoted(model));
        }
        let streaming = streaming(&mut body, endpoint, "params")?;
        let changed = (model != requested || streaming.hides_usage).then(|| body.to_json());
        let named = named_by(endpoint, "", Some(&json));
        let (model, model_group) = names(model, settings);
        Ok(Request {
            endpoint,
            requested_model: requested,
            model,
            model_group,
            body: Bytes::from(changed.unwrap_or(json)),
            streams: streaming.streams,
            hides_usage: streaming.hides_usage,
            names: named,
            route: None,
            options,
            counted: None,
        })
    }

    /// What the request takes, counted. Text that is not what OpenAI takes is counted as far as it can be: OpenAI's own
    /// error says more about it than ours could.
    pub async fn estimate(&self) -> Estimate {
        if let Some(counted) = self.counted {
            return counted;
        }
        let (endpoint, body, encoding) = (
            self.endpoint,
            self.body.clone(),
            models::encoding(&self.model),
        );
        let count = move || {
            let json = std::str::from_utf8(&body).unwrap_or_default();
            tokens::estimate(endpoint, json, encoding)
                .unwrap_or_else(|_| Estimate::by_length(json.len()))
        };
        if !self.is_long() {
            return count();
        }
        let length = self.body.len();
        // The closure does not panic; a runtime that is shutting down drops it, and then nobody waits for the answer.
        tokio::task::spawn_blocking(count)
            .await
            .unwrap_or_else(|_| Estimate::by_length(length))
    }

    /// Whether its body is read on a thread of its own.
    pub(super) fn is_long(&self) -> bool {
        self.body.len() >= LONG_BODY
    }

    /// Whose limits count for a request of this size: a long prompt has a lane of its own, as OpenAI counts it apart.
    pub fn lane_of(&self, estimate: &Estimate) -> Arc<str> {
        match models::separate_limits_above(&self.model) {
            Some(above) if estimate.prompt_tokens > above => {
                format!("{}{LONG_CONTEXT}", self.model_group).into()
            }
            _ => self.model_group.clone(),
        }
    }

    /// The body as an account takes it: with its own name of the model.
    pub fn body_for(&self, account: &Account) -> Bytes {
        let name = account.name_of(&self.model);
        if name == &*self.model {
            return self.body.clone();
        }
        let json = std::str::from_utf8(&self.body).unwrap_or_default();
        match Body::parse(json) {
            Ok(mut body) => {
                body.set("model", quoted(name));
                Bytes::from(body.to_json())
            }
            // It was read as an object when the request was made.
            Err(_) => self.body.clone(),
        }
    }

    /// The path below the base URL.
    pub fn path(&self) -> &str {
        match (&self.route, self.endpoint) {
            (Some(route), _) => &route.path,
            (None, Endpoint::Chat) => "/chat/completions",
            (None, Endpoint::Completions) => "/completions",
            (None, Endpoint::Embeddings) => "/embeddings",
            (None, Endpoint::Responses) => "/responses",
            (None, Endpoint::Other) => "/",
        }
    }

    /// The model under which usage is counted.
    pub fn counted_model(&self) -> &str {
        match &*self.model {
            "" => "none",
            model => model,
        }
    }

    /// The word under which usage is counted.
    pub fn kind(&self) -> &'static str {
        match self.endpoint {
            Endpoint::Chat | Endpoint::Completions => "chat",
            Endpoint::Embeddings => "embeddings",
            Endpoint::Responses => "responses",
            Endpoint::Other => "other",
        }
    }
}

/// A sent model and its group.
pub(super) fn names(model: &str, settings: &Settings) -> (Arc<str>, Arc<str>) {
    (model.into(), settings.model_group(model).into())
}

/// The fields of an argument that must be an object.
pub(super) fn parse_object<'a>(json: &'a str, argument: &str) -> Result<Body<'a>> {
    // What JSON cannot hold (undefined, a function) arrives as an empty text.
    let given = Some(json).filter(|json| !json.is_empty());
    Body::parse(json).map_err(|_| wrong(argument, "an object", given))
}

/// Whether an answer comes in events, and whether we alone want to know what it used.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Streaming {
    pub(super) streams: bool,
    pub(super) hides_usage: bool,
}

/// Reads `stream`; has OpenAI tell the usage of a stream, which it only does when asked.
pub(super) fn streaming(
    body: &mut Body<'_>,
    endpoint: Endpoint,
    argument: &str,
) -> Result<Streaming> {
    if body.get::<bool>("stream") != Some(true) {
        return Ok(Streaming::default());
    }
    if endpoint == Endpoint::Embeddings {
        let argument = format!("{argument}.stream");
        return Err(wrong(
            &argument,
            "left out for embeddings",
            body.raw("stream"),
        ));
    }
    if !matches!(endpoint, Endpoint::Chat | Endpoint::Completions) {
        // Others tell it by themselves.
        return Ok(Streaming {
            streams: true,
            hides_usage: false,
        });
    }
    let given = body.raw("stream_options").unwrap_or("null").to_owned();
    let mut options = Body::parse(match given.as_str() {
        "null" => "{}",
        given => given,
    })
    .map_err(|_| {
        let argument = format!("{argument}.stream_options");
        wrong(&argument, "an object", Some(&given))
    })?;
    if options.get::<bool>("include_usage") == Some(true) {
        return Ok(Streaming {
            streams: true,
            hides_usage: false,
        });
    }
    options.set("include_usage", "true");
    let options = options.to_json();
    body.set("stream_options", options);
    Ok(Streaming {
        streams: true,
        hides_usage: true,
    })
}

/// An error about an argument: its name, the accepted form, the value.
pub(super) fn wrong(argument: &str, accepted: &str, raw: Option<&str>) -> Error {
    let value = raw.unwrap_or("nothing");
    let short: String = value.chars().take(60).collect();
    let dots = if short.len() < value.len() { "…" } else { "" };
    Error::new(
        Code::Argument,
        format!("`{argument}` must be {accepted}, got {short}{dots}"),
    )
}
