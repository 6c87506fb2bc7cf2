//! One HTTP call to one account. Never retries: what an answer means is [`crate::outcome`]'s, what to do about it the manager's.

mod failure;
mod trunks;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method};
use reqwest::Response;
use tokio::time::timeout;

pub use self::failure::Failure;
use self::trunks::{Place, Trunks};
use crate::config::{Address, Timeouts};

/// The longest body that is taken in: half of V8's longest string, as it goes there with an envelope.
const LONGEST_BODY: usize = 256 * 1024 * 1024;

/// Up to this length a body of any kind is taken in whole, so that one that breaks off can be asked for again.
const SHORT_BODY: u64 = 64 * 1024;

/// The HTTP client of one manager, with its pooled connections.
#[derive(Debug)]
pub struct Client {
    connect: Duration,
    trunks: Trunks,
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
    /// Until the body has ended or nobody wants it.
    _place: Place,
    idle: Duration,
    /// Why the body has ended too early, once it has.
    failed: Option<Failure>,
}

impl Client {
    /// A client that gives up connecting after `connect`.
    pub fn new(connect: Duration) -> Self {
        Client {
            connect,
            trunks: Trunks::new(connect),
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
        let place = self.trunks.place()?;
        let request = place
            .http()
            .request(method, address.url)
            .headers(address.headers)
            .body(body)
            .send();
        let mut response = timeout(timeouts.first_byte, request)
            .await
            .map_err(|_| Failure::FirstByte(timeouts.first_byte.as_millis()))?
            .map_err(|error| match error.is_connect() && error.is_timeout() {
                true => Failure::SlowConnect(self.connect.as_millis()),
                false => Failure::of(error),
            })?;
        Ok(Opened {
            status: response.status().as_u16(),
            headers: std::mem::take(response.headers_mut()),
            response,
            _place: place,
            idle: timeouts.idle,
            failed: None,
        })
    }
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
            .and_then(|piece| piece.map_err(Failure::of));
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
