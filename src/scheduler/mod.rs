//! Waiting callers, and which account serves them.
//!
//! [`Scheduler::admit`] turns a [`Want`] into a [`Permit`]. Callers of one model group stand in a queue, and only its head asks the
//! store for room: so a large request is not overtaken for ever by small ones, and waiting costs nothing. The head leaves the
//! queue as soon as its room is booked; several callers can then sleep until their moments side by side.
//!
//! Accounts that refused their key, have no money, or fail ([`health`]) are left out or held back. The store never hears of them.

mod health;
mod permit;
mod queue;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, timeout_at},
};

pub use self::permit::{Permit, Settling};
use self::{
    health::{Access, Health},
    queue::Queues,
};
use crate::{
    attempt::Outcome,
    config::{Account, Settings},
    error::{Code, Error, Result},
    quota::{Answer, Ask, Candidate, Cost, Observation, Standing, Store},
};

/// The accounts of one pool and those who wait for them.
#[derive(Debug)]
pub struct Scheduler {
    seats: Vec<Seat>,
    store: Arc<dyn Store>,
    queues: Queues,
    /// Room came back, a limit was learned, or a place became free.
    changed: Notify,
    started: Instant,
    waiting: AtomicUsize,
}

/// One account as the scheduler sees it.
#[derive(Debug)]
struct Seat {
    account: Account,
    /// Index of its quota group in the pool.
    quota_group: usize,
    slots: Option<Arc<Semaphore>>,
    health: Mutex<Health>,
    in_flight: AtomicUsize,
}

impl Seat {
    fn health(&self) -> MutexGuard<'_, Health> {
        // Health is changed by single assignments, so it is whole even after a panic.
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_free_slot(&self) -> bool {
        self.slots
            .as_ref()
            .is_none_or(|slots| slots.available_permits() > 0)
    }
}

/// A request for a permit.
#[derive(Debug, Clone)]
pub struct Want {
    /// Whose limits count.
    pub model_group: Arc<str>,
    /// What it takes.
    pub cost: Cost,
    /// Indices of the accounts that may serve it; `None` is all.
    pub accounts: Option<Vec<usize>>,
    /// Accounts that refused it already.
    pub refused_by: Vec<usize>,
    /// Accounts that it should not use again before a moment on the scheduler's clock.
    pub held: Vec<(usize, f64)>,
    /// Send now, even where nothing is left.
    pub force: bool,
    /// The longest time to wait from now.
    pub patience: Duration,
}

/// What the accounts can do for a want at this moment.
#[derive(Debug, Default)]
struct Candidates {
    /// The accounts' indices, side by side with `lanes`.
    accounts: Vec<usize>,
    lanes: Vec<Candidate>,
    /// Parked accounts, why and until when.
    parked: Vec<(usize, Outcome, f64)>,
    /// Accounts that only lack a free place.
    busy: usize,
}

/// How one account stands for a question like the one asked.
#[derive(Debug, Clone)]
pub struct AccountStanding {
    /// The account's index in the settings.
    pub account: usize,
    /// Requests under way.
    pub in_flight: usize,
    /// Why it is parked, and for how many milliseconds more.
    pub parked: Option<(Outcome, f64)>,
    /// Its lane.
    pub lane: Standing,
}

