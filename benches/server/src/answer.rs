//! Which answer a request gets, and the head that all of them have.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use memchr::memmem;

use crate::{
    embeddings::{self, Ask},
    events,
};

const CHAT: &str = include_str!("answers/chat.json");
const ERROR: &str = include_str!("answers/error.json");
const JSON: &str = "application/json";

/// What OpenAI sends with every answer. The limits are higher than any client could reach: one that heeds them must not wait. The date
/// is any; nobody reads it.
pub(crate) const HEAD: &str = "date: Tue, 24 Nov 2026 12:00:00 GMT\r\n\
    access-control-expose-headers: X-Request-ID\r\n\
    openai-organization: org-bench\r\n\
    openai-processing-ms: 412\r\n\
    openai-project: proj_bench\r\n\
    openai-version: 2020-10-01\r\n\
    x-envoy-upstream-service-time: 431\r\n\
    x-ratelimit-limit-requests: 1000000000\r\n\
    x-ratelimit-limit-tokens: 1000000000000\r\n\
    x-ratelimit-remaining-requests: 999999999\r\n\
    x-ratelimit-remaining-tokens: 999999999000\r\n\
    x-ratelimit-reset-requests: 0s\r\n\
    x-ratelimit-reset-tokens: 0s\r\n\
    cf-cache-status: DYNAMIC\r\n\
    strict-transport-security: max-age=31536000; includeSubDomains; preload\r\n\
    x-content-type-options: nosniff\r\n\
    server: cloudflare\r\n\
    cf-ray: 8e6b2f0c1d2a3b4c-FRA\r\n\
    alt-svc: h3=\":443\"; ma=86400\r\n";

/// What is answered, in any version of HTTP.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) kind: &'static str,
    /// None where there is no answer.
    pub(crate) body: Option<Body>,
}

#[derive(Clone)]
pub(crate) enum Body {
    Whole(Bytes),
    /// What each write sends.
    Pieces(Rc<[Bytes]>),
}

/// The answers that were given so far; each is made once.
pub(crate) struct Answers {
    requests: Cell<u64>,
    embeddings: RefCell<HashMap<Ask, Bytes>>,
    /// By whether they tell the usage.
    events: RefCell<HashMap<bool, Rc<[Bytes]>>>,
    headers: HeaderMap,
}

impl Answers {
    pub(crate) fn new() -> Self {
        let headers = HEAD.lines().map(|line| {
            let (name, value) = line.split_once(": ").expect("a header a line");
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        Answers {
            requests: Cell::default(),
            embeddings: RefCell::default(),
            events: RefCell::default(),
            headers: headers.collect(),
        }
    }

    /// What all answers have in common, for HTTP/2.
    pub(crate) fn headers(&self) -> HeaderMap {
        self.headers.clone()
    }

    /// A new request's identity.
    pub(crate) fn id(&self) -> String {
        let number = self.requests.get();
        self.requests.set(number + 1);
        format!("req_{number:032x}")
    }

    pub(crate) fn to(&self, path: &[u8], body: &[u8]) -> Answer {
        if path.starts_with(b"/silent/") {
            return Answer {
                status: StatusCode::OK,
                kind: JSON,
                body: None,
            };
        }
        if path.starts_with(b"/errors/") {
            return json(
                StatusCode::BAD_REQUEST,
                Bytes::from_static(ERROR.as_bytes()),
            );
        }
        if path.ends_with(b"/embeddings") {
            let ask = Ask::of(body);
            let mut made = self.embeddings.borrow_mut();
            let body = made.entry(ask).or_insert_with(|| embeddings::body(ask));
            return json(StatusCode::OK, body.clone());
        }
        if has(body, b"\"stream\":true") {
            let with_usage = has(body, b"\"include_usage\":true");
            let mut made = self.events.borrow_mut();
            let pieces = made
                .entry(with_usage)
                .or_insert_with(|| events::pieces(with_usage));
            return Answer {
                status: StatusCode::OK,
                kind: "text/event-stream; charset=utf-8",
                body: Some(Body::Pieces(pieces.clone())),
            };
        }
        json(StatusCode::OK, Bytes::from_static(CHAT.as_bytes()))
    }
}

fn json(status: StatusCode, body: Bytes) -> Answer {
    Answer {
        status,
        kind: JSON,
        body: Some(Body::Whole(body)),
    }
}

fn has(body: &[u8], text: &[u8]) -> bool {
    memmem::find(body, text).is_some()
}
