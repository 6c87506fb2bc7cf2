//! What may be spent, and by whom it is reserved.
//!
//! An account is open while for each of its budgets and of the pool's, what was spent and what is reserved is below the limit. What
//! is reserved are the estimates of requests in flight. So the request that reaches the limit is the last one.
//!
//! Without Redis this process knows all of it. With Redis the script decides, on the sums of all processes; what it said last is
//! kept here, to leave out accounts without asking, and to go on by while Redis is away: then each process has its share of what
//! was left, by the number of processes that Redis knew.

use std::{collections::HashMap, sync::Arc};

use super::{
    day::Day,
    limit::{Amounts, Heard, Limit, Over, UNITS, limits_of},
    tally::{ALL, Tally},
    wire::{BudgetAnswer, BudgetReport},
};
use crate::config::Budget;

/// Where reservations of others fill a budget, it is asked for again after this time, in milliseconds.
const ASK_AGAIN_MS: f64 = 250.0;

/// Whether a request may be sent on an account, as far as budgets go.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// It may.
    Open,
    /// Requests in flight may use up what is left: ask again at this moment, or when something has changed. Unix ms.
    Held(f64),
    /// Not before the next period.
    Over(Over),
}

/// How a budget stands.
#[derive(Debug, Clone, PartialEq)]
pub struct BudgetStatus {
    /// Its name in the settings.
    pub budget: &'static str,
    /// As in the settings.
    pub limit: f64,
    /// In the same unit, as last known.
    pub spent: f64,
    /// Milliseconds until the next period.
    pub resets_in_ms: f64,
}

/// All budgets of a pool.
#[derive(Debug)]
pub(super) struct Budgets {
    limits: Vec<Limit>,
    /// By scope, what requests of this process have reserved.
    reserved: HashMap<Arc<str>, Amounts>,
    /// Redis decides.
    is_shared: bool,
    /// Scopes that reservations fill, as Redis said, until when.
    held: HashMap<Arc<str>, f64>,
    /// Processes that Redis has heard of lately; `None` before it has said so.
    live: Option<u64>,
}

impl Budgets {
    pub(super) fn new(is_shared: bool) -> Self {
        Budgets {
            limits: Vec::new(),
            reserved: HashMap::new(),
            is_shared,
            held: HashMap::new(),
            live: None,
        }
    }

    /// Replaces all limits. What was heard of one that stays is kept.
    pub(super) fn set(&mut self, pool: Budget, accounts: &[(Arc<str>, Budget)]) {
        let all = (ALL.into(), pool);
        let mut limits: Vec<Limit> = [&all]
            .into_iter()
            .chain(accounts)
            .flat_map(limits_of)
            .collect();
        for limit in &mut limits {
            let same = self
                .limits
                .iter()
                .find(|old| old.scope == limit.scope && old.name == limit.name);
            limit.heard = same.and_then(|old| old.heard);
        }
        self.limits = limits;
        self.held.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.limits.is_empty()
    }

    /// How an account stands now.
    pub(super) fn standing(&mut self, account: &str, tally: &mut Tally, now_ms: f64) -> Standing {
        let mut standing = Standing::Open;
        let today = tally.turn_to(Day::of(now_ms));
        for limit in &mut self.limits {
            if !limit.is_about(account) {
                continue;
            }
            let spent = limit.spent(tally, today, self.is_shared);
            if spent as f64 >= limit.limit {
                let over = limit.over(today);
                // Of several, the one that holds it longest says when it goes on.
                match &standing {
                    Standing::Over(other) if other.until_ms >= over.until_ms => {}
                    _ => standing = Standing::Over(over),
                }
                continue;
            }
            let is_full = match self.is_shared {
                true => self
                    .held
                    .get(&limit.scope)
                    .is_some_and(|until| *until > now_ms),
                false => (spent + reserved(&self.reserved, limit)) as f64 >= limit.limit,
            };
            if is_full && standing == Standing::Open {
                standing = Standing::Held(match self.held.get(&limit.scope) {
                    Some(until_ms) if self.is_shared => *until_ms,
                    _ => now_ms + ASK_AGAIN_MS,
                });
            }
        }
        standing
    }

    /// Reserves, where what this process knows is all there is to know.
    pub(super) fn try_reserve(
        &mut self,
        account: &Arc<str>,
        amounts: Amounts,
        tally: &mut Tally,
        now_ms: f64,
    ) -> bool {
        let is_open = self.standing(account, tally, now_ms) == Standing::Open;
        if is_open {
            self.reserve(account, amounts);
        }
        is_open
    }

    /// Reserves while Redis is away: of this process's share of what was left. `None` where it has never said what is.
    pub(super) fn try_reserve_of_share(
        &mut self,
        account: &Arc<str>,
        amounts: Amounts,
        tally: &mut Tally,
        now_ms: f64,
    ) -> Option<bool> {
        let live = self.live?;
        let today = tally.turn_to(Day::of(now_ms));
        let mut is_open = true;
        for limit in &mut self.limits {
            if !limit.is_about(account) {
                continue;
            }
            // One that was set while Redis is away.
            limit.heard?;
            let heard = limit.heard_of(today);
            let left = limit.limit - heard.spent as f64 - heard.reserved as f64;
            let share = heard.own as f64 + left.max(0.0) / live as f64;
            let used = limit.unacknowledged(tally, today) + reserved(&self.reserved, limit);
            if used as f64 >= share {
                is_open = false;
                self.held.insert(limit.scope.clone(), now_ms + ASK_AGAIN_MS);
            }
        }
        if is_open {
            self.reserve(account, amounts);
        }
        Some(is_open)
    }

