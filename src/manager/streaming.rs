//! An answer that comes piece by piece, for as long as somebody takes them.
//!
//! Nothing is read ahead: bytes are taken from the connection when they are asked for, so a slow reader slows the sender down and
//! memory stays bounded. Until the first event, or byte, a request can still fail over; from then on it has been delivered in part,
//! and nothing is repeated.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::{
    delivery::{Delivery, Open, Served},
    event_stream::{DONE, Events, is_json},
    exchange::Coming,
    facts::warnings_json,
    pieces::Pieces,
    reply::{header_pairs, status_text},
    tally::{Taken, Tally},
};
use crate::{
    body::quoted,
    error::{Error, Result},
    outcome::error_of_event,
    sse::Event,
    tokens::Endpoint,
    warning::Warning,
};

/// A stream that a caller reads.
#[derive(Debug)]
pub struct Streaming {
    coming: Coming,
    delivery: Delivery,
}

/// What has come for the caller.
#[derive(Debug)]
pub struct Batch {
    /// `{ "events": […] }`, or for those who get them as they stand in the stream `{ "frames": "…" }`, or `{ "bytes": "…" }` in base64;
    /// with `served` where these are the last.
    pub json: String,
    /// Whether there is nothing more.
    pub is_last: bool,
}

impl Streaming {
    pub(super) fn new(coming: Coming, served: Served, deadline: Instant, open: Open) -> Self {
        let delivery = Delivery {
            status: coming.opened().status,
            deadline,
            served,
            tally: Tally::default(),
            open: Some(open),
        };
        Streaming { coming, delivery }
    }

    /// The same with what those who listen should know.
    #[must_use]
    pub(super) fn warning(mut self, warnings: Vec<Warning>) -> Self {
        self.delivery.served.warnings = Some(warnings);
        self
    }

    /// What the caller learns when the stream begins, as JSON: how it is served, and the response's head.
    pub fn head(&self) -> String {
        let opened = self.coming.opened();
        let served = &self.delivery.served;
        let headers: serde_json::Map<String, serde_json::Value> = header_pairs(&opened.headers)
            .map(|(name, value)| (name.to_owned(), value.into_owned().into()))
            .collect();
        let mut head = json!({
            "org": &*served.account,
            "remainingAvailableTokensThisMinute": served.tokens_left.map(f64::floor),
            "status": opened.status,
            "statusText": status_text(opened.status),
            "headers": headers,
            "served": self.delivery.facts(),
        });
        if let Some(warnings) = &served.warnings {
            head["warnings"] = warnings_json(warnings);
        }
        head.to_string()
    }

    /// What comes next for the caller. Waits until there is something, or the end.
    ///
    /// Fails where the stream ends too early, stands still, or tells an error; what came before that has been delivered then.
    pub async fn next(&mut self) -> Result<Batch> {
        match &mut self.coming {
            Coming::Events(events) => next_events(&mut self.delivery, events).await,
            Coming::Pieces(pieces) => next_pieces(&mut self.delivery, pieces).await,
        }
    }
}

