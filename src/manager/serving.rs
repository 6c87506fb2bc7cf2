//! The attempts of one request: book, send, judge, settle; again or done.

use std::{mem, pin::pin, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    Manager, Reply, Request,
    answered::{Answered, Begun},
    delivery,
    exchange::unspent,
    failure::{failed, gave_up},
    live::Current,
    metered::{Metered, estimated_cost},
    prefix::wanted_prefix,
    reply::request_id,
    retry::{Next, Tries},
    sending::Sent,
    trail::Trail,
    unix_ms,
};
use crate::{
    attempt::Outcome,
    books::{Amount, Counts, Entry, Grant, Reservation},
    client::{Answer, Failure},
    config::{Account, CallOptions, Settings},
    error::Result,
    headers::Reading,
    key::{ApiKey, CurrentKey},
    outcome::Verdict,
    quota::Cost,
    scheduler::{Order, Permit, Settling, Want},
    tokens::Estimate,
};

/// A request, and what it is served by: the settings of the moment when it began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) request: &'a Request,
    estimate: &'a Estimate,
    pub(super) current: &'a Current,
}

/// What is known of the last attempt when a request fails.
#[derive(Debug)]
pub(super) struct LastAttempt {
    pub(super) account: Arc<Account>,
    pub(super) verdict: Verdict,
    pub(super) answer: Result<Answer, Failure>,
    /// What it was sent with.
    pub(super) key: ApiKey,
}

/// An attempt whose answer goes to the caller.
#[derive(Debug)]
struct ServedAttempt {
    account: Arc<Account>,
    answer: Answer,
    metered: Metered,
    /// Tokens left on the account for the model, where a limit is known.
    tokens_left: Option<f64>,
    /// Requests left on the account for the model, where the answer says so.
    requests_left: Option<f64>,
    /// What was reserved for it.
    reservation: Option<Reservation>,
}

impl Manager {
    /// Attempts a request until it is served or given up.
    pub(super) async fn attempts(
        &self,
        request: &Request,
        current: &Current,
        trail: &mut Trail,
    ) -> Result<Answered> {
        let estimate = &request.estimate().await;
        let call = Call {
            request,
            estimate,
            current,
        };
        let options = &request.options;
        let settings = &*current.settings;
        let max_wait = options.patience(settings, unix_ms());
        let mut want = Want {
            model: request.model.clone(),
            model_group: request.lane_of(estimate),
            cost: Cost {
                requests: 1.0,
                tokens: estimate.admission_tokens() as f64,
            },
            accounts: match self.maker_of(request, settings).await {
                Some(maker) => Some(vec![maker]),
                None => allowed(options.accounts.as_deref(), settings)?,
            },
            refused_by: Vec::new(),
            held: Vec::new(),
            prefix: wanted_prefix(request, estimate, settings),
            force: options.force,
            is_repeat: false,
            order: self.order(options, settings),
            patience: max_wait,
        };
        let mut tries = Tries::new(
            options.max_retries.or(settings.max_retries),
            want.accounts
                .as_ref()
                .map_or(settings.accounts.len(), Vec::len),
        );
        let mut last: Option<LastAttempt> = None;
        loop {
            want.patience = max_wait.saturating_sub(trail.waited);
            let asked = Instant::now();
            let room = {
                let room = pin!(self.scheduler.admit(&want));
                trail.wanted.until_room(room).await
            };
            let admitted = match room {
                Ok(permit) => self.may_spend(&call, permit).await,
                Err(error) => Err(error),
            };
            let waited = asked.elapsed();
            trail.waited += waited;
            let (permit, reservation, key) = match (admitted, last) {
                (Ok(Some((permit, reservation))), unchanged) => {
                    let Some(key) = self.key_for(&permit).await else {
                        // The account is parked by now. This one had its turn in line.
                        want.is_repeat = true;
                        last = unchanged;
                        continue;
                    };
                    (permit, reservation, key)
                }
                (Ok(None), unchanged) => {
                    // The scheduler knows by now which account may not spend. This one had its turn in line.
                    want.is_repeat = true;
                    last = unchanged;
                    continue;
                }
                (Err(error), None) => return Err(error),
                (Err(error), Some(last)) => return Err(gave_up(request, &error, last)),
            };
            let admitted = (permit, reservation, key);
            let attempt = match self.attempt(&call, admitted, waited, trail, &tries).await {
                Ok(answered) => return Ok(answered),
                Err(attempt) => attempt,
            };
            match tries.after(&attempt.verdict, fastrand::f64()) {
                Next::Fail => return Err(failed(request, attempt)),
                Next::Anywhere => {}
                Next::Elsewhere => want.refused_by.push(attempt.account.label.clone()),
                Next::After(wait) => {
                    let account = &attempt.account.label;
                    want.held.retain(|(held, _)| held != account);
                    let until_ms = self.scheduler.now_ms() + wait.as_secs_f64() * 1000.0;
                    want.held.push((account.clone(), until_ms));
                }
            }
            // Only the first attempt may go where the books say that nothing is left; OpenAI has answered it.
            want.force = false;
            want.is_repeat = true;
            last = Some(attempt);
        }
    }

    /// Reserves what a request may cost, where budgets bound that; without it the permit is given back unsent.
    async fn may_spend(
        &self,
        call: &Call<'_>,
        permit: Permit,
    ) -> Result<Option<(Permit, Option<Reservation>)>> {
        if !self.books.has_budgets() {
            return Ok(Some((permit, None)));
        }
        let prices = &call.current.settings.prices;
        let amount = Amount::new(
            call.estimate.admission_tokens(),
            estimated_cost(call.request, call.estimate, prices),
        );
        let label = &permit.account().label;
        Ok(match self.books.reserve(label, amount).await? {
            Grant::Granted(reservation) => Some((permit, Some(reservation))),
            Grant::Refused => None,
        })
    }

