//! The script that does a batch of operations, and how it is run.

use std::sync::LazyLock;

use super::wire::{self, Request};
use crate::{
    quota::{Because, Metric, Unspent, choose, claims, crowd, lane, lane::settle, learned},
    redis::{Cmd, Connection, Failure, Script, Value},
};

/// A lane is kept for this long after its buckets are full, in milliseconds: what it has learned is of use, and answers may
/// still be under way.
const KEPT_MS: f64 = 900_000.0;

/// Tickets are counted on for longer than any claim lasts, in milliseconds.
const LINE_KEPT_MS: f64 = 172_800_000.0;

/// A process that has not been heard of for this long does not use the lanes any more, in milliseconds.
const PROCESS_KEPT_MS: f64 = 30_000.0;

/// A charge is not sent again after this time, in milliseconds.
const CHARGE_KEPT_MS: f64 = 86_400_000.0;

/// Nothing is kept for longer, in milliseconds, however much of a bucket is missing.
const LONGEST_KEPT_MS: f64 = 2_592_000_000.0;

/// The numbers that stand in the script by their names.
const NUMBERS: [(&str, f64); 51] = [
    ("RPM", metric(Metric::RequestsPerMinute)),
    ("TPM", metric(Metric::TokensPerMinute)),
    ("RPD", metric(Metric::RequestsPerDay)),
    ("TPD", metric(Metric::TokensPerDay)),
    ("MINUTE_MS", crate::quota::metric::MINUTE_MS),
    ("DAY_MS", crate::quota::metric::DAY_MS),
    ("BOOKED", wire::BOOKED as f64),
    ("LATER", wire::LATER as f64),
    ("NEVER", wire::NEVER as f64),
    ("ONLY", Because::Only as u8 as f64),
    ("EARLIEST", Because::Earliest as u8 as f64),
    ("MOST_ROOM", Because::MostRoom as u8 as f64),
    ("CACHE", Because::Cache as u8 as f64),
    ("SPILLED", Because::Spilled as u8 as f64),
    ("FORCED", Because::Forced as u8 as f64),
    ("ALL", Unspent::All as u8 as f64),
    ("TOKENS_ONLY", Unspent::Tokens as u8 as f64),
    ("HORIZON_MS", choose::HORIZON_MS),
    ("START_AGAIN_MS", choose::START_AGAIN_MS),
    ("GRACE_MS", claims::GRACE_MS),
    ("DOUBLING_MS", lane::DOUBLING_MS),
    (
        "ANSWERS_WITHOUT_READING",
        lane::ANSWERS_WITHOUT_READING as f64,
    ),
    ("MOST_OF_A_DAY", lane::MOST_OF_A_DAY),
    ("HOME_SHARE_OF_UNKNOWN", lane::HOME_SHARE_OF_UNKNOWN),
    ("GAIN_DOWN", settle::GAIN_DOWN),
    ("GAIN_UP", settle::GAIN_UP),
    ("CONFIRMING_TRUST", settle::CONFIRMING_TRUST),
    ("OVERTAKING_MS", crowd::OVERTAKING_MS),
    ("BEFORE_PEAK_MS", crowd::BEFORE_PEAK_MS),
    ("PEAK_MEMORY_MS", crowd::PEAK_MEMORY_MS),
    ("MEMORY_MS", learned::MEMORY_MS),
    ("PRIOR_SHARE", learned::PRIOR_SHARE),
    ("LEAST_FACTOR", learned::FACTOR_RANGE.0),
    ("MOST_FACTOR", learned::FACTOR_RANGE.1),
    ("FIRST_SPREAD", learned::FIRST_SPREAD),
    ("FIRST_READINGS", learned::FIRST_READINGS),
    ("LEAST_SPREAD", learned::SPREAD_RANGE.0),
    ("MOST_SPREAD", learned::SPREAD_RANGE.1),
    ("READING_MEMORY", learned::READING_MEMORY),
    ("SPREAD_OF_REQUESTS", learned::SPREAD_OF_REQUESTS),
    ("FIRST_DOUBT", learned::FIRST_DOUBT),
    ("DOUBT_SHARE", learned::DOUBT_SHARE),
    ("MARGIN_DEVIATIONS", learned::MARGIN_DEVIATIONS),
    ("LEAST_MARGIN", learned::LEAST_MARGIN),
    ("MOST_FOR_SPREAD", learned::MOST_FOR_SPREAD),
    ("MOST_FOR_DOUBT", learned::MOST_FOR_DOUBT),
    ("KEPT_MS", KEPT_MS),
    ("LINE_KEPT_MS", LINE_KEPT_MS),
    ("PROCESS_KEPT_MS", PROCESS_KEPT_MS),
    ("CHARGE_KEPT_MS", CHARGE_KEPT_MS),
    ("LONGEST_KEPT_MS", LONGEST_KEPT_MS),
];

static SCRIPT: LazyLock<Script> =
    LazyLock::new(|| Script::new(with_numbers(include_str!("script.lua"))));

/// In the script metrics are counted from 1, as Lua counts.
const fn metric(metric: Metric) -> f64 {
    metric as u8 as f64 + 1.0
}

/// The text with numbers in place of their names.
fn with_numbers(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_word) {
        let (between, from) = rest.split_at(start);
        let end = from.find(|c| !is_word(c)).unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        filled.push_str(between);
        match NUMBERS.iter().find(|(name, _)| *name == word) {
            Some((_, number)) => filled.push_str(&number.to_string()),
            None => filled.push_str(word),
        }
        rest = after;
    }
    filled.push_str(rest);
    filled
}

/// Runs a batch.
pub(super) async fn run(connection: &Connection, request: &Request) -> Result<Value, Failure> {
    let words = |command: &mut Cmd| {
        command
            .arg(request.keys.len())
            .arg(&request.keys)
            .arg(&request.clock)
            .arg(&request.limits)
            .arg(&request.operations);
    };
    SCRIPT.run(connection, words).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_used_and_whole_words_alone_are_filled_in() {
        let text = include_str!("script.lua");
        for (name, _) in NUMBERS {
            assert!(text.contains(name), "{name}");
        }
        assert_eq!(
            with_numbers("wait > HORIZON_MS + MY_HORIZON_MS; -- ALL"),
            "wait > 200 + MY_HORIZON_MS; -- 0"
        );
    }
}
