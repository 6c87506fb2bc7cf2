use serde_json::{Value, json};

use super::*;

const NOON: f64 = 1_795_521_600_000.0;

fn tally(has_redis: bool) -> Tally {
    Tally::new(Names::new("shop", "app:".into()), has_redis, NOON)
}

fn count(tally: &mut Tally, (account, model, kind): (&str, &str, &str), now_ms: f64) {
    tally.count(
        &Entry {
            account: &account.into(),
            model,
            kind,
            counts: Counts([1, 10, 4, 3, 13, 2_000_000_000]),
            tokens_left: Some(99.9),
            requests_left: None,
        },
        now_ms,
    );
}

fn rows(tally: &Tally, query: Value, now_ms: f64) -> Vec<Value> {
    let query = UsageQuery::parse(&query.to_string(), now_ms).unwrap();
    serde_json::from_str(&tally.usage(&query).to_json()).unwrap()
}

#[test]
fn every_row_is_a_day_an_account_a_model_and_a_type() {
    let mut tally = tally(false);
    count(&mut tally, ("a", "gpt-4o", "chat"), NOON);
    count(&mut tally, ("a", "gpt-4o", "chat"), NOON);
    count(&mut tally, ("a", "gpt-4o", "chat"), NOON + DAY_MS);
    count(&mut tally, ("b", "my model", "own type"), NOON + DAY_MS);
    let now_ms = NOON + DAY_MS;
    let row = |day: &str, account: &str, model: &str, kind: &str, times: u64| {
        json!({
            "day": day, "account": account, "model": model, "type": kind, "requests": times, "inputTokens": 10 * times,
            "cachedInputTokens": 4 * times, "outputTokens": 3 * times, "totalTokens": 13 * times, "cost": 2.0 * times as f64,
        })
    };
    assert_eq!(
        rows(&tally, json!({"from": NOON}), now_ms),
        [
            row("2026-11-24", "a", "gpt-4o", "chat", 2),
            row("2026-11-25", "a", "gpt-4o", "chat", 1),
            row("2026-11-25", "b", "my model", "own type", 1),
        ]
    );
    assert_eq!(rows(&tally, json!({}), now_ms).len(), 2);
    assert_eq!(tally.of("a").tokens(), 39);
    assert_eq!(tally.of("a").cost(), 6.0);
}

#[test]
fn names_past_the_bound_count_under_other_and_no_count_is_lost() {
    let mut tally = tally(true);
    for number in 0..3 * MOST_NAMES {
        let (model, kind) = (format!("model {number}"), format!("type {number}"));
        count(&mut tally, ("a", &model, &kind), NOON);
    }
    count(
        &mut tally,
        ("a", &"x".repeat(LONGEST_NAME + 1), "type 0"),
        NOON,
    );
    let found = rows(&tally, json!({}), NOON);
    assert_eq!(found.len(), MOST_NAMES + 2);
    let requests: u64 = found
        .iter()
        .map(|row| row["requests"].as_u64().unwrap())
        .sum();
    assert_eq!(requests, 3 * MOST_NAMES as u64 + 1);
    assert!(
        found
            .iter()
            .any(|row| row["model"] == "other" && row["type"] == "other")
    );
    // One for the account, and for each type one of all accounts and one of this.
    assert_eq!(tally.sheets().count(), 1 + 1 + 2 * (MOST_NAMES + 1));
}

#[test]
fn memory_holds_as_many_days_as_can_be_asked_for() {
    let mut tally = tally(false);
    for day in 0..MOST_DAYS + 100 {
        count(
            &mut tally,
            ("a", "m", "chat"),
            NOON + f64::from(day) * DAY_MS,
        );
    }
    let now_ms = NOON + f64::from(MOST_DAYS + 99) * DAY_MS;
    let from = now_ms - f64::from(MOST_DAYS - 1) * DAY_MS;
    assert_eq!(rows(&tally, json!({"from": from}), now_ms).len(), 400);
    assert_eq!(tally.own.counters().len(), 400 * 6 + 8);
}

#[test]
fn what_is_left_is_told_once_and_again_where_that_failed() {
    let mut tally = tally(true);
    count(&mut tally, ("a", "m", "chat"), NOON);
    let told = tally.take_left();
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].key.as_str(), told[0].number),
        ("app:a:availability:tokens", 99)
    );
    assert_eq!(tally.take_left(), []);
    tally.tell_again(&told[0]);
    assert_eq!(tally.take_left(), told);
}
