//! The life of one request: count, book, send, judge, settle; again or done.
//!
//! This is the only place that repeats anything. The scheduler says who may send and when, the client makes one call,
//! [`outcome`](crate::outcome) says what its answer means, and [`retry`] whether that is the end.

mod arguments;
mod dropin;
mod ledger;
mod look;
mod reply;
mod request;
mod retry;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};

pub use self::{
    arguments::{Need, Recorded},
    dropin::{DEFAULT_CHAT_MODEL, DEFAULT_EMBEDDINGS_MODEL, chat_request, embeddings_request},
    ledger::Totals,
    reply::{Reply, error_json},
    request::Request,
};
use self::{
    ledger::Ledger,
    request::names,
    retry::{Next, Tries},
};
use crate::{
    attempt::{Attempt, Outcome},
    client::{Answer, Client, Destination, Failure},
    config::Settings,
    error::{Code, Error, LastAnswer, Result},
    headers::Reading,
    models::{self, Tier},
    outcome::{Verdict, judge},
    quota::{Cost, Store},
    scheduler::{AccountStanding, Permit, Scheduler, Settling, Want},
    tokens::Estimate,
    usage::Usage,
};

/// Several accounts used as one.
#[derive(Debug)]
pub struct Manager {
    settings: Settings,
    scheduler: Arc<Scheduler>,
    client: Client,
    destinations: Vec<Destination>,
    ledger: Ledger,
    closed: AtomicBool,
    in_flight: AtomicUsize,
    idle: Notify,
}

/// The calls of one request so far.
#[derive(Debug, Default)]
struct Trail {
    attempts: Vec<Attempt>,
    waited: Duration,
}

/// What is known of the last attempt when a request fails.
#[derive(Debug)]
struct LastAttempt {
    verdict: Verdict,
    answer: Result<Answer, Failure>,
}

impl Manager {
    /// A manager over the settings' accounts, keeping its books in `store`.
    pub fn new(settings: Settings, store: Arc<dyn Store>) -> Result<Self> {
        let destinations = settings
            .accounts
            .iter()
            .map(Destination::new)
            .collect::<Result<_>>()?;
        Ok(Manager {
            scheduler: Arc::new(Scheduler::new(&settings, store)),
            client: Client::new(settings.timeouts.connect),
            destinations,
            ledger: Ledger::new(settings.accounts.len()),
            settings,
            closed: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            idle: Notify::new(),
        })
    }

    /// The settings that it was made with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Serves a request: waits for room, sends, fails over, retries.
    pub async fn serve(&self, request: &Request) -> Result<Reply> {
        let _in_flight = InFlight::enter(self)?;
        let timeouts = request.options.timeouts.unwrap_or(self.settings.timeouts);
        let mut trail = Trail::default();
        let served = timeout(timeouts.total, self.attempts(request, &mut trail)).await;
        match served {
            Ok(served) => served,
            Err(_) => Err(Error::new(
                Code::Timeout,
                format!(
                    "the call took longer than {} ms (timeoutsMs.total)",
                    timeouts.total.as_millis()
                ),
            )),
        }
        .map_err(|error| error.with_attempts(trail.attempts))
    }

    async fn attempts(&self, request: &Request, trail: &mut Trail) -> Result<Reply> {
        let options = &request.options;
        let estimate = request.estimate().await;
        let max_wait = options.max_wait.unwrap_or(self.settings.max_wait);
        let mut want = Want {
            model_group: request.model_group.clone(),
            cost: Cost {
                requests: 1.0,
                tokens: estimate.admission_tokens() as f64,
            },
            accounts: self.allowed(options.accounts.as_deref())?,
            refused_by: Vec::new(),
            held: Vec::new(),
            force: options.force,
            patience: max_wait,
        };
        let mut tries = Tries::new(
            options.max_retries.or(self.settings.max_retries),
            want.accounts
                .as_ref()
                .map_or(self.settings.accounts.len(), Vec::len),
        );
        let mut last: Option<LastAttempt> = None;
        loop {
            want.patience = max_wait.saturating_sub(trail.waited);
            let asked = Instant::now();
            let admitted = self.scheduler.admit(&want).await;
            let waited = asked.elapsed();
            trail.waited += waited;
            let permit = match (admitted, last) {
                (Ok(permit), _) => permit,
                (Err(error), None) => return Err(error),
                (Err(error), Some(last)) => return Err(self.gave_up(request, &error, last)),
            };
            let account = permit.account();
            let attempt = match self
                .attempt(request, permit, waited, trail, &estimate, &tries)
                .await
            {
                Ok(reply) => return Ok(reply),
                Err(attempt) => attempt,
            };
            match tries.after(&attempt.verdict, fastrand::f64()) {
                Next::Fail => return Err(self.failed(request, account, attempt)),
                Next::Anywhere => {}
                Next::Elsewhere => want.refused_by.push(account),
                Next::After(wait) => {
                    want.held.retain(|(held, _)| *held != account);
                    let until_ms = self.scheduler.now_ms() + wait.as_secs_f64() * 1000.0;
                    want.held.push((account, until_ms));
                }
            }
            // Only the first attempt may go where the books say that nothing is left; OpenAI has answered it.
            want.force = false;
            last = Some(attempt);
        }
    }