    /// One call: send, judge, settle.
    async fn attempt(
        &self,
        call: &Call<'_>,
        (mut permit, reservation, key): (Permit, Option<Reservation>, CurrentKey),
        waited: Duration,
        trail: &mut Trail,
        tries: &Tries,
    ) -> Result<Answered, LastAttempt> {
        let account = permit.account().clone();
        let Sent {
            answer,
            coming,
            mut verdict,
            took,
            key,
            key_failure,
        } = self.send(call, &mut permit, key, waited, trail).await;
        let mut metered = None;
        if let (Ok(answer), Outcome::Ok, None) = (&answer, verdict.outcome, &coming) {
            metered = match &call.request.route {
                // What is passed on need not be JSON, nor a stream where one was asked for.
                Some(_) => Some(Metered::parse(&answer.body).unwrap_or_default()),
                None => Metered::parse(&answer.body).filter(|_| !call.request.streams),
            };
            if metered.is_none() {
                verdict.outcome = Outcome::Broken;
            }
        }
        let reading = answer.as_ref().map_or(Reading::default(), |answer| {
            Reading::from_headers(&answer.headers)
        });
        if let Ok(answer) = &answer {
            permit.identify(&answer.headers);
        }
        let tokens_left = reading.tokens.remaining.or(permit.tokens_left());
        let requests_left = reading.requests.remaining;
        let block = (verdict.outcome == Outcome::Limited).then(|| {
            verdict
                .wait
                .unwrap_or_else(|| tries.block_without_word(fastrand::f64()))
        });
        let settling = Settling {
            outcome: verdict.outcome,
            loss: answer.as_ref().err().and_then(Failure::loss).cloned(),
            unspent: unspent(&verdict, &answer),
            reading,
            limit_hit: verdict.limit_hit,
            block_ms: block.map(|block| block.as_secs_f64() * 1000.0),
        };
        let status = answer.as_ref().ok().map(|answer| answer.status);
        trail.ended(verdict.outcome, status, took);
        if let (Some(coming), Ok(answer)) = (coming, &answer) {
            return Ok(Answered::Begun(Box::new(Begun {
                coming,
                served: delivery::Served {
                    account: account.label.clone(),
                    tokens_left,
                    requests_left,
                    waited: trail.waited,
                    attempts: mem::take(&mut trail.attempts),
                    request_id: request_id(answer),
                    warnings: None,
                },
                estimate: *call.estimate,
                reservation,
                slot: permit.settle_and_stay(settling),
            })));
        }
        permit.settle(settling);
        if let Some(why) = key_failure {
            self.scheduler.key_failed(&account, why);
        }
        match (answer, metered) {
            (Ok(answer), Some(metered)) => {
                let served = ServedAttempt {
                    account,
                    answer,
                    metered,
                    tokens_left,
                    requests_left,
                    reservation,
                };
                Ok(Answered::Whole(self.reply(call, served, trail)))
            }
            (answer, _) => Err(LastAttempt {
                account,
                verdict,
                answer,
                key,
            }),
        }
    }

    /// Enters a served attempt into the books and makes the reply.
    fn reply(&self, call: &Call<'_>, served: ServedAttempt, trail: &mut Trail) -> Reply {
        let Call {
            request, estimate, ..
        } = *call;
        let ServedAttempt {
            account,
            answer,
            metered,
            tokens_left,
            requests_left,
            reservation,
        } = served;
        self.made.note(request, &answer.body, &account.label);
        let cost = metered.cost(request, &call.current.settings.prices);
        let tokens_used = metered
            .usage
            .map_or_else(|| estimate.admission_tokens(), |usage| usage.total_tokens);
        let counts = metered.usage.map_or_else(
            || Counts::of_tokens(tokens_used),
            |usage| Counts::of_usage(&usage, cost),
        );
        let entry = Entry {
            account: &account.label,
            model: request.counted_model(),
            kind: request.kind(),
            counts,
            tokens_left,
            requests_left,
        };
        self.books.count(&entry, reservation);
        Reply {
            account: account.label.clone(),
            status: answer.status,
            request_id: request_id(&answer),
            headers: answer.headers,
            body: answer.body,
            usage: metered.usage,
            tokens_used,
            cost,
            tokens_left,
            waited: trail.waited,
            attempts: mem::take(&mut trail.attempts),
            warnings: None,
            coalesced: false,
        }
    }

    /// The place in line that the options ask for. Only a wait that this call names makes it urgent: the pool's longest wait
    /// is the same for all.
    fn order(&self, options: &CallOptions, settings: &Settings) -> Order {
        let tenant = options.tenant.as_deref().unwrap_or_default();
        Order {
            priority: options.priority,
            deadline_ms: options
                .named_patience(unix_ms())
                .map_or(f64::INFINITY, |wait| {
                    self.scheduler.now_ms() + wait.as_secs_f64() * 1000.0
                }),
            tenant: tenant.into(),
            weight: settings.tenant_weights.get(tenant).copied().unwrap_or(1.0),
        }
    }
}

/// Labels of the accounts that a caller allows.
pub(super) fn allowed(
    labels: Option<&[String]>,
    settings: &Settings,
) -> Result<Option<Vec<Arc<str>>>> {
    let Some(labels) = labels else {
        return Ok(None);
    };
    let accounts = labels.iter().map(|label| {
        let account = settings.account(label, "options.accounts")?;
        Ok(account.label.clone())
    });
    Ok(Some(accounts.collect::<Result<_>>()?))
}
