//! The events of an answer, read from its connection when somebody asks for them.

use std::collections::VecDeque;

use bytes::Bytes;
use futures_util::FutureExt;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use crate::{
    client::{Failure, Opened},
    sse::{Decoder, Event},
    usage::Usage,
};

/// What one asking returns at most, in bytes of the connection: more waits until somebody asks again.
const MOST_AT_ONCE: usize = 64 * 1024;

/// The event that ends a chat's stream.
pub(super) const DONE: &str = "[DONE]";

/// The events of an answer.
#[derive(Debug)]
pub(super) struct Events {
    pub(super) opened: Opened,
    /// None at the end of the body.
    decoder: Option<Decoder>,
    /// What broke the body off. Its turn is behind the events that came before it; to ask the body again would say that it has ended.
    broken: Option<Failure>,
    /// What has been read and nobody has taken.
    pub(super) read: VecDeque<Event>,
}

impl Events {
    /// Reads up to the first event. One that is an error is returned as its JSON text.
    pub(super) async fn begin(opened: Opened) -> Result<(Self, Option<String>), Failure> {
        let mut events = Events {
            opened,
            decoder: Some(Decoder::default()),
            broken: None,
            read: VecDeque::new(),
        };
        events.wait().await?;
        let Some(first) = events.read.front() else {
            return Err(Failure::Cut("the stream ended without an event".to_owned()));
        };
        let is_error = Chunk::of(first).is_some_and(|chunk| chunk.error.is_some());
        let error = is_error.then(|| first.data.clone());
        Ok((events, error))
    }

    /// Takes in one piece of the body; tells how long it was.
    fn take_in(&mut self, piece: Result<Option<Bytes>, Failure>) -> usize {
        let Some(decoder) = &mut self.decoder else {
            return 0;
        };
        match piece {
            Ok(Some(piece)) => {
                let read = &mut self.read;
                let pushed = decoder.push(&piece, |event| read.push_back(event));
                self.broken = pushed
                    .map_err(|too_long| Failure::Cut(too_long.to_string()))
                    .err();
                piece.len()
            }
            Ok(None) => {
                let rest = self.decoder.take().and_then(Decoder::finish);
                // Some servers leave out the last blank line; but half an event is none.
                self.read
                    .extend(rest.filter(|event| event.data == DONE || is_json(event)));
                0
            }
            Err(failure) => {
                self.broken = Some(failure);
                0
            }
        }
    }

    /// Whether nothing more comes, as the server said.
    pub(super) fn is_at_end(&self) -> bool {
        self.decoder.is_none()
    }

    fn goes_on(&self) -> bool {
        self.decoder.is_some() && self.broken.is_none()
    }

    /// Waits until there is an event or the end.
    async fn wait(&mut self) -> Result<(), Failure> {
        while self.read.is_empty() && self.goes_on() {
            let piece = self.opened.piece().await;
            self.take_in(piece);
        }
        match self.read.is_empty() {
            true => self.broken.take().map_or(Ok(()), Err),
            false => Ok(()),
        }
    }

    /// Waits until there is an event or the end, and takes along what is there already.
    pub(super) async fn ready(&mut self) -> Result<(), Failure> {
        self.wait().await?;
        let mut taken = 0;
        while taken < MOST_AT_ONCE && self.goes_on() {
            let Some(piece) = self.opened.piece().now_or_never() else {
                break;
            };
            taken += self.take_in(piece);
        }
        Ok(())
    }
}

/// Whether an event holds a value that a caller can read.
pub(super) fn is_json(event: &Event) -> bool {
    serde_json::from_str::<IgnoredAny>(&event.data).is_ok()
}

/// What we look at in an event of a stream.
#[derive(Deserialize)]
pub(super) struct Chunk<'a> {
    #[serde(default, borrow)]
    pub(super) error: Option<&'a RawValue>,
    #[serde(default)]
    pub(super) usage: Option<Usage>,
    #[serde(default)]
    pub(super) service_tier: Option<String>,
    #[serde(default)]
    pub(super) choices: Vec<Choice>,
    /// Of the Responses API: what happens, and how the response stands.
    #[serde(default, rename = "type")]
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) response: Option<Response>,
}

#[derive(Deserialize)]
pub(super) struct Response {
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) usage: Option<Usage>,
    #[serde(default)]
    pub(super) service_tier: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Choice {
    #[serde(default)]
    pub(super) finish_reason: Option<String>,
}

impl<'a> Chunk<'a> {
    pub(super) fn of(event: &'a Event) -> Option<Self> {
        serde_json::from_str(&event.data).ok()
    }
}
