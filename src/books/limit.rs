//! One budget: its limit, and what was spent of it as far as this process knows.

use std::sync::Arc;

use super::{
    counts::{NANO, NANO_USD, TOKENS},
    day::Day,
    tally::{ALL, Tally},
};
use crate::config::Budget;

/// The units of amounts.
pub(super) const UNITS: [&str; 2] = [TOKENS, NANO_USD];

/// Tokens, and billionths of a dollar.
pub(super) type Amounts = [u64; UNITS.len()];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Period {
    Day,
    Month,
}

/// One budget.
#[derive(Debug)]
pub(super) struct Limit {
    /// An account's label, or `*` for the pool.
    pub(super) scope: Arc<str>,
    /// As in the settings.
    pub(super) name: &'static str,
    /// Index of its unit.
    pub(super) unit: usize,
    period: Period,
    /// As the user gave it.
    pub(super) given: f64,
    /// In its unit.
    pub(super) limit: f64,
    pub(super) heard: Option<Heard>,
    /// The edition of the tally, and the day, for which this is the counter's index.
    counter: Option<(u64, Day, usize)>,
}

/// What Redis said last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard {
    /// The end of the period that it is about.
    pub(super) until_ms: f64,
    /// By all processes.
    pub(super) spent: u64,
    /// By all processes.
    pub(super) reserved: u64,
    /// Of that, by this one.
    pub(super) own: u64,
}

/// A budget that is used up.
#[derive(Debug, Clone, PartialEq)]
pub struct Over {
    /// Whose it is; `None` for the pool.
    pub account: Option<Arc<str>>,
    /// Its name in the settings.
    pub budget: &'static str,
    /// As in the settings.
    pub limit: f64,
    /// When the next period begins, in Unix ms.
    pub until_ms: f64,
}

impl Over {
    /// When the next period begins, for people.
    pub fn next_period(&self) -> String {
        format!("{} 00:00 UTC", Day::of(self.until_ms))
    }
}

pub(super) fn limits_of((scope, budget): &(Arc<str>, Budget)) -> impl Iterator<Item = Limit> {
    let scope = scope.clone();
    [
        ("usdPerDay", 1, Period::Day, budget.usd_per_day),
        ("usdPerMonth", 1, Period::Month, budget.usd_per_month),
        ("tokensPerDay", 0, Period::Day, budget.tokens_per_day),
        ("tokensPerMonth", 0, Period::Month, budget.tokens_per_month),
    ]
    .into_iter()
    .filter_map(move |(name, unit, period, given)| {
        let given = given?;
        Some(Limit {
            scope: scope.clone(),
            name,
            unit,
            period,
            given,
            limit: if unit == 1 { given * NANO } else { given },
            heard: None,
            counter: None,
        })
    })
}

impl Limit {
    pub(super) fn is_about(&self, account: &str) -> bool {
        &*self.scope == account || &*self.scope == ALL
    }

    /// Scope and unit, as in Redis.
    pub(super) fn field(&self) -> String {
        format!("{} {}", self.scope, UNITS[self.unit])
    }

    pub(super) fn until_ms(&self, today: Day) -> f64 {
        match self.period {
            Period::Day => today.end_ms(),
            Period::Month => today.end_of_month_ms(),
        }
    }

    /// What Redis said of the period that the day is in; nothing was spent in one that has just begun.
    pub(super) fn heard_of(&self, today: Day) -> Heard {
        let fresh = Heard {
            until_ms: self.until_ms(today),
            spent: 0,
            reserved: 0,
            own: 0,
        };
        self.heard
            .filter(|heard| heard.until_ms == fresh.until_ms)
            .unwrap_or(fresh)
    }

    /// Whether requests in flight may use up what is left, as Redis said last.
    pub(super) fn is_full(&self) -> bool {
        let taken = self
            .heard
            .map_or(0, |heard| heard.spent.saturating_add(heard.reserved));
        taken as f64 >= self.limit
    }

    /// By all processes, as far as this one knows.
    pub(super) fn spent(&mut self, tally: &mut Tally, today: Day, is_shared: bool) -> u64 {
        let heard = if is_shared {
            self.heard_of(today).spent
        } else {
            0
        };
        heard.saturating_add(self.unacknowledged(tally, today))
    }

    /// By this process, since Redis has acknowledged its report.
    pub(super) fn unacknowledged(&mut self, tally: &mut Tally, today: Day) -> u64 {
        let counter = self.counter(tally, today);
        tally.own.unacknowledged(counter)
    }

    /// The index of the counter of what was spent.
    pub(super) fn counter(&mut self, tally: &mut Tally, today: Day) -> usize {
        if let Some((edition, day, counter)) = self.counter
            && (edition, day) == (tally.edition, today)
        {
            return counter;
        }
        let [in_day, in_month] = tally.spent(&self.scope, UNITS[self.unit], today);
        let counter = match self.period {
            Period::Day => in_day,
            Period::Month => in_month,
        };
        self.counter = Some((tally.edition, today, counter));
        counter
    }

    /// The hash of what was spent.
    pub(super) fn key(&self, tally: &Tally, today: Day) -> Arc<str> {
        match self.period {
            Period::Day => tally.names().spent_in_day(today),
            Period::Month => tally.names().spent_in_month(today.month()),
        }
    }

    pub(super) fn over(&self, today: Day) -> Over {
        Over {
            account: (&*self.scope != ALL).then(|| self.scope.clone()),
            budget: self.name,
            limit: self.given,
            until_ms: self.until_ms(today),
        }
    }
}
