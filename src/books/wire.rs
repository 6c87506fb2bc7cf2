//! The script, and a report of a sheet as its arguments.
//!
//! Arguments: the report's number, the number that is expected, how long it is kept; how many counters, and of each the key's index,
//! the field and the total; how many keys expire, and of each the index and how long it is kept; how many limits, and where that is
//! not 0: the clock in ms, empty for the server's own (tests set it); the process; how many reservations of its own, and of each
//! name and amount; of each limit the key's index, the name and the limit; how many asks, and of each the account, tokens and
//! billionths of a dollar; 1 where the process leaves.

use std::sync::{Arc, LazyLock};

use super::{
    names,
    sheet::{REPORTED_KEPT_MS, Report, Sheet},
};
use crate::redis::{Cmd, Script, Value, from_redis_value};

/// A process that has not reported for so long has died: nobody waits for its reservations.
pub(super) const STALE_MS: f64 = 60_000.0;

const LOST: i64 = 0;
const KEPT: i64 = 1;

/// The script that counts reports.
pub(super) static SCRIPT: LazyLock<Script> = LazyLock::new(|| {
    let text = include_str!("report.lua");
    let numbers = [
        ("LOST", LOST.to_string()),
        ("KEPT", KEPT.to_string()),
        ("STALE_MS", STALE_MS.to_string()),
    ];
    let filled = numbers
        .iter()
        .fold(text.to_owned(), |text, (name, number)| {
            text.replace(name, number)
        });
    Script::new(filled)
});

/// What a process says and asks of budgets, beside a report.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct BudgetReport {
    /// The hash of reservations.
    pub(super) key: String,
    /// Unix ms; `None` is the server's clock.
    pub(super) clock: Option<f64>,
    /// The id of this process.
    pub(super) process: String,
    /// What it has reserved: scope and unit (`org_1 tokens`), and the amount.
    pub(super) reserved: Vec<(String, u64)>,
    /// What is limited: the hash of what was spent, scope and unit, and the limit in that unit.
    pub(super) limits: Vec<(Arc<str>, String, f64)>,
    /// Account, tokens and billionths of a dollar.
    pub(super) asks: Vec<(Arc<str>, [u64; 2])>,
    /// It has nothing more to say.
    pub(super) is_leaving: bool,
}

/// What the script says of budgets.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct BudgetAnswer {
    /// Processes that have reported lately, this one included.
    pub(super) live: u64,
    /// Of each limit: what all processes have spent, and what they have reserved.
    pub(super) limits: Vec<(u64, u64)>,
    /// Of each ask whether it was granted.
    pub(super) verdicts: Vec<bool>,
}

/// What became of a report.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    Kept(Option<BudgetAnswer>),
    Lost,
}

/// A run of the script.
#[derive(Debug)]
pub(super) struct Call {
    keys: Vec<String>,
    arguments: Vec<String>,
}

impl Call {
    pub(super) fn new(sheet: &Sheet, report: &Report, budgets: Option<&BudgetReport>) -> Self {
        let mut call = Call {
            keys: vec![names::reported(&sheet.tag, sheet.writer())],
            arguments: vec![
                report.number.to_string(),
                report.expected.to_string(),
                REPORTED_KEPT_MS.to_string(),
                report.totals.len().to_string(),
            ],
        };
        if let Some(budgets) = budgets {
            call.keys.push(budgets.key.clone());
        }
        // Up to here keys are none of counters.
        let bookkeeping = call.keys.len();
        for (index, total) in &report.totals {
            let counter = &sheet.counters()[*index];
            let key = call.key(&counter.key);
            call.arguments
                .extend([key, counter.field.clone(), total.to_string()]);
        }
        let counted = bookkeeping + 1..call.keys.len() + 1;
        match sheet.kept_ms {
            Some(kept_ms) => {
                call.arguments.push(counted.len().to_string());
                for key in counted {
                    call.arguments
                        .extend([key.to_string(), kept_ms.to_string()]);
                }
            }
            None => call.arguments.push("0".to_owned()),
        }
        match budgets {
            Some(budgets) => call.add(budgets),
            None => call.arguments.push("0".to_owned()),
        }
        call
    }

    /// The index of a key, as Lua counts.
    fn key(&mut self, key: &str) -> String {
        let known = self.keys.iter().position(|known| known == key);
        let index = known.unwrap_or_else(|| {
            self.keys.push(key.to_owned());
            self.keys.len() - 1
        });
        (index + 1).to_string()
    }

    fn add(&mut self, budgets: &BudgetReport) {
        let words = [
            budgets.limits.len().to_string(),
            budgets.clock.map_or(String::new(), |now| now.to_string()),
            budgets.process.clone(),
            budgets.reserved.len().to_string(),
        ];
        self.arguments.extend(words);
        for (name, amount) in &budgets.reserved {
            self.arguments.extend([name.clone(), amount.to_string()]);
        }
        for (key, name, limit) in &budgets.limits {
            let key = self.key(key);
            self.arguments
                .extend([key, name.clone(), limit.to_string()]);
        }
        self.arguments.push(budgets.asks.len().to_string());
        for (account, amounts) in &budgets.asks {
            self.arguments.push(account.to_string());
            self.arguments
                .extend(amounts.map(|amount| amount.to_string()));
        }
        self.arguments
            .push(u8::from(budgets.is_leaving).to_string());
    }

    pub(super) fn write(&self, command: &mut Cmd) {
        command
            .arg(self.keys.len())
            .arg(&self.keys)
            .arg(&self.arguments);
    }
}

/// Reads what the script returned; `None` where it makes no sense.
pub(super) fn answer(value: Value) -> Option<Answer> {
    let Value::Array(words) = value else {
        return None;
    };
    match words.first()? {
        Value::Int(LOST) => Some(Answer::Lost),
        Value::Int(KEPT) if words.len() == 1 => Some(Answer::Kept(None)),
        Value::Int(KEPT) => {
            let verdicts: String = from_redis_value(words.last()?.clone()).ok()?;
            let live: u64 = from_redis_value(words.get(1)?.clone()).ok()?;
            let numbers: Vec<u64> = words
                .get(2..words.len() - 1)?
                .iter()
                .map(|word| from_redis_value(word.clone()).ok())
                .collect::<Option<_>>()?;
            Some(Answer::Kept(Some(BudgetAnswer {
                live,
                limits: numbers
                    .chunks_exact(2)
                    .map(|pair| (pair[0], pair[1]))
                    .collect(),
                verdicts: verdicts.bytes().map(|verdict| verdict == b'1').collect(),
            })))
        }
        _ => None,
    }
}
