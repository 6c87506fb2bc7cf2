//! All lanes of a simulator: every scope (organization and project) × every model group, each behind its own lock.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::lane::{Lane, Readings, Refusal};
use crate::simulator::settings::{Scope, Settings};

/// The lanes, by model group. A group's lanes are made, full, when it is first asked for, on all accounts at once; so
/// what an account could have admitted counts from then on, whether or not anybody uses it.
#[derive(Debug)]
pub(in crate::simulator) struct Quotas {
    scopes: Vec<Scope>,
    /// The scope of each account.
    scope_of: Arc<[usize]>,
    groups: RwLock<HashMap<String, Arc<Group>>>,
}

/// One model group: its lane on every scope, and what each account had of them.
#[derive(Debug)]
pub(in crate::simulator) struct Group {
    scope_of: Arc<[usize]>,
    lanes: Vec<Mutex<Lane>>,
    tallies: Vec<Tally>,
}

/// What happened to one account's requests to one model group.
#[derive(Debug, Default)]
pub(in crate::simulator) struct Tally {
    pub(in crate::simulator) admitted: AtomicU64,
    pub(in crate::simulator) refused: AtomicU64,
    pub(in crate::simulator) charged_tokens: AtomicU64,
    /// Prompts of the requests that were admitted and replied to, as the replies' usage states them.
    pub(in crate::simulator) prompt_tokens: AtomicU64,
    /// The part of these that came from the prompt cache.
    pub(in crate::simulator) cached_tokens: AtomicU64,
    pub(in crate::simulator) statuses: Statuses,
}

impl Quotas {
    /// Full lanes, at the moment `now` (milliseconds), for every group that the settings name.
    pub(in crate::simulator) fn new(settings: &Settings, now: f64) -> Quotas {
        let quotas = Quotas {
            scopes: settings.scopes.clone(),
            scope_of: settings
                .accounts
                .iter()
                .map(|account| account.scope)
                .collect(),
            groups: RwLock::default(),
        };
        let limited = settings.scopes.iter().flat_map(|scope| scope.limits.keys());
        for group in limited.chain(settings.model_groups.0.values()) {
            quotas.group(group, now);
        }
        quotas
    }

    /// The group of this name.
    pub(in crate::simulator) fn group(&self, name: &str, now: f64) -> Arc<Group> {
        let known = self.groups.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(group) = known.get(name) {
            return Arc::clone(group);
        }
        drop(known);
        let mut groups = self.groups.write().unwrap_or_else(PoisonError::into_inner);
        // Somebody else may have made it between the two locks.
        let group = groups
            .entry(name.to_owned())
            .or_insert_with(|| Arc::new(Group::new(name, &self.scopes, &self.scope_of, now)));
        Arc::clone(group)
    }

    /// All groups by name, sorted.
    pub(in crate::simulator) fn groups(&self) -> Vec<(String, Arc<Group>)> {
        let groups = self.groups.read().unwrap_or_else(PoisonError::into_inner);
        let mut list: Vec<(String, Arc<Group>)> = groups
            .iter()
            .map(|(name, group)| (name.clone(), Arc::clone(group)))
            .collect();
        list.sort_by(|left, right| left.0.cmp(&right.0));
        list
    }
}

impl Group {
    fn new(name: &str, scopes: &[Scope], scope_of: &Arc<[usize]>, now: f64) -> Group {
        Group {
            scope_of: Arc::clone(scope_of),
            lanes: scopes
                .iter()
                .map(|scope| Mutex::new(Lane::new(scope.limits_of(name), now)))
                .collect(),
            tallies: scope_of.iter().map(|_| Tally::default()).collect(),
        }
    }

    /// Admits one request of an account, or says why not, and counts it.
    pub(in crate::simulator) fn admit(
        &self,
        account: usize,
        tokens: u64,
        now: f64,
    ) -> Result<Readings, Refusal> {
        let admission = self.lane(self.scope_of[account]).admit(tokens, now);
        let tally = &self.tallies[account];
        if admission.is_ok() {
            tally.admitted.fetch_add(1, Ordering::Relaxed);
            tally.charged_tokens.fetch_add(tokens, Ordering::Relaxed);
        } else {
            tally.refused.fetch_add(1, Ordering::Relaxed);
        }
        admission
    }

