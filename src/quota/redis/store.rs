//! The shared store: the lanes of all processes of a pool, in Redis.
//!
//! One script does a batch of operations on the lanes of one model group, as one step. While its round trip is under way new
//! operations gather and go with the next one: a lone request pays one round trip before it is sent and none after, and under
//! load many requests share one.
//!
//! Times in a booking are on the clock of Redis. Moments of the caller's clock go to Redis relative to its now.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    runtime::Handle,
    sync::{Notify, oneshot},
};

use super::{
    batch::{Batch, Charge, Delivery, Family, Operation},
    keys::Keys,
    processes::Processes,
    script,
};
use crate::{
    error::{Code, Error, Result},
    quota::{Answer, Ask, Booking, Candidate, Observation, Settlement, Standing},
    redis::{Connection, Failure, Value},
};

/// Lanes in Redis.
///
/// Its tasks live for a few round trips each, and end with the store. What was settled in the last moment before can be lost
/// with them; the room flows back as time passes.
#[derive(Debug)]
pub struct RedisStore {
    shared: Arc<Shared>,
}

/// What the store and its tasks have in common.
#[derive(Debug)]
struct Shared {
    connection: Arc<Connection>,
    keys: Keys,
    /// A carrier has nothing left to carry.
    carried: Notify,
    // Locked for a few instructions, never over an await.
    state: Mutex<State>,
    /// The time that the script is told instead of looking at its clock.
    #[cfg(test)]
    clock: Mutex<Option<f64>>,
}

#[derive(Debug)]
struct State {
    families: HashMap<Arc<str>, Family>,
    processes: Processes,
    /// The store is gone: no task begins any more.
    is_closed: bool,
}

