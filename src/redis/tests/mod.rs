//! The connection against real servers, which the tests start themselves.

pub(crate) mod cluster;
mod sentinel;
pub(crate) mod servers;
mod single;
mod tls;

use std::{future::Future, time::Duration};

use redis::{Cmd, Value};
pub(crate) use serde_json::Value as Json;
use tokio::time::{Instant, sleep};

use super::{Connection, Failure, TimeLimits};
use crate::config::RedisTarget;

/// Whatever a test waits for comes by then, on the slowest machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Limits that no test means to reach.
pub(crate) const PATIENT: TimeLimits = TimeLimits {
    connect: DEADLINE,
    round_trip: DEADLINE,
};

pub(crate) fn connection(target: &Json, limits: TimeLimits) -> Connection {
    Connection::new(&RedisTarget::parse(&target.to_string()).unwrap(), limits).unwrap()
}

pub(crate) fn command(words: &str) -> Cmd {
    let mut words = words.split(' ');
    let mut command = redis::cmd(words.next().unwrap_or_default());
    for word in words {
        command.arg(word);
    }
    command
}

/// Runs a command that must succeed; its answer as text.
pub(crate) async fn text(connection: &Connection, words: &str) -> String {
    let answer = connection.run(&command(words)).await;
    shown(&answer.unwrap_or_else(|failure| panic!("{words}: {failure}")))
}

/// Runs a command that must fail.
pub(crate) async fn failure(connection: &Connection, words: &str) -> Failure {
    let answer = connection.run(&command(words)).await;
    answer.expect_err(words)
}

pub(crate) fn shown(value: &Value) -> String {
    redis::from_redis_value_ref(value).unwrap_or_else(|_| format!("{value:?}"))
}

/// Asks until the answer is `Some`, or fails at the deadline with the last word.
pub(crate) async fn eventually<T, F: Future<Output = Result<T, String>>>(
    mut ask: impl FnMut() -> F,
) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(last) => assert!(Instant::now() < end, "not in time: {last}"),
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// Runs a command until it succeeds.
pub(crate) async fn eventually_text(connection: &Connection, words: &str) -> String {
    let command = command(words);
    eventually(|| async {
        let answer = connection.run(&command).await;
        answer
            .map(|value| shown(&value))
            .map_err(|failure| failure.to_string())
    })
    .await
}
