//! One HTTP call as an attempt sees it: an answer or none, what it means, and what it took.

use bytes::Bytes;
use http::Method;

use super::{Request, event_stream::Events, pieces::Pieces};
use crate::{
    attempt::Outcome,
    client::{Answer, Client, Failure, Opened},
    config::{Address, Timeouts},
    outcome::{Verdict, judge, status_of_event},
    quota::Unspent,
};

/// The part of an answer that is still to come when its head is there.
#[derive(Debug)]
pub(super) enum Coming {
    /// Events that we read.
    Events(Events),
    /// Bytes that go to the caller as they are.
    Pieces(Pieces),
}

impl Coming {
    pub(super) fn opened(&self) -> &Opened {
        match self {
            Coming::Events(events) => &events.opened,
            Coming::Pieces(pieces) => &pieces.opened,
        }
    }
}

/// One call: the whole answer, or its head and what is to come.
pub(super) async fn exchange(
    client: &Client,
    (method, address): (Method, Address),
    body: Bytes,
    request: &Request,
    timeouts: &Timeouts,
) -> Result<(Answer, Option<Coming>), Failure> {
    let opened = client.open(method, address, body, timeouts).await?;
    let form = form_of(request, &opened);
    if form == Form::Whole {
        return Ok((opened.whole().await?, None));
    }
    let mut head = Answer {
        status: opened.status,
        headers: opened.headers.clone(),
        body: Bytes::new(),
    };
    if form == Form::Pieces {
        let pieces = Pieces::begin(opened).await?;
        return Ok((head, Some(Coming::Pieces(pieces))));
    }
    let (mut events, error) = Events::begin(opened).await?;
    // Nothing has been delivered yet, so it is an answer like any other.
    if let Some(error) = error {
        events.opened.let_end();
        head.status = status_of_event(error.as_bytes());
        head.body = error.into();
        return Ok((head, None));
    }
    Ok((head, Some(Coming::Events(events))))
}

/// How an answer is taken in.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    Whole,
    Events,
    Pieces,
}

/// Events that were asked for are read. Others, and what is too large or too slow to wait for and is no JSON, go on as they come to
/// those who take bytes; JSON is read whole, since it tells what was used.
fn form_of(request: &Request, opened: &Opened) -> Form {
    match &request.route {
        _ if opened.is_event_stream() && request.streams => Form::Events,
        Some(_) if opened.is_event_stream() => Form::Pieces,
        Some(route) if route.takes_pieces && opened.is_download() => Form::Pieces,
        _ => Form::Whole,
    }
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
        (_, Err(failure)) if failure.is_before_work() => Unspent::All,
        // A refusal on requests takes nothing.
        (Outcome::Limited, _) if verdict.limit_hit.is_some_and(|hit| !hit.tokens) => Unspent::All,
        (Outcome::Limited | Outcome::TooLarge, _) => Unspent::Tokens,
        // Refused at the door, before any limit.
        (Outcome::KeyRefused | Outcome::ModelRefused | Outcome::OutOfMoney, _) => Unspent::All,
        // Failed requests count toward the limits.
        _ => Unspent::Nothing,
    }
}
