//! What the events of an answer tell: what it used, what it has made, whether it has come to its end.

use super::event_stream::Chunk;
use crate::{sse::Event, usage::Usage};

/// What has come so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) usage: Option<Usage>,
    pub(super) service_tier: Option<String>,
    /// US dollars; known at the end.
    pub(super) cost: Option<f64>,
    /// A response whose id has come.
    pub(super) made: Option<String>,
    /// Events with a part of an answer.
    pub(super) parts: u64,
    has_finished: bool,
    /// Whether the event has come that is always the last one of a response.
    pub(super) has_whole_response: bool,
    pub(super) is_done: bool,
}

/// What becomes of an event.
pub(super) enum Taken {
    Delivered,
    Hidden,
    Error,
    /// It has no form that we know; the caller may.
    Unknown,
}

impl Tally {
    /// Counts an event in, and says what becomes of it.
    pub(super) fn take(&mut self, event: &Event, hides_usage: bool) -> Taken {
        let Some(chunk) = Chunk::of(event) else {
            return Taken::Unknown;
        };
        if chunk.error.is_some() {
            return Taken::Error;
        }
        let has_parts = !chunk.choices.is_empty();
        self.parts += u64::from(has_parts);
        let mut reasons = chunk.choices.iter().map(|choice| &choice.finish_reason);
        self.has_finished |= reasons.any(Option::is_some);
        if chunk.service_tier.is_some() {
            self.service_tier = chunk.service_tier;
        }
        // The Responses API ends with one of these, and tells no end besides.
        if let Some("response.completed" | "response.incomplete" | "response.failed") =
            chunk.kind.as_deref()
        {
            self.has_whole_response = true;
        }
        self.parts += u64::from(chunk.kind.is_some_and(|kind| kind.ends_with(".delta")));
        if let Some(response) = chunk.response {
            self.made = response.id;
            self.usage = response.usage.or(self.usage);
            self.service_tier = response.service_tier.or(self.service_tier.take());
        }
        if let Some(usage) = chunk.usage {
            self.usage = Some(usage);
            // Some servers tell it with the last part instead of in an event of its own.
            if hides_usage && !has_parts {
                return Taken::Hidden;
            }
        }
        Taken::Delivered
    }

    /// Whether nothing is missing where the body ends: some servers leave out the event that says so.
    pub(super) fn is_whole(&self) -> bool {
        self.is_done || self.has_finished || self.has_whole_response
    }
}
