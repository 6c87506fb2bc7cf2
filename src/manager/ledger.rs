//! What was used: requests, tokens and money of each account, by type.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Types kept for one account: `chat`, `embeddings`, and words that callers of `processRedis` choose.
const MOST_TYPES: usize = 64;

/// Sums of one account and type.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Totals {
    /// Requests with an answer that was paid for.
    pub(super) requests: u64,
    /// Tokens of any kind.
    pub(super) tokens: u64,
    /// US dollars, as far as prices are known.
    pub(super) cost: f64,
}

/// The totals of a manager since it was made.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    accounts: Mutex<Accounts>,
}

/// Totals by label and type: they stay when an account goes, and go on when it comes back.
type Accounts = HashMap<Arc<str>, BTreeMap<Arc<str>, Totals>>;

impl Ledger {
    /// Adds one request. A type past the bound is counted under `other`.
    pub(super) fn add(&self, account: &Arc<str>, kind: &str, tokens: u64, cost: Option<f64>) {
        let mut accounts = self.lock();
        let types = accounts.entry(account.clone()).or_default();
        let full = types.len() >= MOST_TYPES && !types.contains_key(kind);
        let totals = types
            .entry(if full { "other" } else { kind }.into())
            .or_default();
        totals.requests += 1;
        totals.tokens = totals.tokens.saturating_add(tokens);
        totals.cost += cost.unwrap_or(0.0);
    }

    /// The sums of one account over all types.
    pub(super) fn of(&self, account: &str) -> Totals {
        let accounts = self.lock();
        let types = accounts.get(account).into_iter().flat_map(BTreeMap::values);
        types.fold(Totals::default(), |sum, totals| Totals {
            requests: sum.requests + totals.requests,
            tokens: sum.tokens.saturating_add(totals.tokens),
            cost: sum.cost + totals.cost,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_add_up_over_types_and_stay_bounded() {
        let ledger = Ledger::default();
        let account = "a".into();
        for index in 0..3 * MOST_TYPES {
            ledger.add(&account, &format!("type {index}"), 2, Some(0.5));
        }
        ledger.add(&account, "chat", 1, None);
        let totals = ledger.of("a");
        assert_eq!(totals.requests, 3 * MOST_TYPES as u64 + 1);
        assert_eq!(totals.tokens, 6 * MOST_TYPES as u64 + 1);
        assert_eq!(ledger.lock()["a"].len(), MOST_TYPES + 1);
    }
}
