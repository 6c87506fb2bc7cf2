//! What the store and its tasks have in common, and the tasks: each carries the batches of one model group.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
};

use tokio::{
    runtime::Handle,
    sync::Notify,
    task::yield_now,
    time::{Instant, timeout_at},
};

use super::{
    away::Away,
    batch::{Batch, Delivery, Family, Operation},
    keys::Keys,
    processes::Processes,
    script,
};
use crate::{
    quota::{Answer, Booking, Settlement},
    redis::{Connection, Failure, Value},
};

/// What the store and its tasks have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) connection: Arc<Connection>,
    pub(super) keys: Keys,
    /// A carrier has nothing left to carry.
    pub(super) carried: Notify,
    /// Charges so far.
    pub(super) charges: AtomicU64,
    // Locked for a few instructions, never over an await.
    pub(super) state: Mutex<State>,
    /// The time that the script is told instead of looking at its clock.
    #[cfg(test)]
    pub(super) clock: Mutex<Option<f64>>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) families: HashMap<Arc<str>, Family>,
    pub(super) processes: Processes,
    /// The store is gone: no task begins any more.
    pub(super) is_closed: bool,
}

impl Shared {
    /// Changes what waits for a model group, and sends it unless a round trip is under way.
    pub(super) fn with_family(
        self: &Arc<Self>,
        model_group: &Arc<str>,
        change: impl FnOnce(&mut Family),
    ) {
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

    fn linger(&self, model_group: &Arc<str>) -> Option<(Instant, Arc<Notify>)> {
        let mut state = self.state();
        state.families.get_mut(model_group)?.linger(Instant::now())
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
                    .ok_or_else(|| (true, self.away("its answer makes no sense"))),
                Err(failure) => Err((failure.may_have_run(), self.away(&failure.to_string()))),
            };
            match answered {
                Ok(answered) => {
                    if let Some(count) = answered.processes {
                        processes.counted(model_group, count, Instant::now());
                    }
                    answered.deliveries
                }
                Err((may_have_run, away)) => {
                    if batch.counts_processes {
                        processes.say_again(model_group);
                    }
                    batch.failed(may_have_run, &away, family)
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
    pub(super) fn undo(self: &Arc<Self>, claimant: u64, model_group: &Arc<str>, answer: Answer) {
        self.with_family(model_group, |family| match answer {
            Answer::Booked(booking) => family.add(unsent(booking)),
            Answer::Later { .. } => family.withdraw(claimant),
            Answer::Never { .. } => {}
        });
    }

    pub(super) fn away(&self, what: &str) -> Away {
        Away::new(self.connection.describe(), what)
    }

    fn clock(&self) -> String {
        #[cfg(test)]
        if let Some(now_ms) = *self.clock.lock().unwrap() {
            return now_ms.to_string();
        }
        String::new()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // No code under the lock panics halfway through a change, so the state is whole even then.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often a batch that could leave lets others go before it. Each turn takes no time where there are none. Measured with 64
/// callers, while eight of a line asked at a time: 0.25 round trips for a request without turns, 0.16 with one, 0.13 with four, 0.11 with
/// twelve; four took a tenth off the CPU of a request and a quarter off that of Redis, and more gained nothing.
const TURNS_OF_OTHERS: usize = 4;

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
        loop {
            while let Some((until, told)) = self.shared.linger(&self.model_group) {
                // Told or in time, it looks again.
                let _ = timeout_at(until, told.notified()).await;
            }
            // Others that can go on at this moment do so first: they may have a booking, or a settlement, too.
            for _ in 0..TURNS_OF_OTHERS {
                yield_now().await;
            }
            // What came meanwhile may have to wait for company in its turn: behind a booking alone it is the settlement of the same request.
            if self.shared.linger(&self.model_group).is_some() {
                continue;
            }
            let Some(batch) = self.shared.next(&self.model_group) else {
                break;
            };
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

/// The end of a booking that nobody wanted.
fn unsent(booking: Booking) -> Operation {
    Operation::Settle(Box::new(Settlement::unsent(booking)))
}
