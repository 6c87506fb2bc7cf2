//! The events of an answer, read from its connection when somebody asks for them.

use std::collections::VecDeque;

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
    /// What has been read and nobody has taken.
    pub(super) read: VecDeque<Event>,
}

impl Events {
    /// Reads up to the first event. One that is an error is returned as its JSON text.
    pub(super) async fn begin(opened: Opened) -> Result<(Self, Option<String>), Failure> {
        let mut events = Events {
            opened,
            decoder: Some(Decoder::default()),
            read: VecDeque::new(),
        };
        while events.read.is_empty() && events.decoder.is_some() {
            events.read_on().await?;
        }
        let Some(first) = events.read.front() else {
            return Err(Failure::Cut("the stream ended without an event".to_owned()));
        };
        let is_error = Chunk::of(first).is_some_and(|chunk| chunk.error.is_some());
        let error = is_error.then(|| first.data.clone());
        Ok((events, error))
    }

    /// Takes in one piece of the body.
    async fn read_on(&mut self) -> Result<usize, Failure> {
        let piece = self.opened.piece().await?;
        self.take_in(piece.as_deref())
    }

    fn take_in(&mut self, piece: Option<&[u8]>) -> Result<usize, Failure> {
        let Some(decoder) = &mut self.decoder else {
            return Ok(0);
        };
        match piece {
            Some(piece) => {
                let read = &mut self.read;
                let pushed = decoder.push(piece, |event| read.push_back(event));
                pushed.map_err(|too_long| Failure::Cut(too_long.to_string()))?;
                Ok(piece.len())
            }
            None => {
                let rest = self.decoder.take().and_then(Decoder::finish);
                // Some servers leave out the last blank line; but half an event is none.
                self.read
                    .extend(rest.filter(|event| event.data == DONE || is_json(event)));
                Ok(0)
            }
        }
    }

    /// Whether nothing more comes.
    pub(super) fn is_at_end(&self) -> bool {
        self.decoder.is_none()
    }

    /// Waits until there is an event or the end, and takes along what is there already.
    pub(super) async fn ready(&mut self) -> Result<(), Failure> {
        while self.read.is_empty() && self.decoder.is_some() {
            self.read_on().await?;
        }
        let mut taken = 0;
        while taken < MOST_AT_ONCE && self.decoder.is_some() {
            // What fails will fail again when it is its turn.
            let Some(Ok(piece)) = self.opened.piece().now_or_never() else {
                break;
            };
            taken += self.take_in(piece.as_deref())?;
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
