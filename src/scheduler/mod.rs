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
mod askers;
mod budget;
mod choice;
mod claim;
mod health;
mod line;
mod look;
mod permit;
mod refusal;
mod roster;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::HeaderMap;
use tokio::{sync::Notify, time::Instant};

pub use self::{
    affinity::{Prefix, nearness},
    askers::ASKERS,
    line::Order,
    look::AccountStanding,
    permit::{Permit, Settling, Slot},
};
use self::{
    health::Access,
    line::Lines,
    roster::{Merge, Roster, Seat},
};
use crate::{
    attempt::Outcome,
    books::{Books, Over},
    config::{Account, Kind},
    headers::Identity,
    quota::{Booking, Candidate, Cost, QuotaGroups, Sharing, Store},
    warning::{Unheard, Warning},
};

/// The accounts of one pool and those who wait for them.
#[derive(Debug)]
pub struct Scheduler {
    /// Locked for a few instructions by those who look, and while another one is made.
    roster: RwLock<Arc<Roster>>,
    groups: Arc<QuotaGroups>,
    /// Those that nobody has heard yet.
    warnings: Unheard,
    store: Arc<dyn Store>,
    lines: Lines,
    /// Room came back, a limit was learned, a place became free, or the accounts have changed.
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

/// A request for a permit.
#[derive(Debug, Clone)]
pub struct Want {
    /// Which accounts have it.
    pub model: Arc<str>,
    /// Whose limits count.
    pub model_group: Arc<str>,
    /// What it takes.
    pub cost: Cost,
    /// Labels of the accounts that may serve it; `None` is all.
    pub accounts: Option<Vec<Arc<str>>>,
    /// Accounts that refused it already.
    pub refused_by: Vec<Arc<str>>,
    /// Accounts that it should not use again before a moment on the scheduler's clock.
    pub held: Vec<(Arc<str>, f64)>,
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
    roster: Arc<Roster>,
    /// Indices of seats in it, side by side with `lanes`.
    seats: Vec<usize>,
    lanes: Vec<Candidate>,
    /// Seats of parked accounts, why and for how many milliseconds more.
    parked: Vec<(usize, Outcome, f64)>,
    /// Accounts that have spent a budget, which one, and for how many milliseconds more.
    over: Vec<(usize, Over, f64)>,
    /// Seats of accounts that do not have the model.
    without_model: Vec<usize>,
    /// Accounts that only lack a free place, or what requests in flight have reserved of a budget.
    busy: usize,
    /// The first of these reservations is to be asked about again after so many milliseconds.
    held_ms: Option<f64>,
    /// Free places among the concurrent requests of all candidates; the largest number where one of them has no bound.
    places: usize,
}

impl Scheduler {
    /// A scheduler over the settings' accounts, and a store that knows the quota groups by the same numbers.
    pub fn new(accounts: &[Arc<Account>], groups: Arc<QuotaGroups>, store: Arc<dyn Store>) -> Self {
        Scheduler {
            roster: RwLock::new(Arc::new(Roster::default().with(accounts, &groups))),
            groups,
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

    /// From now on these are the accounts. Those whose labels stay go on as they are, what is in flight ends where it was sent, and
    /// whoever waits looks again at once.
    pub fn update(&self, accounts: &[Arc<Account>]) {
        {
            let mut roster = self.roster.write().unwrap_or_else(PoisonError::into_inner);
            *roster = Arc::new(roster.with(accounts, &self.groups));
        }
        self.changed.notify_waiters();
    }

    fn roster(&self) -> Arc<Roster> {
        // Rosters are replaced whole.
        let roster = self.roster.read().unwrap_or_else(PoisonError::into_inner);
        roster.clone()
    }

    /// Takes note of the organization that an account's answer named. Accounts of one organization and project share its limits,
    /// so an account that was taken for alone joins the group of one that was seen before, with a warning.
    fn identify(&self, seat: &Seat, headers: &HeaderMap) {
        // The limits of other servers belong to no organization of OpenAI's, whatever a header of theirs is called.
        if seat.identity.is_some() || seat.account.kind != Kind::OpenAi {
            return;
        }
        let identity = Identity::from_headers(headers);
        // Without an organization nothing is proven.
        if identity.organization.is_none() {
            return;
        }
        let merge = {
            let mut roster = self.roster.write().unwrap_or_else(PoisonError::into_inner);
            let Some((identified, merge)) = roster.identified(seat, identity) else {
                return;
            };
            *roster = Arc::new(identified);
            merge
        };
        if let Some(merge) = merge {
            self.warn_of(&merge);
        }
    }

    /// Warns that an account has joined the quota group of another one.
    fn warn_of(&self, Merge { joined, first }: &Merge) {
        let label = &first.account.label;
        let name = self.groups.name(joined.quota_group);
        // A group may be named after its organization, whose id is for nobody's logs.
        let identity = joined.identity.as_ref();
        let named = identity.and_then(|identity| identity.organization.as_ref());
        let ids = [named, first.account.organization.as_ref()];
        let tells = |name: &Arc<str>| ids.iter().flatten().any(|id| name.contains(id.as_str()));
        let name = name.filter(|name| !tells(name));
        let name = name.as_ref().unwrap_or(label);
        self.warnings.add(Warning::quota_groups_merged(
            &joined.account.label,
            label,
            name,
        ));
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

    /// There is no key to use an account with, for this reason: it is parked as one whose key was refused. Nothing where it has another
    /// source of keys by now.
    pub fn key_failed(&self, account: &Account, why: Arc<str>) {
        let roster = self.roster();
        let seat = roster.of(&account.label);
        if let Some(seat) = seat.filter(|seat| seat.account.is_same_to_openai(account)) {
            seat.health().key_failed(why, self.now_ms());
        }
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
        let roster = self.roster();
        let mut candidates = Candidates {
            roster: roster.clone(),
            ..Candidates::default()
        };
        for (index, seat) in roster.seats.iter().enumerate() {
            let label = &seat.account.label;
            if !want.allows(label) {
                continue;
            }
            if !seat.account.serves(&want.model) {
                candidates.without_model.push(index);
                continue;
            }
            let access = seat.health().access(&want.model_group, now_ms);
            if self.is_left_out_by_budget(index, access, now_ms, &mut candidates) {
                continue;
            }
            match access {
                Access::Parked { until_ms, because } => {
                    candidates.parked.push((index, because, until_ms - now_ms));
                }
                Access::Open { .. } if seat.free_places() == 0 => candidates.busy += 1,
                Access::Open { not_before_ms } => {
                    let not_before_ms = want.held_until(label).fold(not_before_ms, f64::max);
                    let places = candidates.places;
                    candidates.places = places.saturating_add(seat.free_places());
                    candidates.seats.push(index);
                    let mut lane = seat.candidate(&want.model_group, not_before_ms);
                    if let Some(prefix) = want.prefix {
                        lane.affinity = nearness(prefix.hash, seat.home());
                    }
                    candidates.lanes.push(lane);
                }
            }
        }
        candidates
    }
}

impl Want {
    fn allows(&self, account: &Arc<str>) -> bool {
        let allowed = self
            .accounts
            .as_ref()
            .is_none_or(|allowed| allowed.contains(account));
        allowed && !self.refused_by.contains(account)
    }

    /// The moments before which it should not use an account again.
    fn held_until(&self, account: &Arc<str>) -> impl Iterator<Item = f64> {
        let held = self.held.iter().filter(move |(held, _)| held == account);
        held.map(|(_, until_ms)| *until_ms)
    }
}

/// A wait as a duration, rounded up so that nobody starts before its moment; tokio's timer counts whole milliseconds as well.
fn milliseconds(ms: f64) -> Duration {
    // Thirty-two days: past every limit's window and every month, and far from overflow.
    const LONGEST_MS: f64 = 2_764_800_000.0;
    Duration::from_millis(ms.clamp(0.0, LONGEST_MS).ceil() as u64)
}
