//! The counters of one slot, as one process adds to them.
//!
//! A sheet is exact by construction. It belongs to a *writer*, an id of its own, and what goes to Redis are the totals of its
//! counters since that writer began: Redis keeps what the writer said last, and adds only what is new. So a report without an
//! answer is sent again as the totals are then, and adds nothing twice. Reports are numbered: where Redis has not kept the last
//! one that it acknowledged, it has lost data (restarted empty, or a replica that lagged took over), and all totals are sent.
//!
//! What Redis keeps of a writer expires. A writer that could have expired, or that has nothing left to say at a change of day,
//! ends; another goes on with what was not acknowledged.

use std::{collections::HashMap, sync::Arc};

use super::day::{DAY_MS, Day};

/// What was last reported is kept for a day.
pub(super) const REPORTED_KEPT_MS: f64 = DAY_MS;

/// A writer whose last report is acknowledged ends after half of that.
const OLD_MS: f64 = REPORTED_KEPT_MS / 2.0;

/// One with a report in doubt asks Redis what became of it for as long as Redis knows for sure, but for an hour: past that, nobody
/// can tell, and the counts of that one report may be there twice.
const TOO_OLD_MS: f64 = REPORTED_KEPT_MS - 3_600_000.0;

/// Counters in one report: the script holds up everybody else for as long as it runs.
const MOST_IN_REPORT: usize = 500;

/// Totals are added to as floats there, exactly up to here.
const MOST: u64 = 1 << 53;

#[derive(Debug)]
pub(super) struct Counter {
    /// In Redis.
    pub(super) key: Arc<str>,
    /// Of the hash; empty where the key is the counter.
    pub(super) field: String,
    /// Since the writer began.
    pub(super) total: u64,
    acknowledged: u64,
}

/// Counters whose keys lie in one slot.
#[derive(Debug)]
pub(super) struct Sheet {
    /// What stands in the braces of its bookkeeping key.
    pub(super) tag: String,
    /// How long keys live after an addition; `None` is for ever.
    pub(super) kept_ms: Option<f64>,
    writer: String,
    began: Day,
    counters: Vec<Counter>,
    /// By key and field.
    indices: HashMap<String, usize>,
    /// Reports sent.
    sent: u64,
    /// The last report that Redis has acknowledged; 0 for none.
    acknowledged: u64,
    /// Until a day after this moment Redis knows for sure what the writer said last. Unix ms.
    known_since_ms: Option<f64>,
    /// A report may have been counted that Redis has not acknowledged: also one under way, of which nothing more may be heard.
    in_doubt: bool,
}

/// A report under way.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) number: u64,
    /// The report that Redis must have kept at least.
    pub(super) expected: u64,
    /// Index and total of each counter that goes with it.
    pub(super) totals: Vec<(usize, u64)>,
    /// All that was not acknowledged is in it.
    pub(super) is_whole: bool,
    sent_ms: f64,
    /// Whether one before it is in doubt.
    was_in_doubt: bool,
}

impl Sheet {
    pub(super) fn new(tag: String, kept_ms: Option<f64>, today: Day) -> Self {
        Sheet {
            tag,
            kept_ms,
            writer: new_writer(),
            began: today,
            counters: Vec::new(),
            indices: HashMap::new(),
            sent: 0,
            acknowledged: 0,
            known_since_ms: None,
            in_doubt: false,
        }
    }

    pub(super) fn writer(&self) -> &str {
        &self.writer
    }

    /// The index of a counter, good until the sheet has a new writer.
    pub(super) fn counter(&mut self, key: &Arc<str>, field: &str) -> usize {
        let name = format!("{key} {field}");
        *self.indices.entry(name).or_insert_with(|| {
            self.counters.push(Counter {
                key: key.clone(),
                field: field.to_owned(),
                total: 0,
                acknowledged: 0,
            });
            self.counters.len() - 1
        })
    }

    pub(super) fn counters(&self) -> &[Counter] {
        &self.counters
    }

    pub(super) fn add(&mut self, counter: usize, more: u64) {
        let total = &mut self.counters[counter].total;
        *total = total.saturating_add(more).min(MOST);
    }

