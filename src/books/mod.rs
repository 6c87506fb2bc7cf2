//! The books: what was used, by day, account, model and type; the keys that other programs read; what may be spent.
//!
//! Counting is a few additions under a lock that is held for nothing else. With a Redis the sums of all processes are there; a task
//! reports what is new, and nobody waits for it but those who ask for a budget, or to see usage.
//!
//! ```text
//! tally        which counters a request adds to
//!   sheet        the counters of one slot: totals of a writer, reports, what is acknowledged
//!   counts       what is counted of a request
//!   names        keys and fields in Redis
//!   day          days and months in UTC
//! budgets      who may spend now, and what is reserved
//!   limit        one budget, and what was spent of it
//! query        which usage a caller wants to see, and its rows
//! shared       what callers and the task have in common
//!   flush        one report of everything, and what becomes of it
//!     wire         a report as the arguments of report.lua
//!   pace         when it goes
//!   reservation  asking for what a request may cost, and the guard over it
//! ```

mod budgets;
mod counts;
mod day;
mod flush;
mod limit;
mod names;
mod pace;
mod query;
mod reservation;
mod shared;
mod sheet;
mod tally;
#[cfg(test)]
mod tests;
mod wire;

use std::{sync::Arc, time::Duration};

use tokio::{sync::Notify, time::timeout};

pub use self::{
    budgets::{BudgetStatus, Standing},
    counts::Counts,
    limit::Over,
    query::UsageQuery,
    reservation::{Amount, Grant, Reservation},
    shared::Clock,
    tally::Entry,
};
use self::{names::Names, shared::Shared};
use crate::{
    config::Budget,
    error::{Code, Error, Result},
    redis::{Connection, cmd, from_redis_value},
};

/// Whoever closes the books waits for Redis no longer than this.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Days that are read in one round trip: each is a hash of some hundred fields.
const DAYS_AT_ONCE: usize = 32;

/// Where the books of a pool are, beside this process.
#[derive(Debug)]
pub struct Shelf {
    /// The way there.
    pub connection: Arc<Connection>,
    /// Put before the keys that other programs read.
    pub key_prefix: Arc<str>,
}

/// The books of a pool.
#[derive(Debug)]
pub struct Books {
    shared: Arc<Shared>,
}

impl Books {
    /// Books for the pool of this name; without a shelf in this process's memory. `clock` tells the Unix time in ms.
    pub fn new(pool: &str, clock: Clock, shelf: Option<Shelf>) -> Self {
        let (connection, prefix) = match shelf {
            Some(shelf) => (Some(shelf.connection), shelf.key_prefix),
            None => (None, "".into()),
        };
        Books {
            shared: Arc::new(Shared::new(Names::new(pool, prefix), clock, connection)),
        }
    }

    /// Replaces what the pool and its accounts may spend.
    pub fn set_budgets(&self, pool: Budget, accounts: &[(Arc<str>, Budget)]) {
        self.shared.set_budgets(pool, accounts);
    }

    /// Adds a request. What was reserved for it is given back in the same step.
    pub fn count(&self, entry: &Entry<'_>, reservation: Option<Reservation>) {
        self.shared.count(entry, reservation);
    }

    /// What an account has used since these books were opened, by this process.
    pub fn of(&self, account: &str) -> Counts {
        self.shared.of(account)
    }

    /// What was used, as JSON. With a Redis by all processes; fails with [`Code::Store`] where that is away.
    pub async fn usage(&self, query: &UsageQuery) -> Result<String> {
        let Some(connection) = &self.shared.connection else {
            return Ok(self.shared.own_usage(query));
        };
        let away = |what: String| {
            Error::new(
                Code::Store,
                format!(
                    "the usage of all processes is in Redis: {what}. Check that it runs and can be reached from here, and ask again."
                ),
            )
        };
        self.shared.settle_once().await.map_err(away)?;
        let mut usage = query::Usage::new(query);
        let days: Vec<day::Day> = query.each_day().collect();
        for days in days.chunks(DAYS_AT_ONCE) {
            let commands: Vec<_> = days
                .iter()
                .map(|day| {
                    let mut command = cmd("HGETALL");
                    command.arg(&*self.shared.usage_key(*day));
                    command
                })
                .collect();
            for (day, answer) in days.iter().zip(connection.run_all(&commands).await) {
                let hash = answer.map_err(|failure| away(failure.to_string()))?;
                let fields: Vec<(String, String)> = from_redis_value(hash)
                    .map_err(|_| away(format!("the hash of {day} is none of ours")))?;
                for (field, amount) in fields {
                    usage.add(*day, &field, amount.parse().unwrap_or(0));
                }
            }
        }
        Ok(usage.to_json())
    }

    /// Whether something was counted that Redis has not acknowledged.
    pub fn has_news(&self) -> bool {
        self.shared.has_news()
    }

    /// Returns when Redis has everything that was counted, or after two seconds.
    pub async fn flush(&self) {
        // What has not arrived by then is tried again for as long as these books are there.
        let _ = timeout(LAST_WORDS, self.shared.settle()).await;
    }

    /// The last flush: this process has nothing more to say.
    pub async fn close(&self) {
        self.shared.leave();
        self.flush().await;
    }

    /// Whether anybody's spending is bounded.
    pub fn has_budgets(&self) -> bool {
        self.shared.has_budgets()
    }

    /// How an account stands, as far as budgets go.
    pub fn standing(&self, account: &str) -> Standing {
        self.shared.standing(account)
    }

    /// How the budgets of an account stand, or the pool's.
    pub fn budgets_of(&self, account: Option<&str>) -> Vec<BudgetStatus> {
        self.shared.budgets_of(account)
    }

    /// Reserves what a request may cost. Not granted where [`Books::standing`] is not open, which it is not afterwards. Fails
    /// with [`Code::Store`] where Redis has never said what was spent.
    pub async fn reserve(&self, account: &Arc<str>, amount: Amount) -> Result<Grant> {
        self.shared.reserve(account, amount).await
    }

    /// Asks Redis how budgets stand now, for [`Books::budgets_of`]. Where it is away, that tells what was known last.
    pub async fn look_at_budgets(&self) {
        if self.has_budgets() {
            self.shared.look().await;
        }
    }

    /// All who wait on it wake when a budget may stand differently.
    pub fn changed(&self) -> Arc<Notify> {
        self.shared.changed.clone()
    }

    /// The Unix time in ms by the clock of these books.
    pub fn now_ms(&self) -> f64 {
        self.shared.now_ms()
    }
}

impl Drop for Books {
    fn drop(&mut self) {
        self.shared.end();
    }
}
