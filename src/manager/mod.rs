//! The life of one request: count, book, send, judge, settle; again or done.
//!
//! This is the only place that repeats anything. The scheduler says who may send and when, the client makes one call,
//! [`outcome`](crate::outcome) says what its answer means, and [`retry`] whether that is the end.

mod arguments;
mod dropin;
mod facts;
mod failure;
mod ledger;
mod look;
mod metered;
mod prefix;
mod reply;
mod request;
mod retry;
mod serving;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::timeout};

pub use self::{
    arguments::{Need, Recorded},
    dropin::{DEFAULT_CHAT_MODEL, DEFAULT_EMBEDDINGS_MODEL, chat_request, embeddings_request},
    reply::{Reply, error_json},
    request::Request,
};
use self::{ledger::Ledger, serving::Trail};
use crate::{
    client::{Client, Destination},
    config::{RedisTarget, Settings},
    error::{Code, Error, Result},
    quota::{MemoryStore, SharedStore, Store, redis::RedisStore},
    redis,
    scheduler::{self, Scheduler},
};

/// The longest time that closing waits for Redis.
const LAST_WORDS: Duration = Duration::from_secs(2);

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

impl Manager {
    /// A manager over the settings' accounts. It shares its books with all processes of its pool in the Redis that `target` leads to;
    /// without one it keeps them in memory.
    pub fn new(settings: Settings, target: Option<&RedisTarget>) -> Result<Self> {
        let store: Arc<dyn Store> = match target {
            None => Arc::new(MemoryStore::new()),
            Some(target) => {
                let groups = scheduler::quota_groups(&settings.accounts);
                let redis = RedisStore::new(redis::shared(target)?, &settings.pool, groups);
                Arc::new(SharedStore::new(redis, settings.on_redis_down))
            }
        };
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
        let served = match served {
            Ok(served) => served,
            Err(_) => Err(Error::new(
                Code::Timeout,
                format!(
                    "the call took longer than {} ms (timeoutsMs.total)",
                    timeouts.total.as_millis()
                ),
            )),
        }
        .map_err(|error| error.with_attempts(trail.into_attempts()));
        if !request.options.observed {
            return served;
        }
        let warnings = self.scheduler.take_warnings();
        match served {
            Ok(reply) => Ok(Reply {
                warnings: Some(warnings),
                ..reply
            }),
            Err(error) => Err(error.with_warnings(warnings)),
        }
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

    /// Takes no more requests, waits for those in flight, and then until what they used is in the books.
    pub async fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        loop {
            let idle = self.idle.notified();
            tokio::pin!(idle);
            idle.as_mut().enable();
            if self.in_flight.load(Ordering::SeqCst) == 0 {
                break;
            }
            idle.await;
        }
        // What does not get there flows back by itself.
        let _ = timeout(LAST_WORDS, self.scheduler.carried()).await;
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