impl RedisStore {
    /// A store for the pool of this name. `groups` are the names of its quota groups, by their indices: those of one name
    /// share their limits, in whatever process.
    pub fn new(connection: Arc<Connection>, pool: &str, groups: Vec<Arc<str>>) -> Self {
        RedisStore {
            shared: Arc::new(Shared {
                connection,
                keys: Keys::new(pool, groups),
                carried: Notify::new(),
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
        self.shared.state().processes.count(model_group)
    }

    /// Takes room that was used while Redis did not know.
    pub(in crate::quota) fn charge(&self, model_group: &Arc<str>, charge: Charge) {
        let operation = Operation::Charge(Box::new(charge));
        self.shared
            .with_family(model_group, |family| family.add(operation));
    }

    /// Whether a batch of a model group gets an answer, one that writes: where there is no memory, and on a replica, Redis
    /// answers all others.
    pub(in crate::quota) async fn probe(&self, model_group: &Arc<str>) -> Result<()> {
        let (sender, receiver) = oneshot::channel();
        // Our name is something to write.
        self.shared.state().processes.say_again(model_group);
        self.shared.with_family(model_group, |family| {
            family.add(Operation::Probe { answer: sender });
        });
        let answer = receiver.await;
        answer.unwrap_or_else(|_| Err(self.shared.error("the round trip was broken off")))
    }

    /// Returns when nothing is on its way or waits to be.
    pub(in crate::quota) async fn carried(&self) {
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

impl Shared {
    /// Changes what waits for a model group, and sends it unless a round trip is under way.
    fn with_family(self: &Arc<Self>, model_group: &Arc<str>, change: impl FnOnce(&mut Family)) {
        let mut state = self.state();
        let is_closed = state.is_closed;
        let family = state.families.entry(model_group.clone()).or_default();
        change(family);
        family.carry(|| {
            if is_closed {
                return None;
            }
            // Outside of a runtime nothing can be sent; it goes with what the next one has to say.
            let runtime = Handle::try_current().ok()?;
            let task = runtime.spawn(carry(self.clone(), model_group.clone()));
            Some(task.abort_handle())
        });
        if family.is_idle() {
            state.families.remove(model_group);
        }
    }

    fn next(&self, model_group: &Arc<str>) -> Option<Batch> {
        let mut state = self.state();
        let State {
            families,
            processes,
            ..
        } = &mut *state;
        let family = families.get_mut(model_group)?;
        let batch = family.next(&self.keys, model_group, self.clock(), processes);
        if family.is_idle() {
            families.remove(model_group);
        }
        drop(state);
        if batch.is_none() {
            self.carried.notify_waiters();
        }
        batch
    }

    /// Gives everybody the answer.
    fn deliver(
        self: &Arc<Self>,
        model_group: &Arc<str>,
        mut batch: Batch,
        answer: Result<Value, Failure>,
    ) {
        let deliveries = {
            let mut state = self.state();
            let State {
                families,
                processes,
                ..
            } = &mut *state;
            let family = families.entry(model_group.clone()).or_default();
            let answered = match answer {
                Ok(value) => batch
                    .answered(&value, family)
                    .ok_or_else(|| (true, self.error("its answer makes no sense"))),
                Err(failure) => Err((failure.may_have_run(), self.error(&failure.to_string()))),
            };
            match answered {
                Ok(answered) => {
                    if let Some(count) = answered.processes {
                        processes.counted(model_group, count);
                    }
                    answered.deliveries
                }
                Err((may_have_run, error)) => {
                    if batch.counts_processes {
                        processes.say_again(model_group);
                    }
                    batch.failed(may_have_run, &error, family)
                }
            }
        };
        for delivery in deliveries {
            match delivery {
                Delivery::Booking(to, claimant, answer) => {
                    if let Err(Ok(answer)) = to.send(answer) {
                        self.undo(claimant, model_group, answer);
                    }
                }
                // Nobody wants to know any more.
                Delivery::Standings(to, standings) => drop(to.send(standings)),
                Delivery::Probed(to, answer) => drop(to.send(answer)),
            }
        }
    }

    /// Gives back what was booked, or entered, for one who has gone away.
    fn undo(self: &Arc<Self>, claimant: u64, model_group: &Arc<str>, answer: Answer) {
        self.with_family(model_group, |family| match answer {
            Answer::Booked(booking) => family.add(unsent(booking)),
            Answer::Later { .. } => family.withdraw(claimant),
            Answer::Never { .. } => {}
        });
    }

    fn error(&self, what: &str) -> Error {
        let server = self.connection.describe();
        // Most failures begin with the server; one of many servers is named beside the whole.
        let what = match what.starts_with(server) {
            true => what.to_owned(),
            false => format!("{server}: {what}"),
        };
        let message = format!(
            "No room was booked, for the limits are in Redis: {what}. Check that it runs and can be reached from here; nothing \
             was sent to OpenAI, so the request can be made again."
        );
        Error::new(Code::Store, message)
    }

    fn clock(&self) -> String {
        #[cfg(test)]
        if let Some(now_ms) = *self.clock.lock().unwrap() {
            return now_ms.to_string();
        }
        String::new()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code under the lock panics halfway through a change, so the state is whole even then.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Carries batch after batch until nothing waits.
async fn carry(shared: Arc<Shared>, model_group: Arc<str>) {
    let carrier = Carrier {
        shared,
        model_group,
        is_done: false,
    };
    carrier.run().await;
}

/// A task that carries batches. Ended before it is done, it leaves its place to another.
struct Carrier {
    shared: Arc<Shared>,
    model_group: Arc<str>,
    is_done: bool,
}

impl Carrier {
    async fn run(mut self) {
        while let Some(batch) = self.shared.next(&self.model_group) {
            let answer = script::run(&self.shared.connection, &batch.request).await;
            self.shared.deliver(&self.model_group, batch, answer);
        }
        self.is_done = true;
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        if !self.is_done
            && let Some(family) = self.shared.state().families.get_mut(&self.model_group)
        {
            family.interrupt();
        }
    }
}

/// One who waits to be told whether there is room. Dropped, it leaves nothing taken behind.
struct Waiting<'a> {
    shared: &'a Arc<Shared>,
    ask: &'a Ask,
    answer: oneshot::Receiver<Result<Answer>>,
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

/// The end of a booking that nobody wanted.
fn unsent(booking: Booking) -> Operation {
    Operation::Settle(Box::new(Settlement::unsent(booking)))
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
    pub async fn book(&self, ask: &Ask, now_ms: f64) -> Result<Answer> {
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
        answer.unwrap_or_else(|_| Err(self.shared.error("the round trip was broken off")))
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
    pub async fn look(&self, ask: &Ask, now_ms: f64) -> Result<Vec<Standing>> {
        let (sender, receiver) = oneshot::channel();
        self.shared.with_family(&ask.model_group, |family| {
            family.add(Operation::Look {
                ask: from_now(ask, now_ms),
                answer: sender,
            });
        });
        let answer = receiver.await;
        answer.unwrap_or_else(|_| Err(self.shared.error("the round trip was broken off")))
    }
}