    /// One call: send, judge, settle.
    async fn attempt(
        &self,
        request: &Request,
        mut permit: Permit,
        waited: Duration,
        trail: &mut Trail,
        estimate: &Estimate,
        tries: &Tries,
    ) -> Result<Reply, LastAttempt> {
        let account = permit.account();
        let timeouts = request.options.timeouts.unwrap_or(self.settings.timeouts);
        permit.sending();
        let sent = Instant::now();
        let answer = self
            .client
            .post(
                &self.destinations[account],
                request.path(),
                request.body.clone(),
                &timeouts,
            )
            .await;
        let took = sent.elapsed();
        let mut verdict = verdict_of(&answer);
        let mut metered = None;
        if let (Ok(answer), Outcome::Ok) = (&answer, verdict.outcome) {
            metered = Metered::parse(&answer.body);
            if metered.is_none() {
                verdict.outcome = Outcome::Broken;
            }
        }
        let reading = answer.as_ref().map_or(Reading::default(), |answer| {
            Reading::from_headers(&answer.headers)
        });
        let tokens_left = reading.tokens.remaining.or(permit.tokens_left());
        let block = (verdict.outcome == Outcome::Limited).then(|| {
            verdict
                .wait
                .unwrap_or_else(|| tries.block_without_word(fastrand::f64()))
        });
        let cost = permit.cost();
        permit.settle(Settling {
            outcome: verdict.outcome,
            unspent: unspent(cost, &verdict, &answer),
            reading,
            limit_hit: verdict.limit_hit,
            block_ms: block.map(|block| block.as_secs_f64() * 1000.0),
        });
        trail.attempts.push(Attempt {
            account: self.settings.accounts[account].label.clone(),
            outcome: verdict.outcome,
            status: answer.as_ref().ok().map(|answer| answer.status),
            waited,
            took,
        });
        match (answer, metered) {
            (Ok(answer), Some(metered)) => Ok(self.reply(
                request,
                account,
                answer,
                metered,
                tokens_left,
                estimate,
                trail,
            )),
            (answer, _) => Err(LastAttempt { verdict, answer }),
        }
    }

    #[allow(clippy::too_many_arguments)] // Each is one fact of the reply; a struct of them would be used once.
    fn reply(
        &self,
        request: &Request,
        account: usize,
        answer: Answer,
        metered: Metered,
        tokens_left: Option<f64>,
        estimate: &Estimate,
        trail: &Trail,
    ) -> Reply {
        let usage = metered.usage;
        let cost =
            usage.and_then(|usage| self.cost(request, metered.service_tier.as_deref(), &usage));
        let tokens_used =
            usage.map_or_else(|| estimate.admission_tokens(), |usage| usage.total_tokens);
        self.ledger.add(account, request.kind(), tokens_used, cost);
        Reply {
            account: self.settings.accounts[account].label.clone(),
            status: answer.status,
            request_id: request_id(&answer),
            headers: answer.headers,
            body: answer.body,
            usage,
            tokens_used,
            cost,
            tokens_left,
            waited: trail.waited,
            attempts: trail.attempts.clone(),
        }
    }

