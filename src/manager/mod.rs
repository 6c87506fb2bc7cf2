//! The life of one request: count, book, send, judge, settle; again or done.
//!
//! This is the only place that repeats anything. The scheduler says who may send and when, the client makes one call,
//! [`outcome`](crate::outcome) says what its answer means, and [`retry`] whether that is the end.

mod answered;
mod arguments;
mod coalesce;
mod delivery;
mod dropin;
mod embedding;
mod end;
mod event_stream;
mod exchange;
mod facts;
mod failure;
mod keys;
mod live;
mod look;
mod made;
mod metered;
mod named;
mod passing;
mod pieces;
mod prefix;
mod reply;
mod request;
mod retry;
mod sending;
mod serving;
mod sharing;
mod streaming;
mod tally;
mod trail;
mod wanted;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{
    sync::Notify,
    time::{Instant, timeout, timeout_at},
};

use self::{
    answered::Answered,
    coalesce::UnderWay,
    embedding::Batches,
    live::{Current, Live},
    made::Made,
    sharing::Sharing,
    trail::Trail,
};
pub use self::{
    arguments::{Need, Recorded},
    dropin::{DEFAULT_CHAT_MODEL, DEFAULT_EMBEDDINGS_MODEL, chat_request, embeddings_request},
    embedding::Embedded,
    end::End,
    keys::KeyFunctions,
    reply::{Reply, error_json},
    request::Request,
    streaming::Streaming,
};
use crate::{
    books::{Books, Clock, Shelf},
    config::{RedisTarget, Settings, SharedChanges, UpdateOptions},
    error::{Code, Error, Result},
    quota::{MemoryStore, QuotaGroups, SharedStore, Store, redis::RedisStore},
    scheduler::Scheduler,
};

/// The longest time that closing waits for Redis.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Several accounts used as one.
#[derive(Debug)]
pub struct Manager {
    live: Arc<Live>,
    /// Where the pool has a Redis.
    sharing: Option<Sharing>,
    /// Where accounts have functions for keys.
    key_functions: Option<Arc<dyn KeyFunctions>>,
    scheduler: Arc<Scheduler>,
    books: Arc<Books>,
    made: Made,
    chats: Arc<UnderWay<Reply>>,
    embeds: Arc<UnderWay<Embedded>>,
    batches: Batches,
    closed: AtomicBool,
    in_flight: AtomicUsize,
    idle: Notify,
}

impl Manager {
    /// A manager over the settings' accounts. It shares its books with all processes of its pool in the Redis that `target` leads to;
    /// without one it keeps them in memory.
    pub fn new(settings: Settings, target: Option<&RedisTarget>) -> Result<Self> {
        let groups = Arc::new(QuotaGroups::default());
        let (store, shelf, sharing, made): (Arc<dyn Store>, _, _, _) = match target {
            None => (Arc::new(MemoryStore::new()), None, None, None),
            Some(target) => {
                let connection = crate::redis::shared(target)?;
                let pool = &settings.pool;
                let redis = RedisStore::new(connection.clone(), pool, groups.clone());
                let store = SharedStore::new(redis, settings.on_redis_down);
                let shelf = Shelf {
                    connection: connection.clone(),
                    key_prefix: target.key_prefix.clone(),
                };
                let made = (connection.clone(), pool.clone());
                let sharing = Sharing::new(connection, pool);
                (Arc::new(store), Some(shelf), Some(sharing), Some(made))
            }
        };
        let books = Arc::new(Books::new(&settings.pool, Clock::new(unix_ms), shelf));
        let scheduler = Scheduler::new(&settings.accounts, groups, store);
        let scheduler = Arc::new(scheduler.with_books(books.clone()));
        Ok(Manager {
            live: Arc::new(Live::new(settings, scheduler.clone(), books.clone())),
            sharing,
            key_functions: None,
            scheduler,
            books,
            made: Made::new(made),
            chats: Arc::default(),
            embeds: Arc::default(),
            batches: Batches::default(),
            closed: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            idle: Notify::new(),
        })
    }

    /// A manager that can ask functions for keys.
    #[must_use]
    pub fn with_key_functions(mut self, functions: Arc<dyn KeyFunctions>) -> Self {
        self.key_functions = Some(functions);
        self
    }

    /// The settings as they are now.
    pub fn settings(&self) -> Arc<Settings> {
        self.live.current().settings.clone()
    }

