//! First come, first served, among callers that wait for the same.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{Mutex as TurnMutex, OwnedMutexGuard};

/// Queues kept before those without anybody in them are dropped.
const MOST_QUEUES: usize = 1_024;

/// A model group, and the accounts that may serve the caller (`None` is all).
pub(super) type QueueKey = (Arc<str>, Option<Vec<usize>>);

/// The queues. tokio's mutex is a queue: it is fair, and a caller that goes away leaves its place.
#[derive(Debug, Default)]
pub(super) struct Queues {
    queues: Mutex<HashMap<QueueKey, Arc<TurnMutex<()>>>>,
}

impl Queues {
    /// Waits until all who came before have had their turn; the turn lasts as long as the guard.
    pub(super) async fn turn(&self, key: QueueKey) -> OwnedMutexGuard<()> {
        self.of(key).lock_owned().await
    }

    fn of(&self, key: QueueKey) -> Arc<TurnMutex<()>> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if queues.len() >= MOST_QUEUES && !queues.contains_key(&key) {
            // Whoever waits or has the turn holds a second reference.
            queues.retain(|_, queue| Arc::strong_count(queue) > 1);
        }
        queues.entry(key).or_default().clone()
    }
}
