//! An answer that comes in events, for as long as somebody takes them.
//!
//! Nothing is read ahead: bytes are taken from the connection when events are asked for, so a slow reader slows the sender down and
//! memory stays bounded. Until the first event a request can still fail over; from then on it has been delivered in part, and
//! nothing is repeated.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::{
    InFlight, Request,
    event_stream::{Chunk, Events},
    facts::{Facts, served_json, warnings_json},
    live::Current,
    metered,
    reply::header_pairs,
};
use crate::{
    attempt::{Attempt, Outcome},
    body::quoted,
    books::{Counts, Entry, Reservation},
    error::{Code, Error, LastAnswer, Result, UpstreamError},
    outcome::error_of_event,
    scheduler::Slot,
    sse::Event,
    tokens::Estimate,
    usage::Usage,
    warning::Warning,
};

/// The event that ends a chat's stream.
const DONE: &str = "[DONE]";

/// A stream that a caller reads.
#[derive(Debug)]
pub struct Streaming {
    events: Events,
    /// Everything is to be over by then.
    deadline: Instant,
    served: Served,
    tally: Tally,
    /// Whether the caller gets the events as they stand in the stream.
    passes: bool,
    /// None when it is over.
    open: Option<Open>,
}

/// How a stream is served.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) account: Arc<str>,
    /// Tokens left on the account for the model; `None` where no limit is known.
    pub(super) tokens_left: Option<f64>,
    pub(super) requests_left: Option<f64>,
    pub(super) waited: Duration,
    pub(super) attempts: Vec<Attempt>,
    pub(super) request_id: Option<String>,
    /// What those who listen should know; `None` where nobody listens.
    pub(super) warnings: Option<Vec<Warning>>,
}

/// What an open stream holds on to.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) request: Request,
    pub(super) estimate: Estimate,
    pub(super) current: Arc<Current>,
    pub(super) reservation: Option<Reservation>,
    pub(super) in_flight: InFlight,
    /// The place among the account's concurrent requests, until the end.
    #[expect(dead_code, reason = "a guard")]
    pub(super) slot: Option<Slot>,
}

/// What has come so far.
#[derive(Debug, Default)]
struct Tally {
    usage: Option<Usage>,
    service_tier: Option<String>,
    /// US dollars; known at the end.
    cost: Option<f64>,
    /// A response whose id has come.
    made: Option<String>,
    /// Events with a part of an answer.
    parts: u64,
    has_finished: bool,
    is_done: bool,
}

/// Events for the caller.
#[derive(Debug)]
pub struct Batch {
    /// `{ "events": […] }`; with `served` where these are the last.
    pub json: String,
    /// Whether there is nothing more.
    pub is_last: bool,
}

impl Streaming {
    pub(super) fn new(events: Events, served: Served, deadline: Instant, open: Open) -> Self {
        Streaming {
            events,
            deadline,
            served,
            tally: Tally::default(),
            passes: open.request.route.is_some(),
            open: Some(open),
        }
    }

    /// The same with what those who listen should know.
    #[must_use]
    pub(super) fn warning(mut self, warnings: Vec<Warning>) -> Self {
        self.served.warnings = Some(warnings);
        self
    }

    /// What the caller learns when the stream begins, as JSON: how it is served, and the response's head.
    pub fn head(&self) -> String {
        let opened = &self.events.opened;
        let headers: serde_json::Map<String, serde_json::Value> = header_pairs(&opened.headers)
            .map(|(name, value)| (name.to_owned(), value.into_owned().into()))
            .collect();
        let head = json!({
            "org": &*self.served.account,
            "remainingAvailableTokensThisMinute": self.served.tokens_left.map(f64::floor),
            "status": opened.status,
            "headers": headers,
            "served": self.served(),
        });
        match &self.served.warnings {
            None => head.to_string(),
            Some(warnings) => {
                let mut head = head;
                head["warnings"] = warnings_json(warnings);
                head.to_string()
            }
        }
    }

    fn served(&self) -> serde_json::Value {
        served_json(&Facts {
            account: &self.served.account,
            waited: self.served.waited,
            attempts: &self.served.attempts,
            usage: self.tally.usage,
            cost: self.tally.cost,
            request_id: self.served.request_id.as_deref(),
        })
    }

    /// The next events for the caller. Waits until there is at least one, or the end.
    ///
    /// Fails where the stream ends too early, stands still, or tells an error; the events before that have been delivered then.
    pub async fn next(&mut self) -> Result<Batch> {
        loop {
            if self.open.is_none() {
                return Ok(self.batch(&[]));
            }
            let ready = timeout_at(self.deadline, self.events.ready()).await;
            let (events, told) = self.take();
            let is_over = self.tally.is_done || self.events.is_at_end();
            match ready {
                _ if self.passes && told.is_some() => {
                    // Whoever gets the events as they are reads the error in them.
                    self.broken();
                    let events: Vec<Event> = events.into_iter().chain(told).collect();
                    return Ok(self.batch(&events));
                }
                _ if told.is_some() && events.is_empty() => {
                    let error = told.and_then(|told| error_of_event(told.data.as_bytes()));
                    return Err(self.told(error));
                }
                Ok(Ok(())) if is_over && told.is_none() && self.tally.is_whole() => {
                    self.end();
                    return Ok(self.batch(&events));
                }
                _ if !events.is_empty() => {
                    // What failed will fail again when it is its turn.
                    self.events.read.extend(told);
                    return Ok(self.batch(&events));
                }
                Ok(Ok(())) if is_over => {
                    return Err(self.broke_off("before its end", None, None));
                }
                Ok(Ok(())) => {}
                Ok(Err(failure)) => {
                    let how = format!("({failure})");
                    return Err(self.broke_off(&how, None, failure.phase()));
                }
                Err(_) => {
                    self.broken();
                    let message =
                        "the call took longer than timeoutsMs.total, or its deadline, allows";
                    let attempts = self.served.attempts.clone();
                    return Err(Error::timeout("total", message).with_attempts(attempts));
                }
            }
        }
    }

