//! All prompt caches of a simulator: one for each organization, each behind its own lock.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::prompt_cache::PromptCache;
use crate::simulator::settings::Settings;

/// The caches, by account.
#[derive(Debug)]
pub(in crate::simulator) struct Caches {
    caches: Vec<Mutex<PromptCache>>,
    /// The cache of each account. Projects do not matter: their limits differ, their organization's cache is one.
    cache_of: Vec<usize>,
}

impl Caches {
    /// An empty cache for every organization of the settings.
    pub(in crate::simulator) fn new(settings: &Settings) -> Caches {
        let mut places = HashMap::new();
        let cache_of = settings
            .accounts
            .iter()
            .map(|account| {
                let next = places.len();
                *places.entry(account.organization.as_str()).or_insert(next)
            })
            .collect();
        Caches {
            caches: (0..places.len())
                .map(|_| Mutex::new(PromptCache::with_idle_ms(settings.prompt_cache_idle_ms)))
                .collect(),
            cache_of,
        }
    }

    /// Reads a prompt of an account; see [`PromptCache::visit`]. The lock is held for this only, never over an await.
    pub(in crate::simulator) fn visit(&self, account: usize, prefix: &[u64], now: f64) -> usize {
        self.caches[self.cache_of[account]]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .visit(prefix, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_projects_and_keys_of_an_organization_share_its_cache_and_others_do_not() {
        let json = r#"{"accounts": [
            {"apiKey": "a", "organization": "o"},
            {"apiKey": "b", "organization": "o"},
            {"apiKey": "c", "organization": "o", "project": "p"},
            {"apiKey": "d", "organization": "other"},
            {"apiKey": "e"}]}"#;
        let caches = Caches::new(&Settings::parse(json).unwrap());
        let known: Vec<usize> = (0..5)
            .map(|account| caches.visit(account, &[1, 2], 0.0))
            .collect();
        assert_eq!(known, [0, 2, 2, 0, 0]);
    }
}
