//! What a request may cost, reserved before it is sent: asking for it, and the guard that gives it back.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{
    counts::{Counts, nano_usd},
    limit::Amounts,
    shared::{Shared, State},
};
use crate::error::{Code, Error, Result};

/// What a request may use, by its estimate.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Amount(pub(super) Amounts);

impl Amount {
    /// So many tokens, for so many US dollars, as far as the price is known.
    pub fn new(tokens: u64, cost: Option<f64>) -> Self {
        Amount([
            Counts::of_tokens(tokens).tokens(),
            nano_usd(cost.unwrap_or(0.0)),
        ])
    }
}

/// The answer to one who wants to reserve.
#[derive(Debug)]
pub enum Grant {
    /// It may be sent.
    Granted(Reservation),
    /// Not now; [`super::Books::standing`] tells why.
    Refused,
}

/// What is reserved for a request in flight. Dropped, it is given back.
#[derive(Debug)]
pub struct Reservation {
    shared: Arc<Shared>,
    // None once given back.
    held: Option<(Arc<str>, Amounts)>,
}

impl Reservation {
    /// Of an amount that is entered already.
    pub(super) fn new(shared: Arc<Shared>, account: Arc<str>, amounts: Amounts) -> Self {
        Reservation {
            shared,
            held: Some((account, amounts)),
        }
    }

    /// Takes it over, to be given back in one step with something else.
    pub(super) fn take(&mut self) -> Option<(Arc<str>, Amounts)> {
        self.held.take()
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some((account, amounts)) = self.held.take() {
            self.shared.release(&account, amounts);
        }
    }
}

/// Somebody waits for a reservation.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) account: Arc<str>,
    pub(super) amounts: Amounts,
    pub(super) answer: oneshot::Sender<Result<Grant>>,
}

impl Shared {
    pub(super) async fn reserve(
        self: &Arc<Self>,
        account: &Arc<str>,
        amount: Amount,
    ) -> Result<Grant> {
        let now_ms = self.now_ms();
        let answer = {
            let state = &mut *self.state();
            if self.connection.is_none() {
                let State { tally, budgets, .. } = state;
                let granted = budgets.try_reserve(account, amount.0, tally, now_ms);
                return Ok(self.grant(granted, account, amount.0));
            }
            if state.is_away {
                return self.grant_of_share(state, account, amount.0);
            }
            let (sender, receiver) = oneshot::channel();
            state.asks.push(Ask {
                account: account.clone(),
                amounts: amount.0,
                answer: sender,
            });
            self.begin_to_carry(state);
            receiver
        };
        self.work.notify_one();
        let broken_off = || Err(never_heard("the round trip was broken off"));
        answer.await.unwrap_or_else(|_| broken_off())
    }

    /// A grant of what is entered already.
    pub(super) fn grant(
        self: &Arc<Self>,
        granted: bool,
        account: &Arc<str>,
        amounts: Amounts,
    ) -> Grant {
        match granted {
            true => Grant::Granted(Reservation::new(self.clone(), account.clone(), amounts)),
            false => Grant::Refused,
        }
    }

    /// What this process may decide by itself while Redis is away.
    pub(super) fn grant_of_share(
        self: &Arc<Self>,
        state: &mut State,
        account: &Arc<str>,
        amounts: Amounts,
    ) -> Result<Grant> {
        let now_ms = self.now_ms();
        let State { tally, budgets, .. } = state;
        match budgets.try_reserve_of_share(account, amounts, tally, now_ms) {
            Some(granted) => Ok(self.grant(granted, account, amounts)),
            None => {
                let failure = state
                    .own_failure
                    .as_ref()
                    .map(|(_, failure)| failure.as_str());
                Err(never_heard(failure.unwrap_or("it did not answer")))
            }
        }
    }
}

fn never_heard(what: &str) -> Error {
    Error::new(
        Code::Store,
        format!(
            "nothing was sent, for what is spent of the budgets is in Redis: {what}. Check that it runs and can be reached from here."
        ),
    )
}
