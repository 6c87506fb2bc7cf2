//! Waiting callers, and which account serves them.
//!
//! [`Scheduler::admit`] turns a [`Want`] into a [`Permit`]. Callers that could use the same accounts for the same model group
//! stand in one [`line`], and only its first few ask the store for room: so a large request is not overtaken for ever by
//! small ones, and waiting costs little. Whoever has its room booked leaves the line; several callers can then sleep until
//! their moments side by side.
//!
//! Accounts that refused their key, have no money, or fail ([`health`]) are left out or held back. The store never hears of them.

mod admission;
mod affinity;
mod budget;
mod choice;
mod health;
mod line;
mod look;
mod permit;
mod refusal;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::HeaderMap;
use tokio::{
    sync::{Notify, Semaphore},
    time::Instant,
};

pub use self::{
    affinity::{Prefix, nearness},
    line::{ASKERS, Order},
    look::AccountStanding,
    permit::{Permit, Settling},
};
use self::{
    health::{Access, Health},
    line::Lines,
};
use crate::{
    attempt::Outcome,
    books::{Books, Over},
    config::{Account, Settings},
    headers::Identity,
    quota::{Booking, Candidate, Cost, Sharing, Store},
    warning::{Unheard, Warning},
};

/// The accounts of one pool and those who wait for them.
#[derive(Debug)]
pub struct Scheduler {
    seats: Vec<Seat>,
    /// Names of the quota groups, by index.
    groups: Vec<Arc<str>>,
    /// Of each quota group, the first in the settings of those that turned out to be the same: prompts find their homes by its
    /// name, whichever account this process heard of first.
    homes: Vec<AtomicUsize>,
    /// The account that was the first to answer for each organization and project.
    identified: Mutex<Vec<(Identity, usize)>>,
    /// Those that nobody has heard yet.
    warnings: Unheard,
    store: Arc<dyn Store>,
    lines: Lines,
    /// Room came back, a limit was learned, or a place became free.
    changed: Arc<Notify>,
    started: Instant,
    waiting: AtomicUsize,
    /// Who may spend.
    books: Option<Arc<Books>>,
    /// Lanes that a 429 has closed, as far as this process knows: those who booked before it look here before they send.
    blocks: Mutex<Vec<Block>>,
}

/// A lane on which nothing may be sent before a moment.
#[derive(Debug)]
struct Block {
    quota_group: usize,
    model_group: Arc<str>,
    until_ms: f64,
}

/// One account as the scheduler sees it.
#[derive(Debug)]
struct Seat {
    account: Account,
    /// Index of its quota group in the pool; changes when it turns out to be another account's as well.
    quota_group: AtomicUsize,
    /// Set with the first answer that names its organization.
    is_identified: OnceLock<()>,
    slots: Option<Arc<Semaphore>>,
    health: Mutex<Health>,
    in_flight: AtomicUsize,
}