    /// What has been read and is for the caller, up to an event that tells an error.
    fn take(&mut self) -> (Vec<Event>, Option<Event>) {
        let hides_usage = self
            .open
            .as_ref()
            .is_some_and(|open| open.request.hides_usage);
        let mut events = Vec::with_capacity(self.events.read.len());
        while let Some(event) = self.events.read.pop_front() {
            if event.data == DONE {
                self.tally.is_done = true;
                break;
            }
            let taken = self.tally.take(&event, hides_usage);
            if let (Some(id), Some(open)) = (self.tally.made.take(), &self.open) {
                open.in_flight
                    .manager()
                    .made
                    .note_id(&id, &self.served.account);
            }
            match taken {
                Taken::Delivered => events.push(event),
                Taken::Hidden => {}
                Taken::Error => return (events, Some(event)),
            }
        }
        (events, None)
    }

    fn batch(&self, events: &[Event]) -> Batch {
        let is_last = self.open.is_none();
        let mut json = match self.passes {
            true => format!(r#"{{"frames":{}"#, quoted(&self.frames(events, is_last))),
            false => {
                let events: Vec<&str> = events.iter().map(|event| event.data.as_str()).collect();
                format!(r#"{{"events":[{}]"#, events.join(","))
            }
        };
        if is_last {
            json.push_str(r#","served":"#);
            json.push_str(&self.served().to_string());
        }
        json.push('}');
        Batch { json, is_last }
    }

    /// The events as they stand in a stream.
    fn frames(&self, events: &[Event], is_last: bool) -> String {
        let mut frames = String::new();
        for Event { name, data } in events {
            if !name.is_empty() {
                frames.push_str(&format!("event: {name}\n"));
            }
            for line in data.split('\n') {
                frames.push_str(&format!("data: {line}\n"));
            }
            frames.push('\n');
        }
        if is_last && self.tally.is_done {
            frames.push_str(&format!("data: {DONE}\n\n"));
        }
        frames
    }

    /// It is over: what it used counts, as it said, or as far as it was delivered.
    fn end(&mut self) {
        let Some(open) = self.open.take() else {
            return;
        };
        let used = self.tally.usage.unwrap_or_else(|| {
            let input_tokens = open.estimate.prompt_tokens;
            // About a token in each event.
            let output_tokens = self.tally.parts;
            Usage {
                input_tokens,
                output_tokens,
                total_tokens: input_tokens + output_tokens,
                ..Usage::default()
            }
        });
        let tier = self.tally.service_tier.as_deref();
        let cost = metered::cost(&open.request, &used, tier, &open.current.settings.prices);
        self.tally.cost = cost.filter(|_| self.tally.usage.is_some());
        let entry = Entry {
            account: &self.served.account,
            model: open.request.counted_model(),
            kind: open.request.kind(),
            counts: Counts::of_usage(&used, cost),
            tokens_left: self.served.tokens_left,
            requests_left: self.served.requests_left,
        };
        open.in_flight
            .manager()
            .books
            .count(&entry, open.reservation);
    }

    fn broken(&mut self) {
        self.end();
        if let Some(last) = self.served.attempts.last_mut() {
            last.outcome = Outcome::Broken;
        }
    }

    /// The stream told an error.
    fn told(&mut self, error: Option<UpstreamError>) -> Error {
        let message = error
            .as_ref()
            .map_or("without a message", |error| &error.message);
        let message = format!("with an error: {message}");
        self.broke_off(&message, error, None)
    }

    fn broke_off(
        &mut self,
        how: &str,
        error: Option<UpstreamError>,
        phase: Option<&'static str>,
    ) -> Error {
        self.broken();
        let message = format!(
            "account \"{}\" broke off its stream {how}; what came before it was delivered",
            self.served.account
        );
        let broken = match phase {
            Some(phase) => Error::timeout(phase, message),
            None => Error::new(Code::Upstream, message),
        };
        broken
            .with_last_answer(LastAnswer {
                status: Some(self.events.opened.status),
                error,
                headers: Vec::new(),
                request_id: self.served.request_id.clone(),
            })
            .with_attempts(self.served.attempts.clone())
    }
}

impl Drop for Streaming {
    /// The caller has gone away: what was delivered counts.
    fn drop(&mut self) {
        self.end();
    }
}

/// What becomes of an event.
enum Taken {
    Delivered,
    Hidden,
    Error,
}

impl Tally {
    fn take(&mut self, event: &Event, hides_usage: bool) -> Taken {
        let Some(chunk) = Chunk::of(event) else {
            return Taken::Delivered;
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
            self.has_finished = true;
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
    fn is_whole(&self) -> bool {
        self.is_done || self.has_finished
    }
}
