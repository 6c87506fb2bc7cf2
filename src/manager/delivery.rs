//! An answer that is being delivered: how it is served, and what it holds until it is over.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{InFlight, Request, facts::Facts, live::Current, metered, tally::Tally};
use crate::{
    attempt::{Attempt, Outcome},
    books::{Counts, Entry, Reservation},
    client::Failure,
    error::{Code, Error, LastAnswer, UpstreamError},
    scheduler::Slot,
    tokens::Estimate,
    usage::Usage,
    warning::Warning,
};

/// An answer that is being delivered.
#[derive(Debug)]
pub(super) struct Delivery {
    /// HTTP status.
    pub(super) status: u16,
    /// Everything is to be over by then.
    pub(super) deadline: Instant,
    pub(super) served: Served,
    pub(super) tally: Tally,
    /// None when it is over.
    pub(super) open: Option<Open>,
}

/// How it is served.
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

/// What it holds on to until it is over.
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

impl Delivery {
    /// How it is served.
    pub(super) fn facts(&self) -> Facts<'_> {
        Facts {
            account: &self.served.account,
            waited: self.served.waited,
            attempts: &self.served.attempts,
            usage: self.tally.usage,
            cost: self.tally.cost,
            request_id: self.served.request_id.as_deref(),
            coalesced: false,
        }
    }

    /// It is over: what it used counts, as it said, or as far as it was delivered.
    pub(super) fn end(&mut self) {
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

    /// It broke off, or told an error.
    pub(super) fn broken(&mut self) {
        self.end();
        if let Some(last) = self.served.attempts.last_mut() {
            last.outcome = Outcome::Broken;
        }
    }

    /// The error of a stream that broke off.
    pub(super) fn broke_off(
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
                status: Some(self.status),
                error,
                headers: Vec::new(),
                request_id: self.served.request_id.clone(),
            })
            .with_attempts(self.served.attempts.clone())
    }
    /// The error where a piece did not come.
    pub(super) fn failed(&mut self, failure: &Failure) -> Error {
        self.broke_off(&format!("({failure})"), None, failure.phase())
    }

    /// The error where it takes too long altogether.
    pub(super) fn too_late(&mut self) -> Error {
        self.broken();
        let message = "the call took longer than timeoutsMs.total, or its deadline, allows";
        Error::timeout("total", message).with_attempts(self.served.attempts.clone())
    }
}

impl Drop for Delivery {
    /// The caller has gone away: what was delivered counts.
    fn drop(&mut self) {
        self.end();
    }
}
