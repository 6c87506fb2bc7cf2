//! What was used, asked by a caller: which days, and by what it is grouped.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    counts::{Counts, MEASURES, NANO_USD_AT},
    day::Day,
    names::read_field,
};
use crate::{
    config::Field,
    error::{Code, Error, Result},
};

/// Usage is kept for so many days, and no more are asked for at once.
pub(super) const MOST_DAYS: i32 = 400;

/// What usage is grouped by.
const GROUPS: [&str; 4] = ["day", "account", "model", "type"];

/// A question about usage.
#[derive(Debug, Clone, PartialEq)]
pub struct UsageQuery {
    from: Day,
    to: Day,
    /// By the indices of `GROUPS`.
    by: [bool; GROUPS.len()],
}

impl UsageQuery {
    /// Reads `{ from?, to?, by? }`, the days as Unix ms; `now_ms` says which day is today.
    pub fn parse(json: &str, now_ms: f64) -> Result<Self> {
        let value: Value = serde_json::from_str(json)
            .map_err(|_| Error::new(Code::Argument, "`query` is not valid JSON"))?;
        let object = Field::root("query", &value, Code::Argument).object(&["from", "to", "by"])?;
        let day = |name: &str| {
            let moment = object.get(name).map(|field| field.zero_or_more());
            Ok(moment.transpose()?.map(Day::of))
        };
        let to = day("to")?.unwrap_or(Day::of(now_ms));
        let from = day("from")?.unwrap_or(to);
        let days = from.until(to) + 1;
        if !(1..=MOST_DAYS).contains(&days) {
            return Err(Error::new(
                Code::Argument,
                format!(
                    "`query.from` must be no later than `query.to`, and {MOST_DAYS} days in all at most, got {from} and {to}"
                ),
            ));
        }
        let mut by = [true; GROUPS.len()];
        if let Some(groups) = object.get("by") {
            by = [false; GROUPS.len()];
            for group in groups.elements()? {
                match GROUPS.iter().position(|name| group.is_text(name)) {
                    Some(index) => by[index] = true,
                    None => return Err(group.must_be("'day', 'account', 'model' or 'type'")),
                }
            }
        }
        Ok(UsageQuery { from, to, by })
    }

    /// Every day that is asked for.
    pub(super) fn each_day(&self) -> impl Iterator<Item = Day> {
        let from = self.from;
        (0..=from.until(self.to)).map(move |after| from.plus(after))
    }
}

/// The rows of a question, as they come together.
#[derive(Debug)]
pub(super) struct Usage {
    by: [bool; GROUPS.len()],
    /// By the values of the groups; empty where it is not grouped.
    rows: BTreeMap<[String; GROUPS.len()], Counts>,
}

impl Usage {
    pub(super) fn new(query: &UsageQuery) -> Self {
        Usage {
            by: query.by,
            rows: BTreeMap::new(),
        }
    }

    /// Adds a field of a day's hash. What is none of ours is passed over.
    pub(super) fn add(&mut self, day: Day, field: &str, amount: u64) {
        let Some((account, model, kind, measure)) = read_field(field) else {
            return;
        };
        let mut group = [day.to_string(), account.to_owned(), model, kind];
        for (value, _) in group.iter_mut().zip(self.by).filter(|(_, by)| !by) {
            value.clear();
        }
        let sum = &mut self.rows.entry(group).or_default().0[measure];
        *sum = sum.saturating_add(amount);
    }