    /// Changes the settings by a JSON text; see [`Settings::changed`], and [`SharedChanges`] for what other processes take over. Requests
    /// in flight end as they were sent; those that wait go on waiting under the new settings. Where it fails, nothing is changed.
    pub async fn update(&self, changes: &str, options: UpdateOptions) -> Result<()> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(closed());
        }
        if !options.everywhere {
            return self.live.change(|settings| settings.changed(changes));
        }
        let changes = SharedChanges::parse(changes, &self.settings())?;
        match &self.sharing {
            Some(sharing) => sharing.share(&changes, &self.live).await,
            None => {
                self.live.take_over(changes.fields());
                Ok(())
            }
        }
    }

    /// Has it take over what other processes of its pool share, from now to its end; call it within a runtime.
    pub fn follow(&self) {
        if let Some(sharing) = &self.sharing
            && !self.closed.load(Ordering::SeqCst)
        {
            sharing.follow(&self.live);
        }
    }

    /// Serves a request: waits for room, sends, fails over, retries.
    pub async fn serve(self: &Arc<Self>, request: &Request) -> Result<Served> {
        let in_flight = InFlight::enter(self)?;
        let current = self.live.current();
        let total = request.options.total(&current.settings, unix_ms());
        let deadline = Instant::now() + total;
        let trail = Trail::default();
        let served = match self.serve_until(request, &current, deadline, trail).await {
            Ok(Answered::Whole(reply)) => Ok(Served::Reply(reply)),
            Ok(Answered::Begun(begun)) => {
                let streaming = begun.into_stream(request.clone(), current, deadline, in_flight);
                Ok(Served::Stream(Box::new(streaming)))
            }
            Err(error) => Err(error),
        };
        if !request.options.observed {
            return served;
        }
        let warnings = self.scheduler.take_warnings();
        match served {
            Ok(Served::Reply(reply)) => Ok(Served::Reply(Reply {
                warnings: Some(warnings),
                ..reply
            })),
            Ok(Served::Stream(stream)) => Ok(Served::Stream(Box::new(stream.warning(warnings)))),
            Err(error) => Err(error.with_warnings(warnings)),
        }
    }

    /// Serves a request until a moment when its call has taken too long.
    async fn serve_until(
        &self,
        request: &Request,
        current: &Current,
        deadline: Instant,
        mut trail: Trail,
    ) -> Result<Answered> {
        let served = timeout_at(deadline, self.attempts(request, current, &mut trail)).await;
        let served = match served {
            Ok(served) => served,
            Err(_) => Err(Error::timeout(
                "total",
                "the call took longer than timeoutsMs.total, or its deadline, allows",
            )),
        };
        served.map_err(|error| error.with_attempts(trail.into_attempts()))
    }

    /// Takes no more requests, waits for those in flight, and then until Redis has what they used: two seconds at most.
    pub async fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        if let Some(sharing) = &self.sharing {
            sharing.end();
        }
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
pub(crate) fn unix_ms() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    // A clock that stands before 1970 is broken; then all is counted on its first day.
    now.unwrap_or_default().as_secs_f64() * 1000.0
}

fn closed() -> Error {
    Error::new(Code::Closed, "this manager is closed; make a new one")
}

/// What a request gets.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // Lives for one match; a box would cost an allocation a request.
pub enum Served {
    /// A complete answer.
    Reply(Reply),
    /// One that comes in events.
    Stream(Box<Streaming>),
}

impl Served {
    /// The reply to a request that does not stream.
    fn into_reply(self) -> Result<Reply> {
        match self {
            Served::Reply(reply) => Ok(reply),
            // Only who asks for a stream is given one.
            Served::Stream(_) => Err(Error::new(Code::Upstream, "a stream that nobody asked for")),
        }
    }
}

/// Counts a request as in flight for as long as it lives.
#[derive(Debug)]
struct InFlight(Arc<Manager>);

impl InFlight {
    fn enter(manager: &Arc<Manager>) -> Result<Self> {
        // Counted before looking: close() sets its flag before it counts, so one of the two sees the other.
        manager.in_flight.fetch_add(1, Ordering::SeqCst);
        let entered = InFlight(manager.clone());
        if manager.closed.load(Ordering::SeqCst) {
            return Err(closed());
        }
        Ok(entered)
    }

    fn manager(&self) -> &Manager {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}
