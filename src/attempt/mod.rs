//! One HTTP call as the caller sees it afterwards: where it went and why, what its answer meant, how long it took.

mod choice;
mod loss;

use std::{sync::Arc, time::Duration};

pub use self::{
    choice::{Because, Candidate, Choice},
    loss::Loss,
};

/// What the answer to an attempt means. The names are stable: they appear in results, errors and events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A usable answer.
    Ok,
    /// The account has no room at the moment (429 with a wait).
    Limited,
    /// The request can never fit this account's limit.
    TooLarge,
    /// The account has no credit left or has reached a spend limit.
    OutOfMoney,
    /// The key or its organization is not accepted.
    KeyRefused,
    /// The account may not use this model.
    ModelRefused,
    /// The server is busy or failing.
    Overloaded,
    /// No complete answer arrived: connecting, TLS, a timeout, a cut or unreadable body.
    Broken,
    /// The request itself is wrong.
    BadRequest,
    /// The caller went away.
    Aborted,
}

impl Outcome {
    /// The stable name, as in `index.d.ts`.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Limited => "limited",
            Outcome::TooLarge => "too_large",
            Outcome::OutOfMoney => "out_of_money",
            Outcome::KeyRefused => "key_refused",
            Outcome::ModelRefused => "model_refused",
            Outcome::Overloaded => "overloaded",
            Outcome::Broken => "broken",
            Outcome::BadRequest => "bad_request",
            Outcome::Aborted => "aborted",
        }
    }
}

/// One HTTP call of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// Label of the account that was called.
    pub account: Arc<str>,
    /// What its answer means.
    pub outcome: Outcome,
    /// HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// Time spent waiting for room before this call.
    pub waited: Duration,
    /// Time from sending to the end of the answer.
    pub took: Duration,
    /// Why this account, and between which ones it was chosen.
    pub choice: Choice,
}
