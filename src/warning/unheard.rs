//! Warnings that nobody has heard yet.

use std::{
    collections::VecDeque,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::Warning;

/// Where nobody listens, the oldest goes when there are more.
const MOST_WARNINGS: usize = 64;

/// Warnings for whoever listens next: a queue of bounded length.
#[derive(Debug, Default)]
pub struct Unheard(Mutex<VecDeque<Warning>>);

impl Unheard {
    /// Adds one; the oldest goes where there are too many.
    pub fn add(&self, warning: Warning) {
        let mut waiting = self.waiting();
        if waiting.len() >= MOST_WARNINGS {
            waiting.pop_front();
        }
        waiting.push_back(warning);
    }

    /// Takes all out, oldest first.
    pub fn take(&self) -> Vec<Warning> {
        mem::take(&mut *self.waiting()).into()
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Warning>> {
        // What is locked here is only pushed to and taken from, so it is whole even after a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_where_nobody_listens() {
        let warnings = Unheard::default();
        for number in 0..MOST_WARNINGS + 2 {
            let account = number.to_string().into();
            warnings.add(Warning::quota_groups_merged(&account, &account, &account));
        }
        let kept = warnings.take();
        assert_eq!(kept.len(), MOST_WARNINGS);
        assert_eq!(kept[0].account.as_deref(), Some("2"));
        assert!(warnings.take().is_empty());
    }
}