    /// What was added to a counter and not acknowledged.
    pub(super) fn unacknowledged(&self, counter: usize) -> u64 {
        let counter = &self.counters[counter];
        counter.total - counter.acknowledged
    }

    /// What this writer has added to a counter and Redis has acknowledged.
    pub(super) fn acknowledged(&self, counter: usize) -> u64 {
        self.counters[counter].acknowledged
    }

    /// Whether Redis has acknowledged everything.
    pub(super) fn is_settled(&self) -> bool {
        !self.in_doubt
            && self
                .counters
                .iter()
                .all(|counter| counter.total == counter.acknowledged)
    }

    /// The next report; also one with nothing new, which shows whether Redis has lost any.
    pub(super) fn report(&mut self, now_ms: f64) -> Report {
        self.sent += 1;
        self.known_since_ms.get_or_insert(now_ms);
        let mut fresh = self.counters.iter().enumerate();
        let mut totals = fresh
            .by_ref()
            .filter(|(_, counter)| counter.total != counter.acknowledged)
            .map(|(index, counter)| (index, counter.total));
        let some: Vec<_> = totals.by_ref().take(MOST_IN_REPORT).collect();
        let is_whole = totals.next().is_none();
        Report {
            number: self.sent,
            expected: self.acknowledged,
            totals: some,
            is_whole,
            sent_ms: now_ms,
            was_in_doubt: std::mem::replace(&mut self.in_doubt, true),
        }
    }

    /// Whether there is something to report, if only the question whether Redis still has all, after nothing was since a moment.
    pub(super) fn is_due(&self, quiet_since_ms: f64) -> bool {
        let is_quiet = self
            .known_since_ms
            .is_some_and(|since| since < quiet_since_ms);
        is_quiet || !self.is_settled()
    }

    /// Redis has counted a report.
    pub(super) fn kept(&mut self, report: &Report) {
        for (index, total) in &report.totals {
            self.counters[*index].acknowledged = *total;
        }
        self.acknowledged = report.number;
        self.known_since_ms = Some(report.sent_ms);
        self.in_doubt = false;
    }

    /// Redis has lost what it had acknowledged: all of it is to be sent again.
    pub(super) fn lost(&mut self) {
        for counter in &mut self.counters {
            counter.acknowledged = 0;
        }
        self.acknowledged = 0;
        // What it still knows of this writer may be old, but it has just shown that it answers.
        self.in_doubt = false;
    }

    /// A report has no answer.
    pub(super) fn failed(&mut self, report: &Report, may_have_run: bool) {
        self.in_doubt = report.was_in_doubt || may_have_run;
    }

    /// Whether another writer is to go on; not while a report is under way.
    pub(super) fn is_due_for_new_writer(&self, now_ms: f64) -> bool {
        let Some(known_since_ms) = self.known_since_ms else {
            return false;
        };
        let age_ms = now_ms - known_since_ms;
        let is_over = self.began != Day::of(now_ms) && self.is_settled();
        is_over || age_ms > TOO_OLD_MS || (age_ms > OLD_MS && !self.in_doubt)
    }

    /// Another writer goes on with what was not acknowledged; counters have other indices from here on.
    pub(super) fn begin_anew(&mut self, now_ms: f64) {
        let mut next = Sheet::new(std::mem::take(&mut self.tag), self.kept_ms, Day::of(now_ms));
        for counter in &self.counters {
            let rest = counter.total - counter.acknowledged;
            if rest > 0 {
                let index = next.counter(&counter.key, &counter.field);
                next.add(index, rest);
            }
        }
        *self = next;
    }

    /// Forgets counters; those that stay have other indices from here on.
    pub(super) fn retain(&mut self, keep: impl Fn(&Counter) -> bool) {
        self.counters.retain(keep);
        let names = self.counters.iter().enumerate();
        self.indices = names
            .map(|(index, counter)| (format!("{} {}", counter.key, counter.field), index))
            .collect();
    }
}

fn new_writer() -> String {
    format!("{:016x}", fastrand::u64(..))
}

#[cfg(test)]
mod tests;
