//! One HTTP call to one account. Never retries: what an answer means is [`crate::outcome`]'s, what to do about it the manager's.

use std::{fmt, sync::OnceLock, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method};
use reqwest::{Response, redirect};
use tokio::time::timeout;

use crate::{
    config::{Address, Timeouts},
    trust,
};

/// The longest body that is taken in: half of V8's longest string, as it goes there with an envelope.
const LONGEST_BODY: usize = 256 * 1024 * 1024;

/// Up to this length a body of any kind is taken in whole, so that one that breaks off can be asked for again.
const SHORT_BODY: u64 = 64 * 1024;

/// The HTTP client of one manager, with its pooled connections.
#[derive(Debug)]
pub struct Client {
    connect: Duration,
    // Made at the first call: a manager that only counts or chooses needs no TLS roots.
    http: OnceLock<reqwest::Client>,
}

/// A complete answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Response headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// An answer of which the body is still to come.
#[derive(Debug)]
pub struct Opened {
    /// HTTP status.
    pub status: u16,
    /// Response headers.
    pub headers: HeaderMap,
    response: Response,
    idle: Duration,
    /// Why the body has ended too early, once it has.
    failed: Option<Failure>,
}

/// Why there is no complete answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// No connection: nothing was sent.
    Connect(String),
    /// No connection within the time, in milliseconds: nothing was sent.
    SlowConnect(u128),
    /// No headers within the time, in milliseconds.
    FirstByte(u128),
    /// The body stood still for the time, in milliseconds.
    Idle(u128),
    /// The connection broke after sending.
    Cut(String),
}

impl Failure {
    /// The phase that took longer than the timeouts allow, if that is why.
    pub fn phase(&self) -> Option<&'static str> {
        match self {
            Failure::SlowConnect(_) => Some("connect"),
            Failure::FirstByte(_) => Some("firstByte"),
            Failure::Idle(_) => Some("idle"),
            Failure::Connect(_) | Failure::Cut(_) => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Connect(why) => write!(f, "could not connect: {why}"),
            Failure::SlowConnect(ms) => {
                write!(f, "no connection within {ms} ms (timeoutsMs.connect)")
            }
            Failure::FirstByte(ms) => write!(f, "no answer within {ms} ms (timeoutsMs.firstByte)"),
            Failure::Idle(ms) => write!(f, "the answer stood still for {ms} ms (timeoutsMs.idle)"),
            Failure::Cut(why) => write!(f, "the connection broke: {why}"),
        }
    }
}

impl Client {
    /// A client that gives up connecting after `connect`.
    pub fn new(connect: Duration) -> Self {
        Client {
            connect,
            http: OnceLock::new(),
        }
    }

    /// Sends a body; returns when the response's headers are there.
    pub async fn open(
        &self,
        method: Method,
        address: Address,
        body: Bytes,
        timeouts: &Timeouts,
    ) -> Result<Opened, Failure> {
        let request = self
            .http()?
            .request(method, address.url)
            .headers(address.headers)
            .body(body)
            .send();
        let mut response = timeout(timeouts.first_byte, request)
            .await
            .map_err(|_| Failure::FirstByte(timeouts.first_byte.as_millis()))?
            .map_err(|error| match error.is_connect() && error.is_timeout() {
                true => Failure::SlowConnect(self.connect.as_millis()),
                false => failure(error),
            })?;
        Ok(Opened {
            status: response.status().as_u16(),
            headers: std::mem::take(response.headers_mut()),
            response,
            idle: timeouts.idle,
            failed: None,
        })
    }

    fn http(&self) -> Result<&reqwest::Client, Failure> {
        if let Some(http) = self.http.get() {
            return Ok(http);
        }
        // Two first calls at once may both build one; the second is dropped unused.
        let http = build(self.connect)?;
        Ok(self.http.get_or_init(|| http))
    }
}

fn build(connect: Duration) -> Result<reqwest::Client, Failure> {
    let refuse =
        |error: &dyn fmt::Display| Failure::Connect(format!("TLS cannot be set up: {error}"));
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| refuse(&error))?
        .with_root_certificates(trust::roots())
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(concat!(
            "openai-request-manager/",
            env!("CARGO_PKG_VERSION")
        ))
        .connect_timeout(connect)
        .tcp_nodelay(true)
        // A key must not follow a redirect to another host, and retrying is decided in one place.
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .build()
        .map_err(|error| refuse(&error))
}

impl Opened {
    /// Whether the body is a stream of server-sent events.
    pub fn is_event_stream(&self) -> bool {
        (200..300).contains(&self.status) && self.kind().starts_with("text/event-stream")
    }

    /// Whether the body is better handed on than waited for: no JSON, and longer than a little, or of a length that nobody knows yet.
    pub fn is_download(&self) -> bool {
        let is_short = self
            .response
            .content_length()
            .is_some_and(|length| length <= SHORT_BODY);
        (200..300).contains(&self.status) && !is_short && !self.kind().contains("json")
    }

    fn kind(&self) -> &str {
        let kind = self.headers.get(http::header::CONTENT_TYPE);
        kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default()
    }

    /// The next piece of the body; `None` at its end. What has failed fails again: the HTTP client would say that this is the end.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, Failure> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let piece = timeout(self.idle, self.response.chunk())
            .await
            .map_err(|_| Failure::Idle(self.idle.as_millis()))
            .and_then(|piece| piece.map_err(failure));
        self.failed = piece.as_ref().err().cloned();
        piece
    }

    /// Takes in the whole body.
    pub async fn whole(mut self) -> Result<Answer, Failure> {
        let body = self.whole_body().await?;
        Ok(Answer {
            status: self.status,
            headers: self.headers,
            body,
        })
    }

    async fn whole_body(&mut self) -> Result<Bytes, Failure> {
        let mut whole = BytesMut::new();
        let mut first = Bytes::new();
        loop {
            match self.piece().await? {
                // Most answers arrive in one piece, which needs no copy.
                None if whole.is_empty() => return Ok(first),
                None => return Ok(whole.freeze()),
                Some(piece) if first.is_empty() => first = piece,
                Some(piece) => {
                    if whole.is_empty() {
                        whole.extend_from_slice(&first);
                    }
                    if whole.len() + piece.len() > LONGEST_BODY {
                        return Err(Failure::Cut(format!(
                            "the body is longer than {LONGEST_BODY} bytes"
                        )));
                    }
                    whole.extend_from_slice(&piece);
                }
            }
        }
    }
}

/// The cause in its own words, without the URL.
fn failure(error: reqwest::Error) -> Failure {
    let connect = error.is_connect();
    let mut words = Vec::new();
    let error = error.without_url();
    let mut cause: Option<&dyn std::error::Error> = Some(&error);
    while let Some(error) = cause {
        let text = error.to_string();
        // Many errors repeat their cause in their own text.
        if !words.iter().any(|word: &String| word.contains(&text)) {
            words.push(text);
        }
        cause = error.source();
    }
    let words = words.join(": ");
    if connect {
        Failure::Connect(words)
    } else {
        Failure::Cut(words)
    }
}