impl Scheduler {
    /// A scheduler over the settings' accounts.
    pub fn new(settings: &Settings, store: Arc<dyn Store>) -> Self {
        let mut groups: Vec<&Arc<str>> = Vec::new();
        let seats = settings
            .accounts
            .iter()
            .map(|account| {
                let group = &account.quota_group;
                let known = groups.iter().position(|known| *known == group);
                let quota_group = known.unwrap_or_else(|| {
                    groups.push(group);
                    groups.len() - 1
                });
                Seat {
                    account: account.clone(),
                    quota_group,
                    slots: account
                        .max_concurrency
                        .map(|most| Arc::new(Semaphore::new(most.get() as usize))),
                    health: Mutex::default(),
                    in_flight: AtomicUsize::new(0),
                }
            })
            .collect();
        Scheduler {
            seats,
            store,
            queues: Queues::default(),
            changed: Notify::new(),
            started: Instant::now(),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Milliseconds on this scheduler's clock.
    pub fn now_ms(&self) -> f64 {
        self.started.elapsed().as_secs_f64() * 1000.0
    }

    /// Callers that have no permit yet.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Waits for room on the best account; returns the permit at the moment when it may be used.
    ///
    /// Fails at once with [`Code::TooLarge`] where the cost exceeds every limit, [`Code::NoAccount`] where no account is in
    /// working order, and [`Code::Wait`] where the room comes too late.
    pub async fn admit(self: &Arc<Self>, want: &Want) -> Result<Permit> {
        let _waiting = Waiting::new(&self.waiting);
        let deadline = Instant::now() + want.patience;
        self.sit_out_own_holds(want, deadline).await?;
        if want.force {
            let (permit, _) = self.book_when_free(want, deadline).await?;
            return Ok(permit);
        }
        let turn = timeout_at(deadline, self.queues.turn(&want.model_group)).await;
        let Ok(turn) = turn else {
            return Err(self.too_late(want, None).await);
        };
        let (permit, wait) = self.book_when_free(want, deadline).await?;
        drop(turn);
        // The room is booked, so the permit's guard gives it back if the caller goes away in its sleep. A sleep of
        // nothing would still last until the timer's next millisecond.
        if !wait.is_zero() {
            sleep(wait).await;
        }
        Ok(permit)
    }

    /// A caller whose every account is held back by a backoff of its own waits outside the queue.
    async fn sit_out_own_holds(&self, want: &Want, deadline: Instant) -> Result<()> {
        let now_ms = self.now_ms();
        let held_until = |account: usize| {
            let held = want.held.iter().filter(|(held, _)| *held == account);
            held.map(|(_, until)| *until).fold(now_ms, f64::max)
        };
        let usable = (0..self.seats.len()).filter(|account| want.allows(*account));
        let earliest_ms = usable.map(held_until).fold(f64::INFINITY, f64::min);
        let wait_ms = earliest_ms - now_ms;
        if wait_ms <= 0.0 || !wait_ms.is_finite() {
            return Ok(());
        }
        let wait = milliseconds(wait_ms);
        if is_after(wait, deadline) {
            return Err(self.too_late(want, Some(wait)).await);
        }
        sleep(wait).await;
        Ok(())
    }

    /// Books room as soon as a lane and a place are free; returns the permit and the time until it may be used.
    async fn book_when_free(
        self: &Arc<Self>,
        want: &Want,
        deadline: Instant,
    ) -> Result<(Permit, Duration)> {
        loop {
            // Registered before looking, so that no change is missed in between.
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();

            let now_ms = self.now_ms();
            let candidates = self.candidates(want, now_ms);
            let ask_again = if candidates.lanes.is_empty() {
                if candidates.busy == 0 {
                    return Err(self.nobody(want, &candidates));
                }
                None
            } else {
                match self.book(want, candidates, now_ms, deadline).await? {
                    Booked::Permit(permit, wait) => return Ok((permit, wait)),
                    Booked::AskAgain(after) => Some(after),
                }
            };
            let wake_at = ask_again.map_or(deadline, |after| Instant::now() + after);
            if timeout_at(wake_at.min(deadline), changed).await.is_err() && wake_at >= deadline {
                return Err(self.too_late(want, None).await);
            }
        }
    }

    async fn book(
        self: &Arc<Self>,
        want: &Want,
        candidates: Candidates,
        now_ms: f64,
        deadline: Instant,
    ) -> Result<Booked> {
        let ask = Ask {
            model_group: want.model_group.clone(),
            cost: want.cost,
            candidates: candidates.lanes,
            force: want.force,
        };
        match self.store.book(&ask, now_ms).await? {
            Answer::Booked(booking) => {
                let account = candidates.accounts[booking.candidate];
                let wait = milliseconds(booking.wait_ms);
                let seat = &self.seats[account];
                let slot = match &seat.slots {
                    None => Ok(None),
                    Some(slots) => slots.clone().try_acquire_owned().map(Some),
                };
                let permit = |slot: Option<OwnedSemaphorePermit>| {
                    Permit::new(self.clone(), account, booking, slot)
                };
                let Ok(slot) = slot else {
                    // Another model's caller took the last place; the guard gives the room back.
                    drop(permit(None));
                    return Ok(Booked::AskAgain(Duration::ZERO));
                };
                let permit = permit(slot);
                if is_after(wait, deadline) && !want.force {
                    return Err(self.too_late(want, Some(wait)).await);
                }
                seat.health().admitted(&want.model_group, now_ms);
                Ok(Booked::Permit(permit, wait))
            }
            Answer::Later {
                ask_again_ms,
                wait_ms,
            } => {
                let wait = milliseconds(wait_ms);
                if is_after(wait, deadline) {
                    return Err(self.too_late(want, Some(wait)).await);
                }
                Ok(Booked::AskAgain(milliseconds(ask_again_ms)))
            }
            Answer::Never { metric, limit } => Err(Error::new(
                Code::TooLarge,
                format!(
                    "the request needs {} tokens, but the largest limit of any account for \"{}\" is {limit} {}; shorten \
                     it or lower its maximum of output tokens",
                    want.cost.tokens,
                    want.model_group,
                    metric.name()
                ),
            )),
        }
    }

    /// The accounts that could serve a want now.
    fn candidates(&self, want: &Want, now_ms: f64) -> Candidates {
        let mut candidates = Candidates::default();
        for (account, seat) in self.seats.iter().enumerate() {
            if !want.allows(account) {
                continue;
            }
            match seat.health().access(&want.model_group, now_ms) {
                Access::Parked { until_ms, because } => {
                    candidates
                        .parked
                        .push((account, because, until_ms - now_ms));
                }
                Access::Open { .. } if !seat.has_free_slot() => candidates.busy += 1,
                Access::Open { not_before_ms } => {
                    let held = want.held.iter().filter(|(held, _)| *held == account);
                    let not_before_ms = held.map(|(_, until)| *until).fold(not_before_ms, f64::max);
                    candidates.accounts.push(account);
                    candidates
                        .lanes
                        .push(seat.candidate(&want.model_group, not_before_ms));
                }
            }
        }
        candidates
    }

    /// How every account stands for a request of this cost, best first.
    pub async fn standings(
        &self,
        model_group: &Arc<str>,
        cost: Cost,
    ) -> Result<Vec<AccountStanding>> {
        let now_ms = self.now_ms();
        let ask = Ask {
            model_group: model_group.clone(),
            cost,
            candidates: self
                .seats
                .iter()
                .map(|seat| {
                    let not_before_ms = match seat.health().access(model_group, now_ms) {
                        Access::Open { not_before_ms } => not_before_ms,
                        Access::Parked { until_ms, .. } => until_ms,
                    };
                    seat.candidate(model_group, not_before_ms)
                })
                .collect(),
            force: false,
        };
        let lanes = self.store.look(&ask, now_ms).await?;
        let mut standings: Vec<_> = self
            .seats
            .iter()
            .enumerate()
            .zip(lanes)
            .map(|((account, seat), lane)| AccountStanding {
                account,
                in_flight: seat.in_flight.load(Ordering::Relaxed),
                parked: seat
                    .health()
                    .parked(now_ms)
                    .map(|(because, until_ms)| (because, until_ms - now_ms)),
                lane,
            })
            .collect();
        // A stable sort: accounts that stand alike keep the settings' order.
        standings.sort_by(|a, b| {
            let by_wait = a.lane.wait_ms.total_cmp(&b.lane.wait_ms);
            by_wait.then(b.lane.preference.total_cmp(&a.lane.preference))
        });
        Ok(standings)
    }

    /// Takes over what a caller learned by a request of its own.
    pub fn observe(
        &self,
        account: usize,
        model_group: Arc<str>,
        used: Cost,
        requests_left: Option<f64>,
        tokens_left: Option<f64>,
    ) {
        let candidate = self.seats[account].candidate(&model_group, f64::NEG_INFINITY);
        let observation = Observation {
            model_group,
            candidate,
            used,
            requests_left,
            tokens_left,
        };
        self.store.observe(observation, self.now_ms());
        self.changed.notify_waiters();
    }

    /// No account can serve the want; says why for each.
    fn nobody(&self, want: &Want, candidates: &Candidates) -> Error {
        let reasons: Vec<String> = candidates
            .parked
            .iter()
            .map(|(account, because, left_ms)| {
                format!(
                    "{} is parked ({}; asked again in {:.0} s)",
                    self.seats[*account].account.label,
                    because.name(),
                    left_ms / 1000.0
                )
            })
            .chain(want.refused_by.iter().map(|account| {
                format!(
                    "{} refused this request",
                    self.seats[*account].account.label
                )
            }))
            .collect();
        let error = Error::new(
            Code::NoAccount,
            format!(
                "no account can take a request for \"{}\": {}",
                want.model_group,
                reasons.join(", ")
            ),
        );
        let soonest = candidates.parked.iter().map(|(_, _, left_ms)| *left_ms);
        match soonest.reduce(f64::min) {
            Some(left_ms) => error.with_retry_after(milliseconds(left_ms)),
            None => error,
        }
    }

    /// The room comes after the want's patience ends.
    async fn too_late(&self, want: &Want, wait: Option<Duration>) -> Error {
        let wait = match wait {
            Some(wait) => Some(wait),
            None => self.wait_as_it_stands(want).await,
        };
        let patience = want.patience.as_millis();
        match wait {
            Some(wait) => Error::new(
                Code::Wait,
                format!(
                    "no account has room for {} tokens of \"{}\" for another {} ms, and the request may wait {patience} \
                     ms (maxWaitMs)",
                    want.cost.tokens,
                    want.model_group,
                    wait.as_millis()
                ),
            )
            .with_retry_after(wait),
            None => Error::new(
                Code::Wait,
                format!(
                    "no account was free for \"{}\" within {patience} ms (maxWaitMs)",
                    want.model_group
                ),
            ),
        }
    }

    /// The shortest wait of any usable account by the books, those who wait already left aside.
    async fn wait_as_it_stands(&self, want: &Want) -> Option<Duration> {
        let now_ms = self.now_ms();
        let ask = Ask {
            model_group: want.model_group.clone(),
            cost: want.cost,
            candidates: self.candidates(want, now_ms).lanes,
            force: false,
        };
        let lanes = self.store.look(&ask, now_ms).await.ok()?;
        let wait_ms = lanes.iter().map(|lane| lane.wait_ms).reduce(f64::min)?;
        wait_ms.is_finite().then(|| milliseconds(wait_ms))
    }
}

impl Seat {
    fn candidate(&self, model_group: &str, not_before_ms: f64) -> Candidate {
        Candidate {
            quota_group: self.quota_group,
            limits: self.account.limits.of(model_group),
            weight: self.account.weight,
            not_before_ms,
        }
    }
}

impl Want {
    fn allows(&self, account: usize) -> bool {
        let allowed = self
            .accounts
            .as_ref()
            .is_none_or(|allowed| allowed.contains(&account));
        allowed && !self.refused_by.contains(&account)
    }
}

/// Whether a wait from now ends after the deadline. No wait is never too late, also without any patience.
fn is_after(wait: Duration, deadline: Instant) -> bool {
    !wait.is_zero() && Instant::now() + wait > deadline
}

enum Booked {
    Permit(Permit, Duration),
    AskAgain(Duration),
}

/// Counts a caller as waiting for as long as it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Waiting(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A wait as a duration, rounded up so that nobody starts before its moment; tokio's timer counts whole milliseconds as well.
fn milliseconds(ms: f64) -> Duration {
    // Thirty days: past every limit's window, and far from overflow.
    const LONGEST_MS: f64 = 2_592_000_000.0;
    Duration::from_millis(ms.clamp(0.0, LONGEST_MS).ceil() as u64)
}
