//! One process that uses the engine: its queue, and what it knows of the accounts by itself.

use std::collections::BTreeMap;

use openai_request_manager::scheduler::ASKERS;

use crate::breaker::Breaker;

/// A process. Only the first of its queue ask the store, as in the scheduler.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    /// By number, which is the order of arrival: one that comes back after a 429 has its old place.
    waiting: BTreeMap<usize, Waiting>,
    /// By account.
    pub(crate) known: Vec<Known>,
}

/// A request that waits for room.
#[derive(Debug, Clone, Default)]
struct Waiting {
    /// It has asked, and the store's word is on its way.
    is_asking: bool,
    /// The number of the alarm that is set; alarms of other numbers have been overtaken.
    alarm: u64,
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
            waiting: BTreeMap::new(),
            known: vec![Known::default(); accounts],
        }
    }

    /// A request takes its place.
    pub(crate) fn join(&mut self, request: usize) {
        self.waiting.insert(request, Waiting::default());
    }

    /// A request leaves, to be sent or because nobody can serve it.
    pub(crate) fn leave(&mut self, request: usize) {
        self.waiting.remove(&request);
    }

    /// Those who are to ask now; they count as asking from here on.
    pub(crate) fn ask(&mut self) -> Vec<usize> {
        let first = self.waiting.iter_mut().take(ASKERS);
        let to_ask = first.filter(|(_, waiting)| !waiting.is_asking);
        to_ask
            .map(|(request, waiting)| {
                waiting.is_asking = true;
                waiting.alarm += 1;
                *request
            })
            .collect()
    }

    /// The store's word has come: ask again. Returns the number of the alarm that is to wake the request.
    pub(crate) fn told_to_wait(&mut self, request: usize) -> u64 {
        let waiting = self.waiting.entry(request).or_default();
        waiting.is_asking = false;
        waiting.alarm
    }

    /// Whether an alarm is still to wake its request.
    pub(crate) fn is_woken_by(&self, request: usize, alarm: u64) -> bool {
        let waiting = self.waiting.get(&request);
        waiting.is_some_and(|waiting| !waiting.is_asking && waiting.alarm == alarm)
    }
}
