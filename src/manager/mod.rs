//! The life of one request: count, book, send, judge, settle; again or done.
//!
//! This is the only place that repeats anything. The scheduler says who may send and when, the client makes one call,
//! [`outcome`](crate::outcome) says what its answer means, and [`retry`] whether that is the end.

mod arguments;
mod dropin;
mod facts;
mod failure;
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
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{sync::Notify, time::timeout};

use self::serving::Trail;
pub use self::{
    arguments::{Need, Recorded},
    dropin::{DEFAULT_CHAT_MODEL, DEFAULT_EMBEDDINGS_MODEL, chat_request, embeddings_request},
    reply::{Reply, error_json},
    request::Request,
};
use crate::{
    books::{Books, Clock, Shelf},
    client::{Client, Destination},
    config::{RedisTarget, Settings},
    error::{Code, Error, Result},
    quota::{MemoryStore, SharedStore, Store, redis::RedisStore},
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
    books: Arc<Books>,
    closed: AtomicBool,
    in_flight: AtomicUsize,
    idle: Notify,
}

impl Manager {
    /// A manager over the settings' accounts. It shares its books with all processes of its pool in the Redis that `target` leads to;
    /// without one it keeps them in memory.
    pub fn new(settings: Settings, target: Option<&RedisTarget>) -> Result<Self> {
        let (store, shelf): (Arc<dyn Store>, _) = match target {
            None => (Arc::new(MemoryStore::new()), None),
            Some(target) => {
                let connection = crate::redis::shared(target)?;
                let groups = scheduler::quota_groups(&settings.accounts);
                let redis = RedisStore::new(connection.clone(), &settings.pool, groups);
                let store = SharedStore::new(redis, settings.on_redis_down);
                let shelf = Shelf {
                    connection,
                    key_prefix: target.key_prefix.clone(),
                };
                (Arc::new(store), Some(shelf))
            }
        };
        let books = Arc::new(Books::new(&settings.pool, Clock::new(unix_ms), shelf));
        let budgets = settings.accounts.iter();
        let budgets: Vec<_> = budgets
            .map(|account| (account.label.clone(), account.budget))
            .collect();
        books.set_budgets(settings.budget, &budgets);
        let destinations = settings
            .accounts
            .iter()
            .map(Destination::new)
            .collect::<Result<_>>()?;
        Ok(Manager {
            scheduler: Arc::new(Scheduler::new(&settings, store).with_books(books.clone())),
            client: Client::new(settings.timeouts.connect),
            destinations,
            books,
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

    /// Takes no more requests, waits for those in flight, and then until Redis has what they used: two seconds at most.
    pub async fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.until_idle().await;
        // Room that nobody is told of flows back by itself.
        let carried = timeout(LAST_WORDS, self.scheduler.carried());
        let _ = tokio::join!(carried, self.books.close());
    }

    /// Whether something was counted that Redis has not acknowledged.
    pub fn has_news(&self) -> bool {
        self.books.has_news()
    }

    /// Returns when Redis has what was counted up to now, or after two seconds.
    pub async fn flush(&self) {
        self.books.flush().await;
    }

    async fn until_idle(&self) {
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

/// The wall clock.
fn unix_ms() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    // A clock that stands before 1970 is broken; then all is counted on its first day.
    now.unwrap_or_default().as_secs_f64() * 1000.0
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
