//! What callers and the task that reports have in common.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{runtime::Handle, sync::Notify, task::AbortHandle};

use super::{
    BudgetStatus, Counts, Entry, Reservation, Standing, UsageQuery,
    budgets::Budgets,
    day::Day,
    flush::carry,
    limit::Amounts,
    names::Names,
    pace::{Pace, Urge},
    reservation::Ask,
    tally::Tally,
};
use crate::{config::Budget, redis::Connection};

/// The Unix time in ms.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> f64 + Send + Sync>);

impl Clock {
    /// A clock that this function reads.
    pub fn new(read: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        Clock(Arc::new(read))
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// A process with nothing to say looks this often whether Redis still has all that it said.
pub(super) const LOOK: Duration = Duration::from_secs(60);

/// One that has budgets says this often that it lives, what it has reserved, and hears what others have spent.
const LOOK_WITH_BUDGETS: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) connection: Option<Arc<Connection>>,
    /// The name of this process among those of the pool.
    pub(super) process: String,
    clock: Clock,
    // Locked for a few instructions, never over an await.
    state: Mutex<State>,
    /// There is something to report.
    pub(super) work: Notify,
    /// A report has ended.
    pub(super) ended: Notify,
    /// A budget may stand differently.
    pub(super) changed: Arc<Notify>,
    has_budgets: AtomicBool,
    /// The time that the script is told instead of looking at its clock.
    #[cfg(test)]
    pub(super) server_clock: Mutex<Option<f64>>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) tally: Tally,
    pub(super) budgets: Budgets,
    /// Those who wait for Redis to grant a reservation.
    pub(super) asks: Vec<Ask>,
    pub(super) pace: Pace,
    /// Counts and changes of reservations so far.
    pub(super) changes: u64,
    /// Of these, Redis has acknowledged so many.
    pub(super) acknowledged: u64,
    /// The same, of usage and budgets alone: keys that other programs read can lie on a server that is away, or be forbidden.
    pub(super) own_acknowledged: u64,
    /// Reports begun.
    pub(super) rounds: u64,
    /// The last report of which some failed.
    pub(super) failed: Option<u64>,
    /// The last report of usage and budgets that failed, and why.
    pub(super) own_failure: Option<(u64, String)>,
    /// Whether the last report of usage and budgets failed.
    pub(super) is_away: bool,
    /// The task that reports, while there is one.
    carrier: Option<AbortHandle>,
    /// The next report says that there is nothing more to come.
    pub(super) is_leaving: bool,
    /// The books are gone since this report: what was counted is reported once more.
    pub(super) ended_after: Option<u64>,
}

impl State {
    /// What there is to report.
    pub(super) fn urge(&self) -> Urge {
        if !self.asks.is_empty() {
            Urge::Asks
        } else if self.changes > self.acknowledged || self.is_leaving {
            Urge::Counts
        } else if self.budgets.is_empty() {
            Urge::Look(LOOK)
        } else {
            Urge::Look(LOOK_WITH_BUDGETS)
        }
    }
}

impl Shared {
    pub(super) fn new(names: Names, clock: Clock, connection: Option<Arc<Connection>>) -> Self {
        let has_redis = connection.is_some();
        let now_ms = (clock.0)();
        Shared {
            connection,
            process: format!("{:016x}", fastrand::u64(..)),
            clock,
            state: Mutex::new(State {
                tally: Tally::new(names, has_redis, now_ms),
                budgets: Budgets::new(has_redis),
                asks: Vec::new(),
                pace: Pace::default(),
                changes: 0,
                acknowledged: 0,
                own_acknowledged: 0,
                rounds: 0,
                failed: None,
                own_failure: None,
                is_away: false,
                carrier: None,
                is_leaving: false,
                ended_after: None,
            }),
            work: Notify::new(),
            ended: Notify::new(),
            changed: Arc::default(),
            has_budgets: AtomicBool::new(false),
            #[cfg(test)]
            server_clock: Mutex::default(),
        }
    }

    pub(super) fn now_ms(&self) -> f64 {
        (self.clock.0)()
    }

    pub(super) fn server_clock(&self) -> Option<f64> {
        #[cfg(test)]
        return *self.server_clock.lock().unwrap();
        #[cfg(not(test))]
        None
    }

    pub(super) fn set_budgets(&self, pool: Budget, accounts: &[(Arc<str>, Budget)]) {
        let mut state = self.state();
        state.budgets.set(pool, accounts);
        self.has_budgets
            .store(!state.budgets.is_empty(), Ordering::Relaxed);
        drop(state);
        self.changed.notify_waiters();
    }

    pub(super) fn has_budgets(&self) -> bool {
        self.has_budgets.load(Ordering::Relaxed)
    }

    pub(super) fn count(self: &Arc<Self>, entry: &Entry<'_>, reservation: Option<Reservation>) {
        let now_ms = self.now_ms();
        let held = reservation.and_then(|mut reservation| reservation.take());
        {
            let mut state = self.state();
            state.tally.count(entry, now_ms);
            if let Some((account, amounts)) = held {
                state.budgets.release(&account, amounts);
            }
            self.note_change(&mut state);
        }
        self.tell_of_budgets();
    }