    /// US dollars by the configured price of the requested or the sent model, else by our table.
    fn cost(&self, request: &Request, service_tier: Option<&str>, usage: &Usage) -> Option<f64> {
        let prices = &self.settings.prices;
        let configured = [
            &*request.model,
            &request.requested_model,
            models::without_date(&request.model),
        ]
        .into_iter()
        .find_map(|model| prices.get(model));
        match configured {
            Some(price) => price.cost(usage),
            None => models::price(&request.model, Tier::from_response(service_tier)?)?.cost(usage),
        }
    }

    /// Indices of the accounts that a caller allows.
    fn allowed(&self, labels: Option<&[String]>) -> Result<Option<Vec<usize>>> {
        let Some(labels) = labels else {
            return Ok(None);
        };
        let accounts = labels
            .iter()
            .map(|label| self.account(label, "options.accounts"));
        Ok(Some(accounts.collect::<Result<_>>()?))
    }

    /// The index of the account with this label.
    pub fn account(&self, label: &str, argument: &str) -> Result<usize> {
        let accounts = &self.settings.accounts;
        accounts.iter().position(|account| &*account.label == label).ok_or_else(|| {
            let known: Vec<&str> = accounts.iter().map(|account| &*account.label).collect();
            Error::new(
                Code::Argument,
                format!(
                    "`{argument}` names the account \"{}\", which is not configured; configured are: {}",
                    label.escape_debug(),
                    known.join(", ")
                ),
            )
        })
    }

    /// The error for a request whose last attempt is the end.
    fn failed(&self, request: &Request, account: usize, last: LastAttempt) -> Error {
        let label = &self.settings.accounts[account].label;
        let said = match (&last.answer, &last.verdict.error) {
            (Err(failure), _) => format!("account \"{label}\": {failure}"),
            (Ok(answer), Some(error)) => {
                format!(
                    "account \"{label}\" answered {}: {}",
                    answer.status, error.message
                )
            }
            (Ok(answer), None) if last.verdict.outcome == Outcome::Broken => {
                format!(
                    "account \"{label}\" answered {} with a body that is not JSON",
                    answer.status
                )
            }
            (Ok(answer), None) => format!("account \"{label}\" answered {}", answer.status),
        };
        let hint = match last.verdict.outcome {
            Outcome::ModelRefused => self.retired_hint(request),
            _ => String::new(),
        };
        upstream(Error::new(Code::Upstream, said + &hint), last)
    }

    /// The error for a request that found no further account after its last attempt.
    fn gave_up(&self, request: &Request, error: &Error, last: LastAttempt) -> Error {
        match error.code() {
            // The accounts' own words say more than "nobody is left".
            Code::NoAccount | Code::TooLarge => {
                let said = match (&last.answer, &last.verdict.error) {
                    (Err(failure), _) => failure.to_string(),
                    (Ok(_), Some(error)) => error.message.clone(),
                    (Ok(answer), None) => format!("status {}", answer.status),
                };
                let hint = match last.verdict.outcome {
                    Outcome::ModelRefused => self.retired_hint(request),
                    _ => String::new(),
                };
                let code = match last.verdict.outcome {
                    Outcome::TooLarge => Code::TooLarge,
                    _ => Code::Upstream,
                };
                upstream(
                    Error::new(code, format!("{said}{hint} ({})", error.message())),
                    last,
                )
            }
            code => {
                let mut again = Error::new(code, error.message());
                if let Some(after) = error.retry_after() {
                    again = again.with_retry_after(after);
                }
                upstream(again, last)
            }
        }
    }

    /// The date on which a refused model was turned off, and what to do about it.
    fn retired_hint(&self, request: &Request) -> String {
        match models::find(&request.model).and_then(|model| model.retired) {
            Some(date) => format!(
                " OpenAI's last day for \"{}\" is {date}: ask for another model, or set modelAliases: {{ \"{}\": \
                 \"gpt-6-luna\" }}",
                request.model, request.requested_model
            ),
            None => String::new(),
        }
    }

    /// How the accounts stand for a request to `model` (the drop-in functions' default if there is none), best first.
    pub async fn standings(
        &self,
        model: Option<&str>,
        tokens: f64,
    ) -> Result<Vec<AccountStanding>> {
        let (_, model_group) = names(
            self.settings
                .sent_model(model.unwrap_or(DEFAULT_CHAT_MODEL)),
            &self.settings,
        );
        let cost = Cost {
            requests: 1.0,
            tokens,
        };
        self.scheduler.standings(&model_group, cost).await
    }

