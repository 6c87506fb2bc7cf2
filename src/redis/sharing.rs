//! One connection for all in this process that lead to the same place.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError, Weak},
};

use super::{Connection, TimeLimits};
use crate::{config::RedisTarget, error::Result};

/// The connections that somebody holds.
///
/// Of the whole process, so that worker threads share them as well. None of them belongs to a thread: one whose runtime ends is
/// connected again by its next caller.
static HELD: LazyLock<Mutex<HashMap<RedisTarget, Weak<Connection>>>> =
    LazyLock::new(Mutex::default);

/// The connection to a target: the one that others have, or a new one, which connects when it is first needed. It is closed when
/// nobody holds it any more.
///
/// Targets that differ only in what they put before keys share one: it is not the connection that does that.
pub fn shared(target: &RedisTarget) -> Result<Arc<Connection>> {
    let place = RedisTarget {
        key_prefix: "".into(),
        ..target.clone()
    };
    // A panic cannot leave the map half-changed.
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(connection) = held.get(&place).and_then(Weak::upgrade) {
        return Ok(connection);
    }
    let connection = Arc::new(Connection::new(&place, TimeLimits::default())?);
    held.retain(|_, connection| connection.strong_count() > 0);
    held.insert(place, Arc::downgrade(&connection));
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_targets_share_a_connection_for_as_long_as_somebody_holds_it() {
        let target = |json: &str| RedisTarget::parse(json).unwrap();
        let plain = target(r#"{"tcp": {"host": "sharing.test", "port": 1}}"#);
        let prefixed =
            target(r#"{"tcp": {"host": "sharing.test", "port": 1}, "keyPrefix": "app:"}"#);
        let other = target(r#"{"tcp": {"host": "sharing.test", "port": 1}, "database": 1}"#);
        let connection = shared(&plain).unwrap();
        assert!(Arc::ptr_eq(&connection, &shared(&prefixed).unwrap()));
        assert!(!Arc::ptr_eq(&connection, &shared(&other).unwrap()));
        let was = Arc::downgrade(&connection);
        drop(connection);
        assert!(was.upgrade().is_none());
    }
}
