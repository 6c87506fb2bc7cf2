//! Which counters a request adds to, and their sums.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    counts::{Counts, MEASURES, NANO_USD, NANO_USD_AT, TOKENS, TOKENS_AT},
    day::{DAY_MS, Day},
    names::{Names, field},
    query::{MOST_DAYS, Usage, UsageQuery},
    sheet::Sheet,
};
use crate::redis::tag_of;

/// Models kept apart for one account and day, and as many types: both are names that callers choose.
const MOST_NAMES: usize = 64;

/// Longer names are nobody's.
const LONGEST_NAME: usize = 256;

/// Where all others count.
const OTHER: &str = "other";

/// What all accounts of a pool are called together; no label begins so in Redis.
pub(super) const ALL: &str = "*";

/// Usage is kept for so long.
const KEPT_MS: f64 = MOST_DAYS as f64 * DAY_MS;

/// A request that was served, or that a caller made by itself.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Label of its account.
    pub account: &'a Arc<str>,
    /// The model that it was sent to.
    pub model: &'a str,
    /// `chat`, `embeddings` or a word of the caller's.
    pub kind: &'a str,
    /// What it used.
    pub counts: Counts,
    /// Tokens left on the account after it, where known.
    pub tokens_left: Option<f64>,
    /// Requests left on the account after it, where known.
    pub requests_left: Option<f64>,
}

/// The counters of an account, model and type on a day.
#[derive(Debug)]
struct Row {
    /// Of the pool's own sheet: which measure counts, and where.
    own: Vec<(usize, usize)>,
    /// Of the keys that other programs read: the sheet and the counter; they count tokens.
    read_by_others: Vec<(usize, usize)>,
}

/// The indices of rows.
type RowsByType = HashMap<Arc<str>, usize>;

/// What was last known to be left on an account: tokens and requests, and whether Redis has been told.
type Left = [Option<(u64, bool)>; LEFT.len()];

/// What can be left on an account.
const LEFT: [&str; 2] = ["tokens", "requests"];

/// A number that goes to Redis as it is.
#[derive(Debug, PartialEq)]
pub(super) struct Told {
    pub(super) key: String,
    pub(super) number: u64,
    account: Arc<str>,
    what: usize,
}

/// The sums of a process.
#[derive(Debug)]
pub(super) struct Tally {
    names: Names,
    /// Usage and what was spent of budgets.
    pub(super) own: Sheet,
    /// The counters that other programs read, by slot; `None` where there is no Redis.
    pub(super) read_by_others: Option<Vec<Sheet>>,
    today: Day,
    rows: Vec<Row>,
    /// Changes when counters have other indices.
    pub(super) edition: u64,
    /// Account → model → type → row.
    indices: HashMap<Arc<str>, HashMap<Arc<str>, RowsByType>>,
    /// Account → its types.
    kinds: HashMap<Arc<str>, HashSet<Arc<str>>>,
    /// Since the beginning, by account.
    sums: HashMap<Arc<str>, Counts>,
    left: HashMap<Arc<str>, Left>,
}