    /// The lane of a scope. Held for arithmetic only, never over an await.
    pub(in crate::simulator) fn lane(&self, scope: usize) -> MutexGuard<'_, Lane> {
        self.lanes[scope]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::simulator) fn tally(&self, account: usize) -> &Tally {
        &self.tallies[account]
    }
}

/// How many answers had which status.
#[derive(Debug)]
pub(in crate::simulator) struct Statuses(Box<[AtomicU64]>);

/// Final statuses of HTTP: the first and the one after the last.
const FIRST_STATUS: u16 = 200;
const END_STATUS: u16 = 600;

impl Default for Statuses {
    fn default() -> Statuses {
        Statuses(
            (FIRST_STATUS..END_STATUS)
                .map(|_| AtomicU64::new(0))
                .collect(),
        )
    }
}

impl Statuses {
    pub(in crate::simulator) fn count(&self, status: u16) {
        let place = status.checked_sub(FIRST_STATUS).map(usize::from);
        if let Some(count) = place.and_then(|place| self.0.get(place)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The statuses that occurred, each with its number.
    pub(in crate::simulator) fn occurred(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        (FIRST_STATUS..)
            .zip(&self.0)
            .map(|(status, count)| (status, count.load(Ordering::Relaxed)))
            .filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quotas(json: &str) -> Quotas {
        Quotas::new(&Settings::parse(json).unwrap(), 0.0)
    }

    const TWO_KEYS_ONE_ORGANIZATION: &str = r#"{"accounts": [
        {"apiKey": "a", "organization": "o", "limits": {"gpt-4o": {"requestsPerMinute": 2}}},
        {"apiKey": "b", "organization": "o"},
        {"apiKey": "c", "limits": {"*": {"requestsPerMinute": 1}}}]}"#;

    #[test]
    fn keys_of_one_organization_drain_the_same_bucket_and_others_do_not() {
        let group = quotas(TWO_KEYS_ONE_ORGANIZATION).group("gpt-4o", 0.0);
        assert!(group.admit(0, 5, 0.0).is_ok());
        assert!(group.admit(1, 6, 0.0).is_ok());
        assert!(group.admit(0, 7, 0.0).is_err());
        assert!(group.admit(2, 8, 0.0).is_ok());
        let counts = |account: usize| {
            let tally = group.tally(account);
            [&tally.admitted, &tally.refused, &tally.charged_tokens]
                .map(|count| count.load(Ordering::Relaxed))
        };
        assert_eq!(
            [counts(0), counts(1), counts(2)],
            [[1, 1, 5], [1, 0, 6], [1, 0, 8]]
        );
    }

    #[test]
    fn model_groups_have_buckets_of_their_own() {
        let quotas = quotas(TWO_KEYS_ONE_ORGANIZATION);
        assert!(quotas.group("gpt-4o", 0.0).admit(2, 1, 0.0).is_ok());
        assert!(quotas.group("gpt-5", 0.0).admit(2, 1, 0.0).is_ok());
        assert!(quotas.group("gpt-5", 0.0).admit(2, 1, 0.0).is_err());
        let names: Vec<String> = quotas.groups().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["gpt-4o", "gpt-5"]);
    }

    #[test]
    fn threads_together_are_admitted_exactly_what_the_bucket_holds() {
        let json =
            r#"{"accounts": [{"apiKey": "a", "limits": {"*": {"requestsPerMinute": 1000}}}]}"#;
        let quotas = quotas(json);
        let admitted: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let group = quotas.group("gpt-4o", 0.0);
                        (0..400).filter(|_| group.admit(0, 1, 0.0).is_ok()).count()
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        assert_eq!(admitted, 1_000);
    }

    #[test]
    fn statuses_outside_http_are_not_counted() {
        let statuses = Statuses::default();
        for status in [0, 199, 200, 200, 429, 599, 600, u16::MAX] {
            statuses.count(status);
        }
        let occurred: Vec<(u16, u64)> = statuses.occurred().collect();
        assert_eq!(occurred, [(200, 2), (429, 1), (599, 1)]);
    }
}
