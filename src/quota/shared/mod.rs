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
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    sync::Notify,
    task::AbortHandle,
    time::{Instant, sleep},
};

pub use self::outage::Alone;
use self::{
    outage::{Outage, late_return},
    seen::Seen,
    shortlist::{answered, shortlist},
};
use super::{
    Answer, Ask, Observation, Pending, Settlement, Sharing, Standing, Store,
    redis::{Away, RedisStore},
};
use crate::{
    config::OnRedisDown,
    error::Result,
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
    /// An outage has begun.
    began: Notify,
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
                began: Notify::new(),
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
        self: &Arc<Self>,
        model_group: &Arc<str>,
        say: impl FnOnce(&mut Outage, &Seen) -> T,
    ) -> Option<T> {
        let mut state = self.state();
        let State { seen, outages, .. } = &mut *state;
        let outage = outages.get_mut(model_group)?;
        if outage.recovery.is_finished() {
            // The runtime of the thread that it began on has ended.
            outage.recovery = self.recovery(model_group);
        }
        Some(say(outage, seen))
    }

    /// Asks Redis, of very many lanes for some first.
    async fn book(&self, ask: &Ask, now_ms: f64) -> Result<Answer, Away> {
        let some = shortlist(ask, &self.state().seen, now_ms);
        if let Some((some, indices)) = some {
            let asked = Instant::now();
            let answer = self.redis.book(&some, now_ms).await?;
            let now_ms = now_ms + asked.elapsed().as_secs_f64() * 1000.0;
            let answer = answered(ask, &indices, answer, &mut self.state().seen, now_ms);
            // That some are too small says nothing of the others.
            if !matches!(answer, Answer::Never { .. }) {
                return Ok(answer);
            }
        }
        self.redis.book(ask, now_ms).await
    }

    /// From now on the lanes of a model group do without Redis.
    fn begin(self: &Arc<Self>, model_group: &Arc<str>, because: Away, now_ms: f64) {
        let mut state = self.state();
        // Those who asked at the same time have all met the same.
        if state.outages.contains_key(model_group) {
            return;
        }
        state.number += 1;
        let recovery = self.recovery(model_group);
        let processes = self.redis.processes(model_group);
        self.warnings.add(Warning::redis_away(
            &because.to_string(),
            model_group,
            processes,
        ));
        let number = state.number;
        let outage = Outage::new(number, because, processes, now_ms, recovery);
        state.outages.insert(model_group.clone(), outage);
        drop(state);
        // Those who still wait for Redis need not.
        self.began.notify_waiters();
    }

    fn recovery(self: &Arc<Self>, model_group: &Arc<str>) -> AbortHandle {
        let recovery = recover(
            Arc::downgrade(self),
            self.redis.clone(),
            model_group.clone(),
        );
        tokio::spawn(recovery).abort_handle()
    }

    /// Redis is back.
    fn end(&self, model_group: &Arc<str>) {
        let mut state = self.state();
        let State { seen, outages, .. } = &mut *state;
        let Some(outage) = outages.remove(model_group) else {
            return;
        };
        // Before anybody can book there again: the state is locked.
        for charge in outage.charges(model_group, seen, outage.now_ms()) {
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
            let now_ms = || now_ms + asked.elapsed().as_secs_f64() * 1000.0;
            let booked_alone = || {
                let book = |outage: &mut Outage, seen: &Seen| outage.book(ask, seen, now_ms());
                let answer = shared.alone(model_group, book)?;
                if let Answer::Booked(_) = answer {
                    // It can have been told by Redis to come back.
                    shared.redis.withdraw(model_group, ask.claimant);
                }
                Some(answer)
            };
            // Registered before looking, so that none is missed in between.
            let mut began = pin!(shared.began.notified());
            began.as_mut().enable();
            if let Some(answer) = booked_alone() {
                return Ok(answer);
            }
            let mut asking = pin!(shared.book(ask, now_ms()));
            let answer = loop {
                tokio::select! {
                    answer = &mut asking => break answer,
                    () = &mut began => {
                        began.set(shared.began.notified());
                        began.as_mut().enable();
                        if let Some(answer) = booked_alone() {
                            return Ok(answer);
                        }
                    }
                }
            };
            match (answer, shared.on_redis_down) {
                (Ok(answer), _) => {
                    if let Answer::Booked(booking) = &answer {
                        let mut state = shared.state();
                        state.seen.booked(booking, ask.cost.tokens, now_ms());
                    }
                    Ok(answer)
                }
                (Err(away), OnRedisDown::Fail) => Err(away.into_error()),
                (Err(away), OnRedisDown::Degrade) => {
                    shared.begin(model_group, away.clone(), now_ms());
                    // It can be over already.
                    booked_alone().ok_or_else(|| away.into_error())
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
        seen.settled(&settlement, now_ms);
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
            let now_ms = || now_ms + asked.elapsed().as_secs_f64() * 1000.0;
            let looked_alone =
                || shared.alone(model_group, |outage, seen| outage.look(ask, seen, now_ms()));
            if let Some(standings) = looked_alone() {
                return Ok(standings);
            }
            match (shared.redis.look(ask, now_ms()).await, shared.on_redis_down) {
                (Ok(standings), _) => Ok(standings),
                (Err(away), OnRedisDown::Fail) => Err(away.into_error()),
                (Err(away), OnRedisDown::Degrade) => {
                    shared.begin(model_group, away.clone(), now_ms());
                    looked_alone().ok_or_else(|| away.into_error())
                }
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
            away: outage.map(|outage| (outage.lasted(), outage.because.to_string())),
        })
    }

    fn take_warnings(&self) -> Vec<Warning> {
        self.shared.warnings.take()
    }

    fn carried(&self) -> Pending<'_, ()> {
        Box::pin(async move {
            let shared = &self.shared;
            let away: Vec<Arc<str>> = shared.state().outages.keys().cloned().collect();
            for model_group in away {
                if shared.redis.probe(&model_group).await.is_ok() {
                    shared.end(&model_group);
                }
            }
            shared.redis.carried().await;
        })
    }
}