impl Tally {
    pub(super) fn new(names: Names, has_redis: bool, now_ms: f64) -> Self {
        let today = Day::of(now_ms);
        Tally {
            own: Sheet::new(names.tag().to_owned(), Some(KEPT_MS), today),
            names,
            read_by_others: has_redis.then(Vec::new),
            today,
            rows: Vec::new(),
            edition: 0,
            indices: HashMap::new(),
            kinds: HashMap::new(),
            sums: HashMap::new(),
            left: HashMap::new(),
        }
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    /// Adds a request to all sums.
    pub(super) fn count(&mut self, entry: &Entry<'_>, now_ms: f64) {
        self.turn_to(Day::of(now_ms));
        let index = self.row(entry);
        let row = &self.rows[index];
        for (measure, counter) in &row.own {
            self.own.add(*counter, entry.counts.0[*measure]);
        }
        if let Some(sheets) = &mut self.read_by_others {
            for (sheet, counter) in &row.read_by_others {
                sheets[*sheet].add(*counter, entry.counts.tokens());
            }
            self.note_left(entry);
        }
        match self.sums.get_mut(entry.account) {
            Some(sum) => sum.add(&entry.counts),
            None => {
                self.sums.insert(entry.account.clone(), entry.counts);
            }
        }
    }

    /// The sums of an account since the beginning.
    pub(super) fn of(&self, account: &str) -> Counts {
        self.sums.get(account).copied().unwrap_or_default()
    }

    /// What this process has used.
    pub(super) fn usage(&self, query: &UsageQuery) -> Usage {
        let days: HashMap<Arc<str>, Day> = query
            .each_day()
            .map(|day| (self.names.usage(day), day))
            .collect();
        let mut usage = Usage::new(query);
        for counter in self.own.counters() {
            if let Some(day) = days.get(&counter.key) {
                usage.add(*day, &counter.field, counter.total);
            }
        }
        usage
    }

    /// The counter of what a scope has spent, in the day and in the month of a moment.
    pub(super) fn spent(&mut self, scope: &str, unit: &str, day: Day) -> [usize; 2] {
        let keys = [
            self.names.spent_in_day(day),
            self.names.spent_in_month(day.month()),
        ];
        let field = format!("{scope} {unit}");
        keys.map(|key| self.own.counter(&key, &field))
    }

    /// Every sheet, the pool's own first.
    pub(super) fn sheets(&self) -> impl Iterator<Item = &Sheet> {
        [&self.own]
            .into_iter()
            .chain(self.read_by_others.iter().flatten())
    }

    pub(super) fn sheet(&mut self, index: usize) -> Option<&mut Sheet> {
        match index.checked_sub(1) {
            None => Some(&mut self.own),
            Some(index) => self.read_by_others.as_mut()?.get_mut(index),
        }
    }

    /// Has other writers go on where that is due.
    pub(super) fn renew_writers(&mut self, now_ms: f64) {
        let others = self.read_by_others.iter_mut().flatten();
        let mut is_changed = false;
        for sheet in [&mut self.own].into_iter().chain(others) {
            if sheet.is_due_for_new_writer(now_ms) {
                sheet.begin_anew(now_ms);
                is_changed = true;
            }
        }
        if is_changed {
            self.forget_rows();
            // Types of yesterday may not come again.
            if let Some(sheets) = &mut self.read_by_others {
                sheets.retain(|sheet| !sheet.counters().is_empty());
            }
        }
    }

    /// What is left on accounts and Redis has not been told.
    pub(super) fn take_left(&mut self) -> Vec<Told> {
        let mut taken = Vec::new();
        for (account, left) in &mut self.left {
            for (what, left) in left.iter_mut().enumerate() {
                if let Some((number, is_told)) = left.as_mut().filter(|(_, is_told)| !*is_told) {
                    *is_told = true;
                    taken.push(Told {
                        key: self.names.availability(account, LEFT[what]),
                        number: *number,
                        account: account.clone(),
                        what,
                    });
                }
            }
        }
        taken
    }

    /// Redis may not have been told after all.
    pub(super) fn tell_again(&mut self, told: &Told) {
        let left = self.left.get_mut(&told.account);
        if let Some((_, is_told)) = left.and_then(|left| left[told.what].as_mut()) {
            *is_told = false;
        }
    }

    /// A new day has rows of its own.
    pub(super) fn turn_to(&mut self, day: Day) -> Day {
        if day == self.today {
            return day;
        }
        self.today = day;
        self.forget_rows();
        // With a Redis, writers end with the day; without one, the sums are nowhere else.
        if self.read_by_others.is_none() {
            let days = (0..MOST_DAYS).map(|ago| day.plus(-ago));
            let mut keep: HashSet<Arc<str>> = days.map(|day| self.names.usage(day)).collect();
            keep.insert(self.names.spent_in_day(day));
            keep.insert(self.names.spent_in_month(day.month()));
            self.own.retain(|counter| keep.contains(&counter.key));
        }
        day
    }

    fn forget_rows(&mut self) {
        self.edition += 1;
        self.rows.clear();
        self.indices.clear();
        self.kinds.clear();
    }

    /// The index of an entry's row.
    fn row(&mut self, entry: &Entry<'_>) -> usize {
        let (account, mut model, mut kind) = (entry.account, entry.model, entry.kind);
        if let Some(row) = self.known_row(account, model, kind) {
            return row;
        }
        let models = self.indices.entry(account.clone()).or_default();
        let kinds = self.kinds.entry(account.clone()).or_default();
        let fits = |name: &str, others: usize| others < MOST_NAMES && name.len() <= LONGEST_NAME;
        if !models.contains_key(model) && !fits(model, models.len()) {
            model = OTHER;
        }
        if !kinds.contains(kind) && !fits(kind, kinds.len()) {
            kind = OTHER;
        }
        if let Some(row) = self.known_row(account, model, kind) {
            return row;
        }
        let row = self.new_row(account, model, kind);
        self.rows.push(row);
        let index = self.rows.len() - 1;
        let kind: Arc<str> = kind.into();
        if let Some(kinds) = self.kinds.get_mut(account) {
            kinds.insert(kind.clone());
        }
        let models = self.indices.entry(account.clone()).or_default();
        models.entry(model.into()).or_default().insert(kind, index);
        index
    }

    fn known_row(&self, account: &str, model: &str, kind: &str) -> Option<usize> {
        self.indices.get(account)?.get(model)?.get(kind).copied()
    }

    fn new_row(&mut self, account: &str, model: &str, kind: &str) -> Row {
        let key = self.names.usage(self.today);
        let mut own: Vec<(usize, usize)> = MEASURES
            .iter()
            .enumerate()
            .map(|(index, measure)| {
                let field = field(account, model, kind, measure);
                (index, self.own.counter(&key, &field))
            })
            .collect();
        for scope in [account, ALL] {
            for (measure, unit) in [(TOKENS_AT, TOKENS), (NANO_USD_AT, NANO_USD)] {
                let counters = self.spent(scope, unit, self.today);
                own.extend(counters.map(|counter| (measure, counter)));
            }
        }
        let keys = self.names.read_by_others(account, kind);
        let today = self.today;
        let mut read_by_others = Vec::new();
        if let Some(sheets) = &mut self.read_by_others {
            for key in keys {
                let tag = tag_of(&key);
                let known = sheets.iter().position(|sheet| sheet.tag == tag);
                let sheet = known.unwrap_or_else(|| {
                    sheets.push(Sheet::new(tag.into_owned(), None, today));
                    sheets.len() - 1
                });
                let counter = sheets[sheet].counter(&key, "");
                read_by_others.push((sheet, counter));
            }
        }
        Row {
            own,
            read_by_others,
        }
    }

    fn note_left(&mut self, entry: &Entry<'_>) {
        for (what, left) in [entry.tokens_left, entry.requests_left]
            .into_iter()
            .enumerate()
        {
            let Some(number) = left.filter(|left| left.is_finite()) else {
                continue;
            };
            if !self.left.contains_key(entry.account) {
                self.left.insert(entry.account.clone(), Left::default());
            }
            if let Some(left) = self.left.get_mut(entry.account) {
                // A whole number; a float cast saturates, so what is below zero is nothing.
                left[what] = Some((number as u64, false));
            }
        }
    }
}

#[cfg(test)]
mod tests;
