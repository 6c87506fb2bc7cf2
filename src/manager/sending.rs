//! One call with the key of an account; and once more where the server refuses a key that a function gave, and it gives another.

use std::{sync::Arc, time::Duration};

use http::Method;
use tokio::time::Instant;

use super::{
    Manager, Request,
    exchange::{Coming, exchange, verdict_of},
    serving::Call,
    trail::Trail,
};
use crate::{
    attempt::Outcome,
    client::{Answer, Failure},
    config::{Account, Address},
    key::{ApiKey, CurrentKey},
    outcome::Verdict,
    scheduler::Permit,
};

/// Of the answers that refuse a key the one that another key may change.
const UNAUTHORIZED: u16 = 401;

/// How often a call is made again at once that came too late for its connection, as some servers close one after so many requests. A
/// server that goes on so is left alone like one that fails.
const MOST_NOT_BEGUN: u32 = 2;

/// What came of a call.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) answer: Result<Answer, Failure>,
    /// What is still to come of an answer that has begun.
    pub(super) coming: Option<Coming>,
    pub(super) verdict: Verdict,
    pub(super) took: Duration,
    /// The key that it was sent with.
    pub(super) key: ApiKey,
    /// Why the account's function gave no other key than the one that was refused.
    pub(super) key_failure: Option<Arc<str>>,
}

impl Manager {
    /// Makes the call of a permit, which is sent from here on. A refused key takes no room, so the permit holds for the next call too.
    pub(super) async fn send(
        &self,
        call: &Call<'_>,
        permit: &mut Permit,
        key: CurrentKey,
        waited: Duration,
        trail: &mut Trail,
    ) -> Sent {
        permit.sending();
        let account = permit.account().clone();
        let first = self.send_once(call, permit, &key, waited, trail).await;
        let is_refused = matches!(&first.answer, Ok(answer) if answer.status == UNAUTHORIZED);
        if !is_refused || !account.key.is_function() {
            return first;
        }
        trail.ended(Outcome::KeyRefused, Some(UNAUTHORIZED), first.took);
        match self.current_key(&account, Some(&key)).await {
            Ok(new) if new.key != key.key => {
                self.send_once(call, permit, &new, Duration::ZERO, trail)
                    .await
            }
            Ok(_) => first,
            Err(why) => Sent {
                key_failure: Some(why),
                ..first
            },
        }
    }

    async fn send_once(
        &self,
        call: &Call<'_>,
        permit: &Permit,
        key: &CurrentKey,
        waited: Duration,
        trail: &mut Trail,
    ) -> Sent {
        let Call {
            request, current, ..
        } = *call;
        let account = permit.account();
        let timeouts = request.options.timeouts;
        let timeouts = timeouts.unwrap_or(current.settings.timeouts);
        let body = request.body_for(account);
        trail.begins(permit, waited);
        let sent = Instant::now();
        let mut not_begun = 0;
        let exchanged = loop {
            let target = target(request, account, key);
            match exchange(&current.client, target, body.clone(), request, &timeouts).await {
                Err(Failure::NotBegun(..)) if not_begun < MOST_NOT_BEGUN => not_begun += 1,
                exchanged => break exchanged,
            }
        };
        let (answer, coming) = match exchanged {
            Ok((answer, coming)) => (Ok(answer), coming),
            Err(failure) => (Err(failure), None),
        };
        Sent {
            verdict: verdict_of(&answer),
            answer,
            coming,
            took: sent.elapsed(),
            key: key.key.clone(),
            key_failure: None,
        }
    }
}

/// Where a request goes, and how.
fn target(request: &Request, account: &Account, key: &CurrentKey) -> (Method, Address) {
    let path = match &request.route {
        // It is added as it came: what is escaped in it stays so.
        Some(_) => "/",
        None => request.path(),
    };
    let mut address = account.address(path, &request.model, &key.key);
    let method = match &request.route {
        Some(route) => {
            route.add_to(&mut address);
            route.method.clone()
        }
        None => Method::POST,
    };
    (method, address)
}
