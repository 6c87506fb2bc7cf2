//! Settings that processes share.

use super::*;

fn settings() -> Settings {
    parsed(
        r#"{"accounts": [{"label": "a", "apiKey": "key-a", "weight": 2}, {"label": "b", "apiKey": "key-b"}], "maxWaitMs": 5}"#,
    )
}

#[test]
fn changes_are_shared_field_by_field() {
    let changes = r#"{"maxWaitMs": 9, "modelAliases": null, "coalesce": true, "batchWindowMs": 3, "accounts": [
        {"label": "b", "limits": {"*": {"tokensPerMinute": 7}}, "maxConcurrency": null}]}"#;
    let shared = SharedChanges::parse(changes, &settings()).unwrap();
    let mut fields: Vec<_> = shared.fields().collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            ("account:b:limits", r#"{"*":{"tokensPerMinute":7}}"#),
            ("account:b:maxConcurrency", "null"),
            ("batchWindowMs", "3"),
            ("coalesce", "true"),
            ("maxWaitMs", "9"),
            ("modelAliases", "null"),
        ]
    );
    let mut here = settings();
    for (name, json) in shared.fields() {
        here.take_over(name, json).unwrap();
    }
    let expected = settings().changed(
        r#"{"maxWaitMs": 9, "coalesce": true, "batchWindowMs": 3, "accounts": [{"label": "a"}, {"label": "b", "limits": {"*": {"tokensPerMinute": 7}}}]}"#,
    );
    assert_eq!(here, expected.unwrap());
}

#[test]
fn what_cannot_be_used_changes_nothing() {
    for (name, json, is_error) in [
        ("maxWaitMs", "-1", true),
        ("maxWaitMs", "{", true),
        ("account:a:weight", r#""heavy""#, true),
        ("account:a:limits", r#"{"*": {"tokens": 1}}"#, true),
        // Of no concern here, or nothing that is ever shared.
        ("account:c:weight", "1", false),
        ("account:a:apiKey", r#""stolen""#, false),
        ("account:a:baseURL", r#""http://elsewhere""#, false),
        ("account:a:weight:x", "1", false),
        ("accounts", r#"{"a": "stolen"}"#, false),
        ("baseURL", r#""http://elsewhere""#, false),
        ("timeoutsMs", "{}", false),
        ("version", "1", false),
        ("", "1", false),
    ] {
        let mut here = settings();
        assert_eq!(here.take_over(name, json).is_err(), is_error, "{name}");
        assert_eq!(here, settings(), "{name}");
    }
}

#[test]
fn what_is_not_shared_is_named() {
    for (changes, message) in [
        (
            r#"{"baseURL": "http://x"}"#,
            "`changes.baseURL` is not shared with other processes; call update in every process for it",
        ),
        (
            r#"{"accounts": [{"label": "a", "apiKey": "secret"}]}"#,
            "`changes.accounts[0].apiKey` is not shared with other processes; call update in every process for it",
        ),
        (
            r#"{"accounts": {"a": "secret"}}"#,
            "`changes.accounts` must be an array of accounts where changes are for all processes: keys are not shared; call update in \
             every process for them",
        ),
        (
            r#"{"accounts": [{"label": "c", "weight": 1}]}"#,
            "`changes.accounts[0].label` names the account \"c\", which is not configured; accounts are not added in all processes: \
             call update in every process for that",
        ),
        (
            r#"{"accounts": [{"label": "a", "weight": 0}]}"#,
            "`changes.accounts[0].weight` must be a number above 0, got 0 (a number)",
        ),
        (
            r#"{"pool": "x"}"#,
            "`changes.pool` cannot be changed; make a new RequestManager",
        ),
    ] {
        let error = SharedChanges::parse(changes, &settings()).unwrap_err();
        assert_eq!((error.message(), error.code()), (message, Code::Config));
    }
}
