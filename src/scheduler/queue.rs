//! First come, first served, for each model group.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{Mutex as TurnMutex, OwnedMutexGuard};

/// Queues kept before those without anybody in them are dropped.
const MOST_QUEUES: usize = 1_024;

/// One queue a model group. tokio's mutex is the queue: it is fair, and a caller that goes away leaves its place.
#[derive(Debug, Default)]
pub(super) struct Queues {
    queues: Mutex<HashMap<Arc<str>, Arc<TurnMutex<()>>>>,
}

impl Queues {
    /// Waits until all who came before have had their turn; the turn lasts as long as the guard.
    pub(super) async fn turn(&self, model_group: &Arc<str>) -> OwnedMutexGuard<()> {
        self.of(model_group).lock_owned().await
    }

    fn of(&self, model_group: &Arc<str>) -> Arc<TurnMutex<()>> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if queues.len() >= MOST_QUEUES && !queues.contains_key(model_group) {
            // Whoever waits or has the turn holds a second reference.
            queues.retain(|_, queue| Arc::strong_count(queue) > 1);
        }
        queues.entry(model_group.clone()).or_default().clone()
    }
}