    pub(super) fn release(self: &Arc<Self>, account: &str, amounts: Amounts) {
        {
            let mut state = self.state();
            state.budgets.release(account, amounts);
            self.note_change(&mut state);
        }
        self.tell_of_budgets();
    }

    pub(super) fn tell_of_budgets(&self) {
        if self.has_budgets() {
            self.changed.notify_waiters();
        }
    }

    pub(super) fn of(&self, account: &str) -> Counts {
        self.state().tally.of(account)
    }

    pub(super) fn own_usage(&self, query: &UsageQuery) -> String {
        self.state().tally.usage(query).to_json()
    }

    pub(super) fn usage_key(&self, day: Day) -> Arc<str> {
        self.state().tally.names().usage(day)
    }

    pub(super) fn standing(&self, account: &str) -> Standing {
        if !self.has_budgets() {
            return Standing::Open;
        }
        let now_ms = self.now_ms();
        let State { tally, budgets, .. } = &mut *self.state();
        budgets.standing(account, tally, now_ms)
    }

    pub(super) fn budgets_of(&self, account: Option<&str>) -> Vec<BudgetStatus> {
        let now_ms = self.now_ms();
        let State { tally, budgets, .. } = &mut *self.state();
        budgets.status(account, tally, now_ms)
    }

    /// Waits until Redis has everything that was counted up to now.
    pub(super) async fn settle(self: &Arc<Self>) {
        let Some((goal, _)) = self.hurry() else {
            return;
        };
        self.until(|state| (state.acknowledged >= goal).then_some(()))
            .await;
    }

    /// The same of usage and budgets alone, or why the next report of them failed.
    pub(super) async fn settle_once(self: &Arc<Self>) -> Result<(), String> {
        let Some((goal, round)) = self.hurry() else {
            return Ok(());
        };
        self.until(|state| {
            if state.own_acknowledged >= goal {
                return Some(Ok(()));
            }
            let failure = state.own_failure.as_ref();
            let failure = failure.filter(|(failed, _)| *failed > round);
            failure.map(|(_, failure)| Err(failure.clone()))
        })
        .await
    }

    /// Waits for what Redis says of budgets now; where it is away, for nothing.
    pub(super) async fn look(self: &Arc<Self>) {
        if self.connection.is_some() {
            self.state().changes += 1;
            let _ = self.settle_once().await;
        }
    }

    /// Has a report go at once, if there is something to report; returns what has to be acknowledged, and the last report that may
    /// lack some of it.
    fn hurry(self: &Arc<Self>) -> Option<(u64, u64)> {
        let mut state = self.state();
        if matches!(state.urge(), Urge::Look(_)) || self.connection.is_none() {
            return None;
        }
        state.pace.hurry();
        self.begin_to_carry(&mut state);
        self.work.notify_one();
        Some((state.changes, state.rounds))
    }

    async fn until<T>(&self, done: impl Fn(&State) -> Option<T>) -> T {
        loop {
            // Registered before looking, so that no end is missed in between.
            let ended = self.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            let found = done(&self.state());
            if let Some(found) = found {
                return found;
            }
            ended.await;
        }
    }

    pub(super) fn has_news(&self) -> bool {
        let state = self.state();
        state.changes > state.acknowledged
    }

    pub(super) fn leave(&self) {
        let mut state = self.state();
        state.is_leaving = !state.budgets.is_empty() && state.rounds > 0;
    }

    /// The books are gone. Counts that nobody has heard of are reported once more.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.ended_after = Some(state.rounds);
        state.pace.hurry();
        let is_settled = matches!(state.urge(), Urge::Look(_));
        let carrier = state.carrier.clone().filter(|_| is_settled);
        // Ended outside of the lock, which it takes on its way out.
        drop(state);
        if let Some(carrier) = carrier {
            carrier.abort();
        }
        self.work.notify_one();
    }

    /// Something is to be reported.
    fn note_change(self: &Arc<Self>, state: &mut State) {
        if self.connection.is_none() {
            return;
        }
        let is_first = state.changes == state.acknowledged;
        state.changes += 1;
        self.begin_to_carry(state);
        if is_first {
            self.work.notify_one();
        }
    }

    /// Has a task report, unless one does. Outside of a runtime none can; the next one who is inside begins.
    pub(super) fn begin_to_carry(self: &Arc<Self>, state: &mut State) {
        if state.carrier.is_none()
            && state.ended_after.is_none()
            && let Ok(runtime) = Handle::try_current()
        {
            state.carrier = Some(runtime.spawn(carry(self.clone())).abort_handle());
        }
    }

    /// The task has ended, or was ended with its thread's runtime: those who wait for an answer are told, as their senders are
    /// dropped.
    pub(super) fn carrier_ended(&self) {
        let mut state = self.state();
        state.carrier = None;
        let asks = std::mem::take(&mut state.asks);
        drop(state);
        drop(asks);
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // No code under the lock panics halfway through a change, so the state is whole even then.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long the task waits before the next report; `None` where it has nothing to do any more.
    pub(super) fn wait(&self) -> Option<Duration> {
        let state = self.state();
        let urge = state.urge();
        let is_over = state.ended_after.is_some_and(|last| {
            let has_failed = state.failed.is_some_and(|round| round > last);
            has_failed || matches!(urge, Urge::Look(_))
        });
        (!is_over).then(|| state.pace.wait(urge, Instant::now()))
    }
}
