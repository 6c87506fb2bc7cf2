//! OpenAI's side of one account: the simulator's own limiter, and what befalls the account.

use std::num::NonZeroU64;

use openai_request_manager::simulator::{Lane, Limits, Readings, Refusal};

use crate::{RUN_MS, scenario::AccountPlan};

/// The other user of an account sends one request in this time: seldom enough to leave the limit on requests alone.
const OUTSIDER_GAP_MS: f64 = 1_000.0;

const MINUTE_MS: f64 = 60_000.0;

/// What a request is told.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// Admitted; the answer will be good.
    Admitted(Readings),
    /// Admitted and charged, and then a 500.
    Failed(Readings),
    /// A 429.
    Refused(Refusal),
}

/// When and how well an account could take a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offer {
    pub(crate) wait_ms: f64,
    /// The share of the tokens per minute that is left now.
    pub(crate) share_left: f64,
}

/// One account. It changes only when somebody looks, so moments must not go back.
#[derive(Debug)]
pub(crate) struct Provider {
    plan: AccountPlan,
    limits: Limits,
    lane: Lane,
    halved: bool,
    outsider_at_ms: f64,
    /// Tokens that the lane offered before its limit changed.
    offered_before: f64,
    /// Tokens that nobody could have used for us: the outsider's, and those of failed requests.
    lost_tokens: u64,
    tokens: u64,
    admitted: u64,
    refused: u64,
}

impl Provider {
    /// An account that nobody has used yet.
    pub(crate) fn new(plan: &AccountPlan) -> Provider {
        Provider {
            plan: plan.clone(),
            limits: plan.limits,
            lane: Lane::new(&plan.limits, 0.0),
            halved: false,
            outsider_at_ms: OUTSIDER_GAP_MS,
            offered_before: 0.0,
            lost_tokens: 0,
            tokens: 0,
            admitted: 0,
            refused: 0,
        }
    }

    /// A request arrives.
    pub(crate) fn call(&mut self, charge: u64, now_ms: f64) -> Reply {
        self.advance(now_ms);
        match self.lane.admit(charge, now_ms) {
            Ok(readings) if self.plan.failing_ms.contains(&now_ms) => {
                self.lost_tokens += charge;
                Reply::Failed(readings)
            }
            Ok(readings) => {
                self.tokens += charge;
                self.admitted += 1;
                Reply::Admitted(readings)
            }
            Err(refusal) => {
                self.refused += 1;
                Reply::Refused(refusal)
            }
        }
    }

    /// When a request could be served, by all that the account itself knows; `None` for never. Takes nothing.
    pub(crate) fn offer(&mut self, charge: u64, now_ms: f64) -> Option<Offer> {
        self.advance(now_ms);
        let (wait_ms, readings) = match self.lane.clone().admit(charge, now_ms) {
            Ok(readings) => (0.0, readings),
            Err(refusal) => (refusal.wait_ms?, refusal.readings),
        };
        let failing = &self.plan.failing_ms;
        let until_repaired_ms = match failing.contains(&now_ms) {
            true => failing.end - now_ms,
            false => 0.0,
        };
        Some(Offer {
            wait_ms: wait_ms.max(until_repaired_ms),
            share_left: readings
                .tokens
                .map_or(1.0, |tokens| tokens.remaining as f64 / tokens.limit as f64),
        })
    }

    /// Requests served.
    pub(crate) fn admitted(&self) -> u64 {
        self.admitted
    }

    /// 429s.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    /// Tokens of requests served.
    pub(crate) fn tokens(&self) -> u64 {
        self.tokens
    }

    /// What the whole run offered us: tokens, and requests. A limit that does not exist offers without end.
    pub(crate) fn offered(&self) -> (f64, f64) {
        let offered = |by_lane: Option<u64>| by_lane.map_or(f64::INFINITY, |most| most as f64);
        let tokens = offered(self.lane.capacity_tokens(RUN_MS));
        (
            tokens + self.offered_before - self.lost_tokens as f64,
            offered(self.lane.capacity_requests(RUN_MS)),
        )
    }

    /// Lets happen what the plan says.
    fn advance(&mut self, now_ms: f64) {
        if let Some(at_ms) = self.plan.halved_at_ms
            && at_ms <= now_ms
            && !self.halved
        {
            self.halve(at_ms);
        }
        if self.plan.outside == 0.0 {
            return;
        }
        let per_minute = self.limits.tokens_per_minute.map_or(0, u64::from) as f64;
        let tokens = self.plan.outside * per_minute * OUTSIDER_GAP_MS / MINUTE_MS;
        while self.outsider_at_ms <= now_ms {
            if self.lane.admit(tokens as u64, self.outsider_at_ms).is_ok() {
                self.lost_tokens += tokens as u64;
            }
            self.outsider_at_ms += OUTSIDER_GAP_MS;
        }
    }

    /// Halves the limits; what was left stays, as far as the new limit holds it.
    fn halve(&mut self, now_ms: f64) {
        self.halved = true;
        let half = |limit: Option<NonZeroU64>| NonZeroU64::new(limit?.get() / 2);
        self.limits = Limits {
            requests_per_minute: half(self.limits.requests_per_minute),
            requests_per_day: half(self.limits.requests_per_day),
            tokens_per_minute: half(self.limits.tokens_per_minute),
            tokens_per_day: half(self.limits.tokens_per_day),
        };
        let before = std::mem::replace(&mut self.lane, Lane::new(&self.limits, now_ms));
        let full = self.limits.tokens_per_minute.map_or(0, u64::from);
        // The limiter says what is left only when it is asked for something.
        let readings = match before.clone().admit(0, now_ms) {
            Ok(readings) => readings,
            Err(refusal) => refusal.readings,
        };
        let left = readings.tokens.map_or(full, |tokens| tokens.remaining);
        // A new lane is full, and can be brought to a level only by a request.
        if self.lane.admit(full.saturating_sub(left), now_ms).is_ok() {
            let offered = before.capacity_tokens(now_ms).unwrap_or(0);
            self.offered_before = offered as f64 - full as f64;
        }
    }
}
