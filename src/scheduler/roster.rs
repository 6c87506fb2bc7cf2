//! The accounts as they are at one moment.
//!
//! A roster never changes: new settings, or an answer that names an account's organization, make another one, which shares with it
//! what goes on for the accounts that stay. Whoever has a seat of an older roster goes on with it to the end of its call.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use super::health::Health;
use crate::{
    config::Account,
    headers::Identity,
    quota::{Candidate, QuotaGroups},
};

/// The accounts in the order of the settings, with different labels.
#[derive(Debug, Default)]
pub(super) struct Roster {
    pub(super) seats: Vec<Arc<Seat>>,
}

/// One account.
#[derive(Debug, Clone)]
pub(super) struct Seat {
    pub(super) account: Arc<Account>,
    /// The number of its quota group; another account's where it was found to share the limits of that.
    pub(super) quota_group: usize,
    /// The name by which prompts find their home here: of the first account among those that share the limits, whichever account
    /// this process heard of first.
    home: Arc<str>,
    /// What its answers named.
    pub(super) identity: Option<Identity>,
    /// What is known of the account as OpenAI sees it: another key is another account.
    health: Arc<Mutex<Health>>,
    /// Of the label, also under its earlier keys.
    in_flight: Arc<AtomicUsize>,
}

/// An account was found to share the limits of another one.
#[derive(Debug)]
pub(super) struct Merge {
    pub(super) joined: Arc<Seat>,
    pub(super) first: Arc<Seat>,
}

impl Seat {
    fn new(account: Arc<Account>, groups: &QuotaGroups) -> Self {
        Seat {
            quota_group: groups.number(&account.quota_group),
            home: account.quota_group.clone(),
            account,
            identity: None,
            health: Arc::default(),
            in_flight: Arc::default(),
        }
    }

    /// Whether another version of its account's settings leaves the question whose limits it shares where it is.
    fn shares_as(&self, account: &Account) -> bool {
        let own = &self.account;
        own.is_same_to_openai(account)
            && own.quota_group == account.quota_group
            && own.quota_group_is_given == account.quota_group_is_given
    }

    /// Whether it was found to share the limits of another account.
    fn has_joined(&self, groups: &QuotaGroups) -> bool {
        self.quota_group != groups.number(&self.account.quota_group)
    }

    /// Whether both are one account as OpenAI sees it, and its requests in flight count together.
    pub(super) fn is_same_to_openai(&self, other: &Seat) -> bool {
        Arc::ptr_eq(&self.health, &other.health)
    }

    /// Whether both count their requests in flight together: seats of one label, unless it was gone in between.
    pub(super) fn is_of_same_label(&self, other: &Seat) -> bool {
        Arc::ptr_eq(&self.in_flight, &other.in_flight)
    }

    pub(super) fn health(&self) -> MutexGuard<'_, Health> {
        // Health is changed by single assignments, so it is whole even after a panic.
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// How many more requests it may have in flight.
    pub(super) fn free_places(&self) -> usize {
        self.places().saturating_sub(self.in_flight())
    }

    /// Takes one of its places, if one is free.
    pub(super) fn enter(&self) -> bool {
        let most = self.places();
        self.in_flight
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |in_flight| {
                (in_flight < most).then_some(in_flight + 1)
            })
            .is_ok()
    }

    /// Gives a place back.
    pub(super) fn leave(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    fn places(&self) -> usize {
        let most = self.account.max_concurrency;
        most.map_or(usize::MAX, |most| most.get() as usize)
    }

    pub(super) fn candidate(&self, model_group: &str, not_before_ms: f64) -> Candidate {
        Candidate {
            quota_group: self.quota_group,
            limits: self.account.limits.of(model_group),
            weight: self.account.weight,
            not_before_ms,
            affinity: 0.0,
        }
    }

    pub(super) fn home(&self) -> &str {
        &self.home
    }
}

impl Roster {
    /// The roster of a list of accounts, after this one. Accounts of known labels go on where they were.
    pub(super) fn with(&self, accounts: &[Arc<Account>], groups: &QuotaGroups) -> Self {
        // Groups of accounts that OpenAI may take for others from now on. Those who were found to share their limits may not do so.
        let mut doubtful = Vec::new();
        let mut seats: Vec<Seat> = Vec::with_capacity(accounts.len());
        for account in accounts {
            let mut seat = Seat::new(account.clone(), groups);
            let known = self.of(&account.label);
            if let Some(known) = known {
                seat.in_flight = known.in_flight.clone();
                if known.account.is_same_to_openai(account) {
                    seat.health = known.health.clone();
                }
            }
            match known.filter(|known| known.shares_as(account)) {
                Some(known) => {
                    seat.quota_group = known.quota_group;
                    seat.identity = known.identity.clone();
                }
                None => doubtful.push(seat.quota_group),
            }
            seats.push(seat);
        }
        for seat in &mut seats {
            if doubtful.contains(&seat.quota_group) && seat.has_joined(groups) {
                seat.quota_group = groups.number(&seat.account.quota_group);
                seat.identity = None;
            }
        }
        Roster::of_seats(seats)
    }

    /// The roster in which a seat's answers have named their organization, and whose limits it was found to share thereby, if
    /// anybody's; `None` where nothing is new.
    pub(super) fn identified(
        &self,
        seat: &Seat,
        identity: Identity,
    ) -> Option<(Self, Option<Merge>)> {
        let at = self.seats.iter().position(|known| {
            known.account.label == seat.account.label && known.is_same_to_openai(seat)
        })?;
        if self.seats[at].identity.is_some() {
            return None;
        }
        let first = self
            .seats
            .iter()
            .find(|known| known.identity.as_ref() == Some(&identity));
        let mut seats: Vec<Seat> = self.seats.iter().map(|seat| Seat::clone(seat)).collect();
        let seat = &mut seats[at];
        seat.identity = Some(identity);
        let first = first.filter(|first| {
            !seat.account.quota_group_is_given && seat.quota_group != first.quota_group
        });
        if let Some(first) = first {
            seat.quota_group = first.quota_group;
        }
        let roster = Roster::of_seats(seats);
        let merge = first.map(|first| Merge {
            joined: roster.seats[at].clone(),
            first: first.clone(),
        });
        Some((roster, merge))
    }

    /// Seats, each with the home that it has among them.
    fn of_seats(mut seats: Vec<Seat>) -> Self {
        for index in 0..seats.len() {
            let quota_group = seats[index].quota_group;
            let first = seats
                .iter()
                .position(|seat| seat.quota_group == quota_group);
            let first = &seats[first.unwrap_or(index)];
            seats[index].home = first.account.quota_group.clone();
        }
        Roster {
            seats: seats.into_iter().map(Arc::new).collect(),
        }
    }

    /// The seat of the account of this label.
    pub(super) fn of(&self, label: &str) -> Option<&Arc<Seat>> {
        let mut seats = self.seats.iter();
        seats.find(|seat| &*seat.account.label == label)
    }
}
