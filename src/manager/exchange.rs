//! One HTTP call as an attempt sees it: an answer or none, what it means, and what it took.

use bytes::Bytes;
use http::Method;

use super::event_stream::Events;
use crate::{
    attempt::Outcome,
    client::{Answer, Client, Failure},
    config::{Address, Timeouts},
    outcome::{Verdict, judge, status_of_event},
    quota::Unspent,
};

/// One call: the whole answer, or its head and what comes in events.
pub(super) async fn exchange(
    client: &Client,
    (method, address): (Method, Address),
    body: Bytes,
    streams: bool,
    timeouts: &Timeouts,
) -> Result<(Answer, Option<Events>), Failure> {
    let opened = client.open(method, address, body, timeouts).await?;
    if !(streams && opened.is_event_stream()) {
        return Ok((opened.whole().await?, None));
    }
    let mut head = Answer {
        status: opened.status,
        headers: opened.headers.clone(),
        body: Bytes::new(),
    };
    let (events, error) = Events::begin(opened).await?;
    // Nothing has been delivered yet, so it is an answer like any other.
    if let Some(error) = error {
        head.status = status_of_event(error.as_bytes());
        head.body = error.into();
        return Ok((head, None));
    }
    Ok((head, Some(events)))
}

/// What an attempt's answer means, or that there is none.
pub(super) fn verdict_of(answer: &Result<Answer, Failure>) -> Verdict {
    match answer {
        Ok(answer) => judge(answer.status, &answer.headers, &answer.body),
        Err(_) => Verdict {
            outcome: Outcome::Broken,
            should_retry: None,
            wait: None,
            limit_hit: None,
            error: None,
        },
    }
}

/// What OpenAI has not counted of a booking.
pub(super) fn unspent(verdict: &Verdict, answer: &Result<Answer, Failure>) -> Unspent {
    match (verdict.outcome, answer) {
        (_, Err(Failure::Connect(_) | Failure::SlowConnect(_))) => Unspent::All,
        // A refusal on requests takes nothing.
        (Outcome::Limited, _) if verdict.limit_hit.is_some_and(|hit| !hit.tokens) => Unspent::All,
        (Outcome::Limited | Outcome::TooLarge, _) => Unspent::Tokens,
        // Refused at the door, before any limit.
        (Outcome::KeyRefused | Outcome::ModelRefused | Outcome::OutOfMoney, _) => Unspent::All,
        // Failed requests count toward the limits.
        _ => Unspent::Nothing,
    }
}
