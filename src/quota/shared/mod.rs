//! The store that processes share: the lanes in Redis; while Redis is away, this process's share of them in memory.
//!
//! Redis is taken to be away for a model group when a booking on its lanes gets no answer, whatever the reason: on a cluster a part
//! of the lanes can be away. From then on nothing waits for Redis; a task looks whether it is back, and then what was used
//! meanwhile is taken from the lanes there, once.
//!
//! ```text
//! seen        what this process has seen of the lanes
//! shortlist   which lanes a booking looks at where there are very many
//! outage      the lanes of one model group without Redis
//! ```

mod outage;
mod seen;
mod shortlist;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::time::{Instant, sleep};

pub use self::outage::Alone;
use self::{
    outage::{Outage, late_return},
    seen::Seen,
    shortlist::{answered, shortlist},
};
use super::{
    Answer, Ask, Observation, Pending, Settlement, Sharing, Standing, Store, redis::RedisStore,
};
use crate::{
    config::OnRedisDown,
    error::{Error, Result},
    warning::{Unheard, Warning},
};

/// The pause before Redis is asked for the first time whether it is back; it doubles each time.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause: lanes are shared again this long after Redis is back.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Lanes that processes share through Redis.
#[derive(Debug)]
pub struct SharedStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    redis: Arc<RedisStore>,
    on_redis_down: OnRedisDown,
    // Locked for arithmetic on a few lanes, never over an await.
    state: Mutex<State>,
    warnings: Unheard,
}

#[derive(Debug, Default)]
struct State {
    seen: Seen,
    /// By model group. Ends with the store, and so do their tasks.
    outages: HashMap<Arc<str>, Outage>,
    /// Outages so far.
    number: u64,
}