    /// Enters a reservation that was granted.
    pub(super) fn reserve(&mut self, account: &Arc<str>, amounts: Amounts) {
        for scope in [ALL, account] {
            // Most are known, and need no text of their own.
            if !self.reserved.contains_key(scope) {
                self.reserved.insert(scope.into(), Amounts::default());
            }
        }
        self.change_reserved(account, amounts, u64::saturating_add);
    }

    /// Gives a reservation back.
    pub(super) fn release(&mut self, account: &str, amounts: Amounts) {
        self.change_reserved(account, amounts, u64::saturating_sub);
        // There may be room for others now; Redis tells.
        self.held.clear();
    }

    fn change_reserved(&mut self, account: &str, amounts: Amounts, change: fn(u64, u64) -> u64) {
        for scope in [ALL, account] {
            let sums = self.reserved.get_mut(scope).into_iter().flatten();
            for (sum, amount) in sums.zip(amounts) {
                *sum = change(*sum, amount);
            }
        }
    }

    /// What goes to Redis beside a report.
    pub(super) fn report(&self, tally: &Tally, process: &str, now_ms: f64) -> BudgetReport {
        let today = Day::of(now_ms);
        let mut own: Vec<(String, u64)> = self
            .reserved
            .iter()
            .flat_map(|(scope, amounts)| {
                let amounts = UNITS.iter().zip(amounts);
                amounts.map(move |(unit, amount)| (format!("{scope} {unit}"), *amount))
            })
            .filter(|(_, amount)| *amount > 0)
            .collect();
        own.sort();
        BudgetReport {
            key: tally.names().reserved(),
            clock: None,
            process: process.to_owned(),
            reserved: own,
            limits: self
                .limits
                .iter()
                .map(|limit| (limit.key(tally, today), limit.field(), limit.limit))
                .collect(),
            asks: Vec::new(),
            is_leaving: false,
        }
    }

    /// Takes over what Redis said to a report. The asks that it granted are entered by the caller.
    pub(super) fn heard(
        &mut self,
        report: &BudgetReport,
        answer: &BudgetAnswer,
        tally: &Tally,
        now_ms: f64,
    ) {
        self.live = Some(answer.live.max(1));
        let today = Day::of(now_ms);
        for ((key, field, _), (spent, reserved)) in report.limits.iter().zip(&answer.limits) {
            // Of a period that is over by now nobody wants to know, nor of a limit that is not there any more.
            let same = self
                .limits
                .iter_mut()
                .find(|limit| limit.field() == *field && limit.key(tally, today) == *key);
            if let Some(limit) = same {
                limit.heard = Some(Heard {
                    until_ms: limit.until_ms(today),
                    spent: *spent,
                    reserved: *reserved,
                    own: own(report, answer, field),
                });
            }
        }
        let until_ms = now_ms + ASK_AGAIN_MS;
        for limit in self.limits.iter().filter(|limit| limit.is_full()) {
            self.held.insert(limit.scope.clone(), until_ms);
        }
        let verdicts = report.asks.iter().zip(&answer.verdicts);
        for ((account, _), _) in verdicts.filter(|(_, granted)| !**granted) {
            // By limits that have been changed since, nothing may be full.
            if ![account, ALL]
                .iter()
                .any(|scope| self.held.contains_key(*scope))
            {
                self.held.insert(account.clone(), until_ms);
                self.held.insert(ALL.into(), until_ms);
            }
        }
    }

    /// Redis has lost what this process has reported, and will be told again.
    pub(super) fn lost(&mut self, tally: &mut Tally, now_ms: f64) {
        let today = tally.turn_to(Day::of(now_ms));
        for limit in &mut self.limits {
            let counter = limit.counter(tally, today);
            let acknowledged = tally.own.acknowledged(counter);
            if let Some(heard) = &mut limit.heard {
                heard.spent = heard.spent.saturating_sub(acknowledged);
            }
        }
    }

    /// How the budgets of an account stand, or the pool's.
    pub(super) fn status(
        &mut self,
        account: Option<&str>,
        tally: &mut Tally,
        now_ms: f64,
    ) -> Vec<BudgetStatus> {
        let scope = account.unwrap_or(ALL);
        let today = tally.turn_to(Day::of(now_ms));
        let is_shared = self.is_shared;
        let limits = self
            .limits
            .iter_mut()
            .filter(|limit| &*limit.scope == scope);
        limits
            .map(|limit| BudgetStatus {
                budget: limit.name,
                limit: limit.given,
                spent: limit.spent(tally, today, is_shared) as f64 * limit.given / limit.limit,
                resets_in_ms: limit.until_ms(today) - now_ms,
            })
            .collect()
    }
}

fn reserved(reserved: &HashMap<Arc<str>, Amounts>, limit: &Limit) -> u64 {
    reserved
        .get(&limit.scope)
        .map_or(0, |amounts| amounts[limit.unit])
}

/// What this process had reserved of a field after a report, the asks that were granted included.
fn own(report: &BudgetReport, answer: &BudgetAnswer, field: &str) -> u64 {
    let before = report.reserved.iter().filter(|(name, _)| name == field);
    let before: u64 = before.map(|(_, amount)| amount).sum();
    let verdicts = report.asks.iter().zip(&answer.verdicts);
    let granted = verdicts.filter(|(_, granted)| **granted);
    granted.fold(before, |sum, ((account, amounts), _)| {
        let of_field = UNITS.iter().zip(amounts).filter(|(unit, _)| {
            field == format!("{ALL} {unit}") || field == format!("{account} {unit}")
        });
        of_field.fold(sum, |sum, (_, amount)| sum.saturating_add(*amount))
    })
}

#[cfg(test)]
mod tests;
