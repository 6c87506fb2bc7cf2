//! An answer, as it comes in.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Version};
use http_body::Body;
use reqwest::Response;
use tokio::time::timeout;

use super::{Failure, trunks::Place};

/// The longest body that is taken in: half of V8's longest string, as it goes there with an envelope.
const LONGEST_BODY: usize = 256 * 1024 * 1024;

/// Up to this length a body of any kind is taken in whole, so that one that breaks off can be asked for again.
const SHORT_BODY: u64 = 64 * 1024;

/// How long an end is waited for that nobody wants any more, and how many bytes may come before it.
const LONGEST_END: Duration = Duration::from_secs(2);
const MOST_BEFORE_END: usize = 16 * 1024;

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
    /// None when it has ended, or nobody wants it any more.
    rest: Option<Rest>,
    idle: Duration,
    /// Why the body has ended too early, once it has.
    failed: Option<Failure>,
}

/// What is still to come.
#[derive(Debug)]
struct Rest {
    // Dropped first: what is given up makes room on its connection.
    response: Response,
    place: Place,
}

impl Opened {
    pub(super) fn new(mut response: Response, place: Place, idle: Duration) -> Self {
        if response.version() == Version::HTTP_2 {
            place.shares(response.url());
        }
        Opened {
            status: response.status().as_u16(),
            headers: std::mem::take(response.headers_mut()),
            rest: Some(Rest { response, place }),
            idle,
            failed: None,
        }
    }

    /// Whether the body is a stream of server-sent events.
    pub fn is_event_stream(&self) -> bool {
        (200..300).contains(&self.status) && self.kind().starts_with("text/event-stream")
    }

    /// Whether the body is better handed on than waited for: no JSON, and longer than a little, or of a length that nobody knows yet.
    pub fn is_download(&self) -> bool {
        let length = |rest: &Rest| rest.response.content_length();
        let length = self.rest.as_ref().and_then(length);
        let is_short = length.is_some_and(|length| length <= SHORT_BODY);
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
        let Some(rest) = &mut self.rest else {
            return Ok(None);
        };
        let piece = timeout(self.idle, rest.piece())
            .await
            .unwrap_or_else(|_| Err(Failure::Idle(self.idle.as_millis())));
        let piece = match piece {
            Ok(None) => self.rest.take().map_or(Ok(None), |rest| rest.end()),
            piece => piece,
        };
        if let Err(failure) = &piece {
            self.failed = Some(failure.clone());
            self.rest = None;
        }
        piece
    }

    /// Nobody wants what is still to come, which is not much more than the end. It is read nevertheless: given up, the answer would take
    /// its connection with it by HTTP/1.1; by HTTP/2 it would be taken back, and connections end themselves after too much of that.
    pub fn let_end(&mut self) {
        if let Some(mut rest) = self.rest.take() {
            tokio::spawn(async move {
                let end = async {
                    let mut bytes = 0;
                    while let Ok(Some(piece)) = rest.piece().await {
                        bytes += piece.len();
                        if bytes > MOST_BEFORE_END {
                            break;
                        }
                    }
                };
                // Whether it came: nobody asks.
                let _ = timeout(LONGEST_END, end).await;
            });
        }
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

impl Rest {
    async fn piece(&mut self) -> Result<Option<Bytes>, Failure> {
        self.response.chunk().await.map_err(|error| {
            let loss = || self.place.loss(self.response.url());
            Failure::of(error, loss).within_answer()
        })
    }

    /// The end, as the HTTP client says. By HTTP/2 it says so as well when the server takes back what it has not sent yet and names no
    /// error (RFC 9113, 8.1: `RST_STREAM` with `NO_ERROR`).
    fn end(self) -> Result<Option<Bytes>, Failure> {
        let is_http2 = self.response.version() == Version::HTTP_2;
        if is_http2 && !reqwest::Body::from(self.response).is_end_stream() {
            return Err(Failure::Reset(
                "the server ended it before its end".to_owned(),
            ));
        }
        Ok(None)
    }
}