async fn next_pieces(delivery: &mut Delivery, pieces: &mut Pieces) -> Result<Batch> {
    let ready = match delivery.open {
        Some(_) => timeout_at(delivery.deadline, pieces.ready()).await,
        None => Ok(Ok(())),
    };
    match ready {
        Ok(Ok(())) => {}
        Ok(Err(failure)) => return Err(delivery.failed(&failure)),
        Err(_) => return Err(delivery.too_late()),
    }
    let bytes = STANDARD.encode(pieces.take());
    if pieces.is_at_end() {
        delivery.end();
    }
    Ok(batch(delivery, format!(r#"{{"bytes":"{bytes}""#)))
}

async fn next_events(delivery: &mut Delivery, events: &mut Events) -> Result<Batch> {
    loop {
        let Some(open) = &delivery.open else {
            return Ok(batch(delivery, r#"{"events":[]"#.to_owned()));
        };
        // Whoever gets the events as they stand in the stream reads the error in them as well.
        let passes = open.request.route.is_some();
        // The last event of others is not known, so that their end is that of the body.
        let has_known_end = open.request.endpoint != Endpoint::Other;
        let ready = timeout_at(delivery.deadline, events.ready()).await;
        let (taken, told) = take(delivery, events, passes);
        let is_over = delivery.tally.is_done || events.is_at_end();
        if let Some(told) = told.as_ref().filter(|_| !passes && taken.is_empty()) {
            if is_json(told) {
                events.opened.let_end();
            }
            return Err(tell(delivery, told));
        }
        match ready {
            _ if passes && told.is_some() => {
                delivery.broken();
                events.opened.let_end();
                let taken: Vec<Event> = taken.into_iter().chain(told).collect();
                return Ok(batch(delivery, frames_json(&taken, false)));
            }
            Ok(Ok(()))
                if is_over && told.is_none() && (delivery.tally.is_whole() || !has_known_end) =>
            {
                delivery.end();
                events.opened.let_end();
                return Ok(match passes {
                    true => batch(delivery, frames_json(&taken, delivery.tally.is_done)),
                    false => batch(delivery, events_json(&taken)),
                });
            }
            _ if !taken.is_empty() => {
                // It is told next, before all that has come behind it. What failed will fail again when it is its turn.
                if let Some(told) = told {
                    events.read.push_front(told);
                }
                return Ok(match passes {
                    true => batch(delivery, frames_json(&taken, false)),
                    false => batch(delivery, events_json(&taken)),
                });
            }
            // What is missing then is nothing of the response.
            Ok(Err(_)) if delivery.tally.has_whole_response => {
                delivery.end();
                return Ok(match passes {
                    true => batch(delivery, frames_json(&[], false)),
                    false => batch(delivery, events_json(&[])),
                });
            }
            Ok(Ok(())) if is_over => {
                return Err(delivery.broke_off("before its end", None, None));
            }
            Ok(Ok(())) => {}
            Ok(Err(failure)) => return Err(delivery.failed(&failure)),
            Err(_) => return Err(delivery.too_late()),
        }
    }
}

/// What has been read and is for the caller, up to an event that tells an error, or that a caller of values cannot read.
fn take(delivery: &mut Delivery, events: &mut Events, passes: bool) -> (Vec<Event>, Option<Event>) {
    let hides_usage = delivery
        .open
        .as_ref()
        .is_some_and(|open| open.request.hides_usage);
    let mut taken = Vec::with_capacity(events.read.len());
    while let Some(event) = events.read.pop_front() {
        if event.data == DONE {
            delivery.tally.is_done = true;
            break;
        }
        let becomes = delivery.tally.take(&event, hides_usage);
        if let (Some(id), Some(open)) = (delivery.tally.made.take(), &delivery.open) {
            let account = &delivery.served.account;
            open.in_flight.manager().made.note_id(&id, account);
        }
        match becomes {
            Taken::Unknown if !passes && !is_json(&event) => return (taken, Some(event)),
            Taken::Delivered | Taken::Unknown => taken.push(event),
            Taken::Hidden => {}
            Taken::Error => return (taken, Some(event)),
        }
    }
    (taken, None)
}

/// The stream told an error, or what is no value.
fn tell(delivery: &mut Delivery, event: &Event) -> Error {
    if !is_json(event) {
        return delivery.broke_off("with an event that is not JSON", None, None);
    }
    let error = error_of_event(event.data.as_bytes());
    let message = error
        .as_ref()
        .map_or("without a message", |error| &error.message);
    let message = format!("with an error: {message}");
    delivery.broke_off(&message, error, None)
}

/// An object that is not closed, as a batch.
fn batch(delivery: &Delivery, mut json: String) -> Batch {
    let is_last = delivery.open.is_none();
    if is_last {
        json.push_str(r#","served":"#);
        json.push_str(&delivery.facts().to_json());
    }
    json.push('}');
    Batch { json, is_last }
}

fn events_json(events: &[Event]) -> String {
    let events: Vec<&str> = events.iter().map(|event| event.data.as_str()).collect();
    format!(r#"{{"events":[{}]"#, events.join(","))
}

/// The events as they stand in a stream.
fn frames_json(events: &[Event], is_done: bool) -> String {
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
    if is_done {
        frames.push_str(&format!("data: {DONE}\n\n"));
    }
    format!(r#"{{"frames":{}"#, quoted(&frames))
}