    /// The rows as JSON, in the order of their groups.
    pub(super) fn to_json(&self) -> String {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|(group, counts)| self.row(group, counts))
            .collect();
        Value::from(rows).to_string()
    }

    fn row(&self, group: &[String; GROUPS.len()], counts: &Counts) -> Value {
        const NAMES: [&str; MEASURES.len()] = [
            "requests",
            "inputTokens",
            "cachedInputTokens",
            "outputTokens",
            "totalTokens",
            "cost",
        ];
        let groups = GROUPS.iter().zip(group).zip(self.by).filter(|(_, by)| *by);
        let mut row: Map<String, Value> = groups
            .map(|((name, value), _)| ((*name).to_owned(), json!(value)))
            .collect();
        for (index, name) in NAMES.iter().enumerate() {
            let value = match index {
                NANO_USD_AT => json!(counts.cost()),
                _ => json!(counts.0[index]),
            };
            row.insert((*name).to_owned(), value);
        }
        Value::Object(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::books::day::DAY_MS;

    const NOW: f64 = 1_795_478_400_000.0 + 0.5 * DAY_MS;

    fn parsed(json: Value) -> Result<UsageQuery> {
        UsageQuery::parse(&json.to_string(), NOW)
    }

    #[test]
    fn days_default_to_today_and_groups_to_all() {
        let query = parsed(json!({})).unwrap();
        assert_eq!(query.each_day().collect::<Vec<_>>(), [Day::of(NOW)]);
        assert_eq!(query.by, [true; 4]);
        let query = parsed(json!({"from": NOW - 2.0 * DAY_MS, "by": ["type", "day"]})).unwrap();
        let days: Vec<String> = query.each_day().map(|day| day.to_string()).collect();
        assert_eq!(days, ["2026-11-22", "2026-11-23", "2026-11-24"]);
        assert_eq!(query.by, [true, false, false, true]);
        let query = parsed(json!({"to": 0, "by": []})).unwrap();
        assert_eq!(query.each_day().collect::<Vec<_>>(), [Day::of(0.0)]);
        assert_eq!(query.by, [false; 4]);
    }

    #[test]
    fn wrong_questions_are_named_with_their_value() {
        for (query, part) in [
            (json!({"from": "2026"}), "`query.from` must be a number"),
            (json!({"to": -1}), "`query.to` must be"),
            (
                json!({"from": NOW + DAY_MS}),
                "got 2026-11-25 and 2026-11-24",
            ),
            (
                json!({"from": NOW - 400.0 * DAY_MS}),
                "400 days in all at most",
            ),
            (json!({"by": "day"}), "`query.by` must be an array"),
            (
                json!({"by": ["hour"]}),
                "`query.by[0]` must be 'day', 'account', 'model' or 'type', got \"hour\"",
            ),
            (json!({"by": [1]}), "got 1 (a number)"),
            (json!({"since": 1}), "has no field `since`"),
        ] {
            let error = parsed(query.clone()).unwrap_err();
            assert_eq!(error.code(), Code::Argument, "{query}");
            assert!(error.message().contains(part), "{query}: {error}");
        }
        assert!(parsed(json!({"from": NOW - 399.0 * DAY_MS})).is_ok());
    }

    #[test]
    fn rows_are_summed_by_their_groups_and_sorted() {
        let query = parsed(json!({"from": NOW - DAY_MS, "by": ["account", "type"]})).unwrap();
        let mut usage = Usage::new(&query);
        let today = Day::of(NOW);
        for (day, field, amount) in [
            (today, "b gpt-4o chat tokens", 5),
            (today, "a gpt-4o chat tokens", 1),
            (today.plus(-1), "a gpt-6 chat tokens", 2),
            (today, "a my%20model own%20type nano_usd", 2_500_000_000),
            (today, "somebody else's", 7),
        ] {
            usage.add(day, field, amount);
        }
        let rows: Value = serde_json::from_str(&usage.to_json()).unwrap();
        let short: Vec<_> = rows
            .as_array()
            .unwrap()
            .iter()
            .map(|row| {
                (
                    row["account"].as_str().unwrap(),
                    row["type"].as_str().unwrap(),
                    row["totalTokens"].as_u64().unwrap(),
                    row["cost"].as_f64().unwrap(),
                )
            })
            .collect();
        assert_eq!(
            short,
            [
                ("a", "chat", 3, 0.0),
                ("a", "own type", 0, 2.5),
                ("b", "chat", 5, 0.0)
            ]
        );
        assert_eq!(rows[0].as_object().unwrap().len(), 2 + 6);
    }
}
