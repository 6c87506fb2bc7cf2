//! One process that uses the engine: its queue, and what it knows of the accounts by itself.

use std::collections::BTreeSet;

use crate::breaker::Breaker;

/// A process. Only the head of its queue asks the store, as in the scheduler.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    /// Requests by number, which is the order of arrival: one that comes back after a 429 has its old place.
    waiting: BTreeSet<usize>,
    /// The head has asked, and the store's word is on its way.
    asking: bool,
    /// The number of the alarm that is set; alarms of other numbers have been overtaken.
    alarm: u64,
    /// By account.
    pub(crate) known: Vec<Known>,
}

/// What a process knows of an account by its own answers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    pub(crate) breaker: Breaker,
    /// The last 429's moment to come back.
    pub(crate) blocked_until_ms: f64,
}

impl Process {
    /// A process where nobody waits.
    pub(crate) fn new(accounts: usize) -> Process {
        Process {
            waiting: BTreeSet::new(),
            asking: false,
            alarm: 0,
            known: vec![Known::default(); accounts],
        }
    }

    /// A request takes its place; true if that is the first.
    pub(crate) fn join(&mut self, request: usize) -> bool {
        self.waiting.insert(request);
        self.waiting.first() == Some(&request)
    }

    /// A request leaves, to be sent or because nobody can serve it.
    pub(crate) fn leave(&mut self, request: usize) {
        self.waiting.remove(&request);
    }

    /// The head, if it is to ask now; it counts as asking from here on.
    pub(crate) fn ask(&mut self) -> Option<usize> {
        if self.asking {
            return None;
        }
        let head = self.waiting.first()?;
        self.asking = true;
        self.alarm += 1;
        Some(*head)
    }

    /// The store's word has come.
    pub(crate) fn told(&mut self) {
        self.asking = false;
    }

    /// The number of the alarm that would wake the head.
    pub(crate) fn alarm(&self) -> u64 {
        self.alarm
    }
}
