//! What happens when: the virtual clock.

use std::{cmp::Ordering, collections::BinaryHeap};

/// Things to come, the earliest first; of one moment, the one that was entered first.
#[derive(Debug)]
pub(crate) struct Agenda<T> {
    entries: BinaryHeap<Entry<T>>,
    entered: u64,
}

#[derive(Debug)]
struct Entry<T> {
    at_ms: f64,
    number: u64,
    what: T,
}

impl<T> Agenda<T> {
    /// Nothing to come.
    pub(crate) fn new() -> Self {
        Agenda {
            entries: BinaryHeap::new(),
            entered: 0,
        }
    }

    /// Enters something.
    pub(crate) fn at(&mut self, at_ms: f64, what: T) {
        let number = self.entered;
        self.entered += 1;
        self.entries.push(Entry {
            at_ms,
            number,
            what,
        });
    }

    /// The next thing and its moment, in milliseconds.
    pub(crate) fn next(&mut self) -> Option<(f64, T)> {
        self.entries.pop().map(|entry| (entry.at_ms, entry.what))
    }
}

impl<T> Ord for Entry<T> {
    /// The heap gives its greatest entry first, so the earliest is the greatest.
    fn cmp(&self, other: &Self) -> Ordering {
        let by_time = other.at_ms.total_cmp(&self.at_ms);
        by_time.then(other.number.cmp(&self.number))
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Entry<T> {}