    /// Records a request that the caller made by itself: `tokens` used, and what its response said is left.
    pub fn record(
        &self,
        account: usize,
        kind: &str,
        tokens: f64,
        tokens_left: Option<f64>,
        requests_left: Option<f64>,
    ) {
        let model = match kind {
            "embeddings" => DEFAULT_EMBEDDINGS_MODEL,
            _ => DEFAULT_CHAT_MODEL,
        };
        let (_, model_group) = names(self.settings.sent_model(model), &self.settings);
        let used = Cost {
            requests: 1.0,
            tokens,
        };
        self.scheduler
            .observe(account, model_group, used, requests_left, tokens_left);
        self.ledger.add(account, kind, tokens as u64, None);
    }

    /// What an account has used since this manager was made.
    pub fn totals(&self, account: usize) -> Totals {
        self.ledger.of(account)
    }

    /// Requests that wait for room.
    pub fn waiting(&self) -> usize {
        self.scheduler.waiting()
    }

    /// Takes no more requests and waits for those in flight.
    pub async fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        loop {
            let idle = self.idle.notified();
            tokio::pin!(idle);
            idle.as_mut().enable();
            if self.in_flight.load(Ordering::SeqCst) == 0 {
                return;
            }
            idle.await;
        }
    }
}

/// Adds the last answer to an error.
fn upstream(error: Error, last: LastAttempt) -> Error {
    let error = match last.verdict.wait {
        Some(wait) if error.retry_after().is_none() => error.with_retry_after(wait),
        _ => error,
    };
    let Ok(answer) = last.answer else {
        return error;
    };
    error.with_last_answer(LastAnswer {
        status: Some(answer.status),
        error: last.verdict.error,
        headers: reply::header_pairs(&answer.headers)
            .map(|(name, value)| (name.to_owned(), value.into_owned()))
            .collect(),
        request_id: request_id(&answer),
    })
}

fn verdict_of(answer: &Result<Answer, Failure>) -> Verdict {
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
fn unspent(cost: Cost, verdict: &Verdict, answer: &Result<Answer, Failure>) -> Cost {
    let tokens_only = Cost {
        requests: 0.0,
        ..cost
    };
    match (verdict.outcome, answer) {
        (_, Err(Failure::Connect(_))) => cost,
        // A refusal on requests takes nothing; one on tokens has used up a request.
        (Outcome::Limited, _) if verdict.limit_hit.is_some_and(|hit| !hit.tokens) => cost,
        (Outcome::Limited | Outcome::TooLarge, _) => tokens_only,
        // Refused at the door, before any limit.
        (Outcome::KeyRefused | Outcome::ModelRefused | Outcome::OutOfMoney, _) => cost,
        // Failed requests count toward the limits.
        _ => Cost::NOTHING,
    }
}

fn request_id(answer: &Answer) -> Option<String> {
    Some(
        answer
            .headers
            .get("x-request-id")?
            .to_str()
            .ok()?
            .to_owned(),
    )
}

/// What the books need of an answer's body. Reading it also shows that the body is JSON: what is not needed is skipped, not
/// built.
#[derive(Debug)]
struct Metered {
    usage: Option<Usage>,
    service_tier: Option<String>,
}

impl Metered {
    fn parse(body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            usage: Option<Usage>,
            #[serde(default)]
            service_tier: Option<String>,
        }
        match serde_json::from_slice(body) {
            Ok(Answer {
                usage,
                service_tier,
            }) => Some(Metered {
                usage,
                service_tier,
            }),
            // JSON of another shape is still an answer, only not one that says what it used.
            Err(_) => serde_json::from_slice::<IgnoredAny>(body)
                .ok()
                .map(|_| Metered {
                    usage: None,
                    service_tier: None,
                }),
        }
    }
}

/// Counts a request as in flight for as long as it lives.
struct InFlight<'a>(&'a Manager);

impl<'a> InFlight<'a> {
    fn enter(manager: &'a Manager) -> Result<Self> {
        // Counted before looking: close() sets its flag before it counts, so one of the two sees the other.
        manager.in_flight.fetch_add(1, Ordering::SeqCst);
        let entered = InFlight(manager);
        if manager.closed.load(Ordering::SeqCst) {
            return Err(Error::new(
                Code::Closed,
                "this manager is closed; make a new one",
            ));
        }
        Ok(entered)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}
