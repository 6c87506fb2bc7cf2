//! Why there is no complete answer.

use std::{error::Error, fmt};

use crate::attempt::Loss;

/// Why there is no complete answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// No connection: nothing was sent.
    Connect(String),
    /// No connection within the time, in milliseconds: nothing was sent.
    SlowConnect(u128),
    /// The server closes the connection, as HTTP/2 lets it, and has not begun with the request; nor with others that came too late.
    NotBegun(String, Option<Loss>),
    /// The server has enough to do on the connection, as HTTP/2 lets it say, and has not begun with the request.
    Refused(String),
    /// No headers within the time, in milliseconds.
    FirstByte(u128),
    /// The body stood still for the time, in milliseconds.
    Idle(u128),
    /// The server broke off this answer, not the connection, as HTTP/2 lets it.
    Reset(String),
    /// The connection broke after sending, or its answer is none. As far as is known no other request was on it.
    Cut(String),
    /// The connection broke after sending, and took with it whatever else was under way on it.
    Lost(String, Loss),
}

impl Failure {
    /// The phase that took longer than the timeouts allow, if that is why.
    pub fn phase(&self) -> Option<&'static str> {
        match self {
            Failure::SlowConnect(_) => Some("connect"),
            Failure::FirstByte(_) => Some("firstByte"),
            Failure::Idle(_) => Some("idle"),
            Failure::Connect(_)
            | Failure::NotBegun(..)
            | Failure::Refused(_)
            | Failure::Reset(_)
            | Failure::Cut(_)
            | Failure::Lost(..) => None,
        }
    }

    /// Whether it is certain that no server has worked on the request.
    pub fn is_before_work(&self) -> bool {
        match self {
            Failure::Connect(_)
            | Failure::SlowConnect(_)
            | Failure::NotBegun(..)
            | Failure::Refused(_) => true,
            Failure::FirstByte(_)
            | Failure::Idle(_)
            | Failure::Reset(_)
            | Failure::Cut(_)
            | Failure::Lost(..) => false,
        }
    }

    /// The loss that others may tell of as well.
    pub fn loss(&self) -> Option<&Loss> {
        match self {
            Failure::Lost(_, loss) | Failure::NotBegun(_, Some(loss)) => Some(loss),
            _ => None,
        }
    }

    /// The cause in its own words, without the URL; `loss` tells which one it is, where the connection is that of many.
    pub(super) fn of(error: reqwest::Error, loss: impl FnOnce() -> Option<Loss>) -> Self {
        let is_connect = error.is_connect();
        let error = error.without_url();
        let http2 = causes(&error).find_map(|cause| cause.downcast_ref::<h2::Error>());
        let mut words: Vec<String> = Vec::new();
        for cause in causes(&error) {
            let text = cause.to_string();
            // Many errors repeat their cause in their own text.
            if !words.iter().any(|word| word.contains(&text)) {
                words.push(text);
            }
        }
        let words = words.join(": ");
        match http2 {
            _ if is_connect => Failure::Connect(words),
            Some(error) if refuses(error) => Failure::Refused(words),
            Some(error) if is_closing(error) => Failure::NotBegun(words, loss()),
            Some(error) if error.is_reset() => Failure::Reset(words),
            // Of what becomes of a connection the HTTP client tells in the same words, whatever was spoken on it.
            _ => match loss() {
                Some(loss) => Failure::Lost(words, loss),
                None => Failure::Cut(words),
            },
        }
    }

    /// The same of an answer that has begun: so has the server.
    pub(super) fn within_answer(self) -> Self {
        match self {
            Failure::NotBegun(why, _) | Failure::Refused(why) => Failure::Reset(why),
            other => other,
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
            Failure::NotBegun(why, _) | Failure::Refused(why) => {
                write!(f, "the server did not begin: {why}")
            }
            Failure::FirstByte(ms) => write!(f, "no answer within {ms} ms (timeoutsMs.firstByte)"),
            Failure::Idle(ms) => write!(f, "the answer stood still for {ms} ms (timeoutsMs.idle)"),
            Failure::Reset(why) => write!(f, "the answer broke off: {why}"),
            Failure::Cut(why) | Failure::Lost(why, _) => write!(f, "the connection broke: {why}"),
        }
    }
}

/// An error and what has caused it.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// RFC 9113, 8.7: what a server refuses may be sent again.
fn refuses(error: &h2::Error) -> bool {
    error.is_reset() && error.is_remote() && error.reason() == Some(h2::Reason::REFUSED_STREAM)
}

/// RFC 9113, 6.8 and 8.7: what came too late for a closing connection may be sent again. What came in time does not hear of it.
fn is_closing(error: &h2::Error) -> bool {
    error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR)
}
