//! What becomes of a request's attempts, for its reply or its error.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::wanted::Wanted;
use crate::{
    attempt::{Attempt, Choice, Outcome},
    scheduler::Permit,
};

/// The calls of one request so far.
#[derive(Debug, Default)]
pub(super) struct Trail {
    pub(super) attempts: Vec<Attempt>,
    /// Over all of them.
    pub(super) waited: Duration,
    under_way: Option<UnderWay>,
    /// Whether anybody still wants what is not sent.
    pub(super) wanted: Wanted,
}

/// A call that was sent and has no answer yet.
#[derive(Debug)]
struct UnderWay {
    account: Arc<str>,
    /// Before it.
    waited: Duration,
    choice: Choice,
    sent: Instant,
}

impl Trail {
    /// Notes that a call is sent.
    pub(super) fn begins(&mut self, permit: &Permit, waited: Duration) {
        self.under_way = Some(UnderWay {
            account: permit.account().label.clone(),
            waited,
            choice: permit.choice().clone(),
            sent: Instant::now(),
        });
    }

    /// The calls that were made; one still under way was given up.
    pub(super) fn into_attempts(mut self) -> Vec<Attempt> {
        if let Some(under_way) = &self.under_way {
            let took = under_way.sent.elapsed();
            self.ended(Outcome::Aborted, None, took);
        }
        self.attempts
    }

    /// Notes how the call under way ended.
    pub(super) fn ended(&mut self, outcome: Outcome, status: Option<u16>, took: Duration) {
        if let Some(under_way) = self.under_way.take() {
            self.attempts.push(Attempt {
                account: under_way.account,
                outcome,
                status,
                waited: under_way.waited,
                took,
                choice: under_way.choice,
            });
        }
    }
}