impl SharedStore {
    /// A store over the lanes in Redis.
    pub fn new(redis: RedisStore, on_redis_down: OnRedisDown) -> Self {
        SharedStore {
            shared: Arc::new(Shared {
                redis: Arc::new(redis),
                on_redis_down,
                state: Mutex::default(),
                warnings: Unheard::default(),
            }),
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // No code under the lock panics halfway through a change, so the state is whole even then.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What an outage of the ask's lanes says; `None` while there is none.
    fn alone<T>(
        &self,
        model_group: &Arc<str>,
        say: impl FnOnce(&mut Outage, &Seen) -> T,
    ) -> Option<T> {
        let mut state = self.state();
        let State { seen, outages, .. } = &mut *state;
        let outage = outages.get_mut(model_group)?;
        Some(say(outage, seen))
    }

    /// From now on the lanes of a model group do without Redis.
    fn begin(self: &Arc<Self>, model_group: &Arc<str>, because: Error, now_ms: f64) {
        let mut state = self.state();
        // Those who asked at the same time have all met the same.
        if state.outages.contains_key(model_group) {
            return;
        }
        state.number += 1;
        let recovery = tokio::spawn(recover(
            Arc::downgrade(self),
            self.redis.clone(),
            model_group.clone(),
        ));
        let processes = self.redis.processes(model_group);
        self.warnings.add(Warning::redis_away(
            because.message(),
            model_group,
            processes,
        ));
        let number = state.number;
        let outage = Outage::new(number, because, processes, now_ms, recovery.abort_handle());
        state.outages.insert(model_group.clone(), outage);
    }

    /// Redis is back.
    fn end(&self, model_group: &Arc<str>) {
        let mut state = self.state();
        let Some(outage) = state.outages.remove(model_group) else {
            return;
        };
        // Before anybody can book there again: the state is locked.
        for charge in outage.charges(model_group, outage.now_ms()) {
            self.redis.charge(model_group, charge);
        }
        self.warnings
            .add(Warning::redis_back(model_group, outage.lasted()));
    }
}

/// Asks Redis until it answers for a model group.
async fn recover(shared: Weak<Shared>, redis: Arc<RedisStore>, model_group: Arc<str>) {
    let mut pause = SHORTEST_PAUSE;
    loop {
        // Many processes lose Redis in the same moment; their return is spread over half of the pause.
        sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        let probed = redis.probe(&model_group).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        match probed {
            Ok(()) => return shared.end(&model_group),
            Err(_) => pause = LONGEST_PAUSE.min(pause * 2),
        }
    }
}

impl Store for SharedStore {
    fn book<'a>(&'a self, ask: &'a Ask, now_ms: f64) -> Pending<'a, Result<Answer>> {
        Box::pin(async move {
            let shared = &self.shared;
            let model_group = &ask.model_group;
            let asked = Instant::now();
            let booked_alone =
                |now_ms| shared.alone(model_group, |outage, seen| outage.book(ask, seen, now_ms));
            if let Some(answer) = booked_alone(now_ms) {
                return Ok(answer);
            }
            let some = shortlist(ask, &shared.state().seen, now_ms);
            let to_ask = some.as_ref().map_or(ask, |(some, _)| some);
            let answer = shared.redis.book(to_ask, now_ms).await;
            // The answer can have taken as long as a round trip may.
            let now_ms = now_ms + asked.elapsed().as_secs_f64() * 1000.0;
            match (answer, shared.on_redis_down) {
                (Ok(mut answer), _) => {
                    let seen = &mut shared.state().seen;
                    if let Some((_, indices)) = &some {
                        answer = answered(ask, indices, answer, seen, now_ms);
                    }
                    if let Answer::Booked(booking) = &answer {
                        seen.booked(booking, now_ms);
                    }
                    Ok(answer)
                }
                (Err(error), OnRedisDown::Fail) => Err(error),
                (Err(error), OnRedisDown::Degrade) => {
                    shared.begin(model_group, error.clone(), now_ms);
                    // It can be over already.
                    booked_alone(now_ms).ok_or(error)
                }
            }
        })
    }

    fn withdraw(&self, model_group: &str, claimant: u64) {
        self.shared.redis.withdraw(model_group, claimant);
        if let Some(outage) = self.shared.state().outages.get(model_group) {
            outage.withdraw(model_group, claimant);
        }
    }

    fn settle(&self, settlement: Settlement, now_ms: f64) {
        let shared = &self.shared;
        let mut state = shared.state();
        let State { seen, outages, .. } = &mut *state;
        seen.settled(&settlement);
        let model_group = settlement.booking.model_group.clone();
        let Some(alone) = settlement.booking.alone else {
            drop(state);
            return shared.redis.settle(settlement);
        };
        match outages.get_mut(&model_group) {
            Some(outage) if outage.number == alone.outage => {
                outage.settle(settlement, seen, now_ms);
            }
            _ => {
                drop(state);
                if let Some(charge) = late_return(&settlement, alone) {
                    shared.redis.charge(&model_group, charge);
                }
            }
        }
    }

    fn observe(&self, observation: Observation, now_ms: f64) {
        let shared = &self.shared;
        let mut state = shared.state();
        let State { seen, outages, .. } = &mut *state;
        match outages.get_mut(&observation.model_group) {
            Some(outage) => outage.observe(observation, seen, now_ms),
            None => {
                drop(state);
                shared.redis.observe(observation);
            }
        }
    }

    fn look<'a>(&'a self, ask: &'a Ask, now_ms: f64) -> Pending<'a, Result<Vec<Standing>>> {
        Box::pin(async move {
            let shared = &self.shared;
            let model_group = &ask.model_group;
            let asked = Instant::now();
            let looked_alone =
                |now_ms| shared.alone(model_group, |outage, seen| outage.look(ask, seen, now_ms));
            if let Some(standings) = looked_alone(now_ms) {
                return Ok(standings);
            }
            match (shared.redis.look(ask, now_ms).await, shared.on_redis_down) {
                (Err(error), OnRedisDown::Degrade) => {
                    let now_ms = now_ms + asked.elapsed().as_secs_f64() * 1000.0;
                    shared.begin(model_group, error.clone(), now_ms);
                    looked_alone(now_ms).ok_or(error)
                }
                (looked, _) => looked,
            }
        })
    }

    fn sharing(&self, model_group: &Arc<str>) -> Option<Sharing> {
        let shared = &self.shared;
        let state = shared.state();
        let outage = state.outages.get(model_group);
        Some(Sharing {
            server: shared.redis.describe().to_owned(),
            processes: shared.redis.processes(model_group),
            away: outage.map(|outage| (outage.lasted(), outage.because.message().to_owned())),
        })
    }

    fn take_warnings(&self) -> Vec<Warning> {
        self.shared.warnings.take()
    }

    fn carried(&self) -> Pending<'_, ()> {
        Box::pin(self.shared.redis.carried())
    }
}
