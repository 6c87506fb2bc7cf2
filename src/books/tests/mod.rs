//! The books against real servers, which the tests start themselves.

mod away;
mod budgets;
mod counting;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::json;

use super::{Books, Clock, Counts, Entry, Shelf, UsageQuery};
use crate::redis::{
    Connection, TimeLimits,
    tests::{servers::Server, *},
};

/// A noon.
pub(super) const NOON: f64 = 1_795_521_600_000.0;

pub(super) const TODAY: &str = "2026-11-24";

pub(super) fn target(server: &Server) -> Json {
    json!({"tcp": {"host": "127.0.0.1", "port": server.port}})
}

pub(super) fn at(server: &Server) -> Connection {
    connection(&target(server), PATIENT)
}

/// Books, and their clock.
pub(super) struct Shop {
    pub(super) books: Books,
    pub(super) now_ms: Arc<Mutex<f64>>,
}

impl Shop {
    pub(super) fn new(connection: Connection, prefix: &str) -> Self {
        let now_ms = Arc::new(Mutex::new(NOON));
        let read = now_ms.clone();
        let shelf = Shelf {
            connection: Arc::new(connection),
            key_prefix: prefix.into(),
        };
        let clock = Clock::new(move || *read.lock().unwrap());
        Shop {
            books: Books::new("shop", clock, Some(shelf)),
            now_ms,
        }
    }

    pub(super) fn on(server: &Server) -> Self {
        Shop::new(at(server), "")
    }

    /// Gives up on an answer after this time.
    pub(super) fn hasty_on(server: &Server) -> Self {
        let limits = TimeLimits {
            round_trip: Duration::from_millis(200),
            ..PATIENT
        };
        Shop::new(connection(&target(server), limits), "")
    }

    pub(super) fn count(&self, account: &str, kind: &str, tokens: u64) {
        let entry = Entry {
            account: &account.into(),
            model: "gpt-4o",
            kind,
            counts: Counts([1, tokens, 0, 0, tokens, 3 * tokens]),
            tokens_left: None,
            requests_left: None,
        };
        self.books.count(&entry, None);
    }

    /// Waits until Redis has everything, however long that takes.
    pub(super) async fn settle(&self) {
        self.books.shared.settle().await;
    }

    pub(super) async fn usage(&self, query: Json) -> Result<Vec<Json>, crate::error::Error> {
        let query = UsageQuery::parse(&query.to_string(), NOON)?;
        let rows = self.books.usage(&query).await?;
        Ok(serde_json::from_str(&rows).unwrap())
    }

    /// The tokens of all processes.
    pub(super) async fn tokens(&self) -> u64 {
        let rows = self.usage(json!({"by": []})).await.unwrap();
        rows.first()
            .map_or(0, |row| row["totalTokens"].as_u64().unwrap())
    }
}

pub(super) async fn hash(direct: &Connection, key: &str) -> BTreeMap<String, String> {
    let answer = direct.run(&command(&format!("HGETALL {key}"))).await;
    redis::from_redis_value(answer.unwrap()).unwrap()
}

/// The keys that begin so.
pub(super) async fn keys(direct: &Connection, pattern: &str) -> Vec<String> {
    let answer = direct.run(&command(&format!("KEYS {pattern}"))).await;
    let mut keys: Vec<String> = redis::from_redis_value(answer.unwrap()).unwrap();
    keys.sort();
    keys
}
