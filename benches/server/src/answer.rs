//! Which answer a request gets, and the head that all of them have.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
};

use memchr::memmem;

use crate::{
    embeddings::{self, Ask},
    events,
    request::Request,
};

const CHAT: &str = include_str!("answers/chat.json");
const ERROR: &str = include_str!("answers/error.json");

/// What OpenAI sends with every answer. The limits are higher than any client could reach: one that heeds them must not wait. The date
/// is any; nobody reads it.
const HEAD: &str = "date: Tue, 24 Nov 2026 12:00:00 GMT\r\n\
    connection: keep-alive\r\n\
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

pub(crate) enum Answer {
    Whole(Vec<u8>),
    /// A head, and a body that is not copied for each answer.
    Long(Vec<u8>, Rc<[u8]>),
    /// A head, and what each write sends.
    Pieces(Vec<u8>, Rc<[Vec<u8>]>),
    None,
}

/// The answers that were given so far; each is made once.
#[derive(Default)]
pub(crate) struct Answers {
    requests: Cell<u64>,
    embeddings: RefCell<HashMap<Ask, Rc<[u8]>>>,
    events: RefCell<HashMap<bool, Rc<[Vec<u8>]>>>,
}

impl Answers {
    pub(crate) fn to(&self, request: &Request) -> Answer {
        if request.path.starts_with(b"/silent/") {
            return Answer::None;
        }
        if request.path.starts_with(b"/errors/") {
            return self.json("400 Bad Request", ERROR);
        }
        if request.path.ends_with(b"/embeddings") {
            let ask = Ask::of(&request.body);
            let mut made = self.embeddings.borrow_mut();
            let body = made.entry(ask).or_insert_with(|| embeddings::body(ask));
            let length = format!("content-length: {}\r\n", body.len());
            return Answer::Long(
                self.head("200 OK", "application/json", &length),
                body.clone(),
            );
        }
        if has(&request.body, b"\"stream\":true") {
            let with_usage = has(&request.body, b"\"include_usage\":true");
            let mut made = self.events.borrow_mut();
            let pieces = made
                .entry(with_usage)
                .or_insert_with(|| events::pieces(with_usage));
            let head = self.head(
                "200 OK",
                "text/event-stream; charset=utf-8",
                "transfer-encoding: chunked\r\n",
            );
            return Answer::Pieces(head, pieces.clone());
        }
        self.json("200 OK", CHAT)
    }

    fn json(&self, status: &str, body: &str) -> Answer {
        let length = format!("content-length: {}\r\n", body.len());
        let mut bytes = self.head(status, "application/json", &length);
        bytes.extend_from_slice(body.as_bytes());
        Answer::Whole(bytes)
    }

    fn head(&self, status: &str, kind: &str, framing: &str) -> Vec<u8> {
        let number = self.requests.get();
        self.requests.set(number + 1);
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\n{framing}\
            x-request-id: req_{number:032x}\r\n{HEAD}\r\n"
        )
        .into_bytes()
    }
}

fn has(body: &[u8], text: &[u8]) -> bool {
    memmem::find(body, text).is_some()
}