impl Seat {
    fn health(&self) -> MutexGuard<'_, Health> {
        // Health is changed by single assignments, so it is whole even after a panic.
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many more requests it may have in flight.
    fn free_places(&self) -> usize {
        let slots = self.slots.as_ref();
        slots.map_or(usize::MAX, |slots| slots.available_permits())
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
    /// Its prompt's beginning, where that may be cached.
    pub prefix: Option<Prefix>,
    /// Send now, even where nothing is left.
    pub force: bool,
    /// It had its turn in line before, and was sent in vain.
    pub is_repeat: bool,
    /// Its place among those who wait.
    pub order: Order,
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
    /// Accounts that have spent a budget, which one, and for how many milliseconds more.
    over: Vec<(usize, Over, f64)>,
    /// Accounts that only lack a free place, or what requests in flight have reserved of a budget.
    busy: usize,
    /// The first of these reservations is to be asked about again after so many milliseconds.
    held_ms: Option<f64>,
    /// Free places among the concurrent requests of all candidates; the largest number where one of them has no bound.
    places: usize,
}

impl Scheduler {
    /// A scheduler over the settings' accounts.
    pub fn new(settings: &Settings, store: Arc<dyn Store>) -> Self {
        let groups = quota_groups(&settings.accounts);
        let seats = settings
            .accounts
            .iter()
            .map(|account| {
                let quota_group = groups
                    .iter()
                    .position(|group| *group == account.quota_group)
                    .unwrap_or_default();
                Seat {
                    account: account.clone(),
                    quota_group: AtomicUsize::new(quota_group),
                    is_identified: OnceLock::new(),
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
            homes: (0..groups.len()).map(AtomicUsize::new).collect(),
            groups,
            identified: Mutex::default(),
            warnings: Unheard::default(),
            store,
            lines: Lines::default(),
            changed: Arc::default(),
            started: Instant::now(),
            waiting: AtomicUsize::new(0),
            books: None,
            blocks: Mutex::default(),
        }
    }

    /// A scheduler that leaves out accounts which may not spend any more, as these books say.
    #[must_use]
    pub fn with_books(mut self, books: Arc<Books>) -> Self {
        // Whoever waits here is woken by the books as well.
        self.changed = books.changed();
        self.books = Some(books);
        self
    }

    /// Takes note of the organization that an account's answer named. Accounts of one organization and project share its limits,
    /// so an account that was taken for alone joins the group of the one that was seen first, with a warning.
    pub fn identify(&self, account: usize, headers: &HeaderMap) {
        let seat = &self.seats[account];
        if seat.is_identified.get().is_some() {
            return;
        }
        let identity = Identity::from_headers(headers);
        // Without an organization nothing is proven.
        if identity.organization.is_none() || seat.is_identified.set(()).is_err() {
            return;
        }
        let mut identified = self
            .identified
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match identified.iter().find(|(known, _)| *known == identity) {
            Some((_, first)) if !seat.account.quota_group_is_given => {
                let group = self.seats[*first].quota_group();
                let own = seat.quota_group.swap(group, Ordering::Relaxed);
                self.homes[group].fetch_min(own, Ordering::Relaxed);
                if own != group {
                    self.warn_of_merge(seat, &self.seats[*first], &identity);
                }
            }
            Some(_) => {}
            None => identified.push((identity, account)),
        }
    }

    fn home_name(&self, quota_group: usize) -> &str {
        &self.groups[self.homes[quota_group].load(Ordering::Relaxed)]
    }

    /// Warns that an account has joined the quota group of another one.
    fn warn_of_merge(&self, seat: &Seat, first: &Seat, identity: &Identity) {
        let name = &self.groups[seat.quota_group()];
        // A group may be named after its organization, whose id is for nobody's logs.
        let mut ids = [&identity.organization, &first.account.organization]
            .into_iter()
            .flatten();
        let name = match ids.any(|id| name.contains(id.as_str())) {
            true => &first.account.label,
            false => name,
        };
        let (joined, first) = (&seat.account.label, &first.account.label);
        self.warnings
            .add(Warning::quota_groups_merged(joined, first, name));
    }

    /// Takes the warnings that nobody has heard yet, oldest first: the 64 latest at most, and as many of the store's.
    pub fn take_warnings(&self) -> Vec<Warning> {
        let mut warnings = self.store.take_warnings();
        warnings.extend(self.warnings.take());
        warnings
    }

    /// How the lanes of a model group are shared with other processes, if they are.
    pub fn sharing(&self, model_group: &Arc<str>) -> Option<Sharing> {
        self.store.sharing(model_group)
    }

    /// Returns when all that the store was told has taken effect, or has failed to.
    pub async fn carried(&self) {
        self.store.carried().await;
    }

    fn blocks(&self) -> MutexGuard<'_, Vec<Block>> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_block(&self, booking: &Booking, until_ms: f64, now_ms: f64) {
        let mut blocks = self.blocks();
        blocks.retain(|block| block.until_ms > now_ms);
        blocks.push(Block {
            quota_group: booking.quota_group,
            model_group: booking.model_group.clone(),
            until_ms,
        });
    }

    /// Milliseconds on this scheduler's clock.
    pub fn now_ms(&self) -> f64 {
        self.started.elapsed().as_secs_f64() * 1000.0
    }

    /// Callers that have no permit yet.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// The accounts that could serve a want now.
    fn candidates(&self, want: &Want, now_ms: f64) -> Candidates {
        let mut candidates = Candidates::default();
        for (account, seat) in self.seats.iter().enumerate() {
            if !want.allows(account) {
                continue;
            }
            let access = seat.health().access(&want.model_group, now_ms);
            if self.is_left_out_by_budget(account, access, now_ms, &mut candidates) {
                continue;
            }
            match access {
                Access::Parked { until_ms, because } => {
                    candidates
                        .parked
                        .push((account, because, until_ms - now_ms));
                }
                Access::Open { .. } if seat.free_places() == 0 => candidates.busy += 1,
                Access::Open { not_before_ms } => {
                    let held = want.held.iter().filter(|(held, _)| *held == account);
                    let not_before_ms = held.map(|(_, until)| *until).fold(not_before_ms, f64::max);
                    let places = candidates.places;
                    candidates.places = places.saturating_add(seat.free_places());
                    candidates.accounts.push(account);
                    let mut lane = seat.candidate(&want.model_group, not_before_ms);
                    if let Some(prefix) = want.prefix {
                        lane.affinity = nearness(prefix.hash, self.home_name(lane.quota_group));
                    }
                    candidates.lanes.push(lane);
                }
            }
        }
        candidates
    }
}

impl Seat {
    fn quota_group(&self) -> usize {
        self.quota_group.load(Ordering::Relaxed)
    }

    fn candidate(&self, model_group: &str, not_before_ms: f64) -> Candidate {
        Candidate {
            quota_group: self.quota_group(),
            limits: self.account.limits.of(model_group),
            weight: self.account.weight,
            not_before_ms,
            affinity: 0.0,
        }
    }
}

impl Want {
    /// Indices of the accounts that may serve it; `None` is all.
    fn usable_accounts(&self, of: usize) -> Option<Vec<usize>> {
        let all = self.accounts.is_none() && self.refused_by.is_empty();
        (!all).then(|| (0..of).filter(|account| self.allows(*account)).collect())
    }

    fn allows(&self, account: usize) -> bool {
        let allowed = self
            .accounts
            .as_ref()
            .is_none_or(|allowed| allowed.contains(&account));
        allowed && !self.refused_by.contains(&account)
    }
}

/// The names of the accounts' quota groups, by the index under which the store knows them.
pub fn quota_groups(accounts: &[Account]) -> Vec<Arc<str>> {
    let mut groups: Vec<Arc<str>> = Vec::new();
    for account in accounts {
        if !groups.contains(&account.quota_group) {
            groups.push(account.quota_group.clone());
        }
    }
    groups
}

/// A wait as a duration, rounded up so that nobody starts before its moment; tokio's timer counts whole milliseconds as well.
fn milliseconds(ms: f64) -> Duration {
    // Thirty-two days: past every limit's window and every month, and far from overflow.
    const LONGEST_MS: f64 = 2_764_800_000.0;
    Duration::from_millis(ms.clamp(0.0, LONGEST_MS).ceil() as u64)
}
