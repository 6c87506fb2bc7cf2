//! The shared store: the lanes of all processes of a pool, in Redis.
//!
//! One script does a batch of operations on the lanes of one model group, as one step. While its round trip is under way new
//! operations gather and go with the next one: a lone request pays one round trip before it is sent and none after, and under
//! load many requests share one.
//!
//! Times in a booking are on the clock of Redis. Moments of the caller's clock go to Redis relative to its now.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};

use super::{
    away::Away,
    batch::{Charge, Family, Operation},
    carrier::{Shared, State},
    keys::Keys,
    processes::Processes,
};
use crate::{
    quota::{Answer, Ask, Candidate, Observation, QuotaGroups, Settlement, Standing},
    redis::Connection,
};

/// Lanes in Redis.
///
/// Its tasks live for a few round trips each, and end with the store. What was settled in the last moment before can be lost
/// with them; the room flows back as time passes.
#[derive(Debug)]
pub struct RedisStore {
    shared: Arc<Shared>,
}

impl RedisStore {
    /// A store for the pool of this name. Quota groups of one name share their limits, in whatever process.
    pub fn new(connection: Arc<Connection>, pool: &str, groups: Arc<QuotaGroups>) -> Self {
        RedisStore {
            shared: Arc::new(Shared {
                connection,
                keys: Keys::new(pool, groups),
                carried: Notify::new(),
                charges: AtomicU64::new(0),
                state: Mutex::new(State {
                    families: HashMap::new(),
                    processes: Processes::new(),
                    is_closed: false,
                }),
                #[cfg(test)]
                clock: Mutex::default(),
            }),
        }
    }

    /// Where it is, for messages and the status.
    pub fn describe(&self) -> &str {
        self.shared.connection.describe()
    }

    /// How many processes share the lanes of a model group, as far as is known.
    pub(in crate::quota) fn processes(&self, model_group: &Arc<str>) -> f64 {
        let state = self.shared.state();
        state.processes.count(model_group, Instant::now())
    }

    /// Takes room that was used while Redis did not know.
    pub(in crate::quota) fn charge(&self, model_group: &Arc<str>, charge: Charge) {
        let number = self.shared.charges.fetch_add(1, Ordering::Relaxed) + 1;
        let operation = Operation::Charge(Box::new(charge), number);
        self.shared
            .with_family(model_group, |family| family.add(operation));
    }

    /// Whether Redis answers a batch of a model group, and writes: where there is no memory, and on a replica, it answers all others.
    pub(in crate::quota) async fn probe(&self, model_group: &Arc<str>) -> Result<(), Away> {
        let (sender, receiver) = oneshot::channel();
        // Our name is something to write.
        self.shared.state().processes.say_again(model_group);
        self.shared.with_family(model_group, |family| {
            family.add(Operation::Probe { answer: sender });
        });
        let answer = receiver.await;
        answer.unwrap_or_else(|_| Err(self.shared.away("the round trip was broken off")))
    }

    /// Returns when nothing is on its way or waits to be. What was kept is tried once more.
    pub(in crate::quota) async fn carried(&self) {
        let keeping: Vec<Arc<str>> = {
            let state = self.shared.state();
            let families = state.families.iter();
            let keeping = families.filter(|(_, family)| family.keeps());
            keeping
                .map(|(model_group, _)| model_group.clone())
                .collect()
        };
        for model_group in keeping {
            // It takes along what is kept; where it fails, that is lost.
            let _ = self.probe(&model_group).await;
        }
        loop {
            let carried = self.shared.carried.notified();
            tokio::pin!(carried);
            carried.as_mut().enable();
            if !self.shared.state().families.values().any(Family::is_busy) {
                return;
            }
            carried.await;
        }
    }

    /// From now on the script takes this for the time.
    #[cfg(test)]
    pub(super) fn set_clock(&self, now_ms: f64) {
        *self.shared.clock.lock().unwrap() = Some(now_ms);
    }
}

impl Drop for RedisStore {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.is_closed = true;
        for family in state.families.values_mut() {
            family.abort();
        }
    }
}

/// One who waits to be told whether there is room. Dropped, it leaves nothing taken behind.
struct Waiting<'a> {
    shared: &'a Arc<Shared>,
    ask: &'a Ask,
    answer: oneshot::Receiver<Result<Answer, Away>>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        // From here on whoever answers finds it closed and gives the room back; what has come before is given back here.
        self.answer.close();
        if let Ok(Ok(answer)) = self.answer.try_recv() {
            let (claimant, model_group) = (self.ask.claimant, &self.ask.model_group);
            self.shared.undo(claimant, model_group, answer);
        }
    }
}

/// The ask with moments from now on.
fn from_now(ask: &Ask, now_ms: f64) -> Ask {
    let candidates = ask.candidates.iter().map(|candidate| Candidate {
        not_before_ms: candidate.not_before_ms - now_ms,
        ..candidate.clone()
    });
    Ask {
        candidates: candidates.collect(),
        ..ask.clone()
    }
}

/// What a store does; see [`Store`](crate::quota::Store).
impl RedisStore {
    /// Chooses the lane and takes the room.
    pub async fn book(&self, ask: &Ask, now_ms: f64) -> Result<Answer, Away> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = Waiting {
            shared: &self.shared,
            ask,
            answer: receiver,
        };
        self.shared.with_family(&ask.model_group, |family| {
            family.add(Operation::Book {
                ask: from_now(ask, now_ms),
                answer: sender,
            });
        });
        let answer = (&mut waiting.answer).await;
        answer.unwrap_or_else(|_| Err(self.shared.away("the round trip was broken off")))
    }

    /// Forgets the claim of one who will not ask again.
    pub fn withdraw(&self, model_group: &str, claimant: u64) {
        let model_group: Arc<str> = model_group.into();
        self.shared
            .with_family(&model_group, |family| family.withdraw(claimant));
    }

    /// Closes a booking.
    pub fn settle(&self, settlement: Settlement) {
        let model_group = settlement.booking.model_group.clone();
        let operation = Operation::Settle(Box::new(settlement));
        self.shared
            .with_family(&model_group, |family| family.add(operation));
    }

    /// Takes over what a caller learned elsewhere.
    pub fn observe(&self, observation: Observation) {
        let model_group = observation.model_group.clone();
        let operation = Operation::Observe(Box::new(observation));
        self.shared
            .with_family(&model_group, |family| family.add(operation));
    }

    /// How each candidate of an ask stands.
    pub async fn look(&self, ask: &Ask, now_ms: f64) -> Result<Vec<Standing>, Away> {
        let (sender, receiver) = oneshot::channel();
        self.shared.with_family(&ask.model_group, |family| {
            family.add(Operation::Look {
                ask: from_now(ask, now_ms),
                answer: sender,
            });
        });
        let answer = receiver.await;
        answer.unwrap_or_else(|_| Err(self.shared.away("the round trip was broken off")))
    }
}
