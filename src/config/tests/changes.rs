//! Settings that are changed while they are in use.

use super::*;

const FULL: &str = r#"{
    "accounts": [
        {"label": "a", "apiKey": "key-a", "baseURL": "http://own/v1", "organization": "org", "headers": {"x-team": "t"}, "weight": 2,
         "limits": {"*": {"tokensPerMinute": 600}}, "maxConcurrency": 4},
        {"label": "b", "apiKey": "key-b", "quotaGroup": "shared"}
    ],
    "baseURL": "http://pool/v1", "maxWaitMs": 5, "maxRetries": 3, "timeoutsMs": {"total": 9}, "modelAliases": {"x": "y"},
    "cacheAffinity": false
}"#;

fn changed(changes: &str) -> Settings {
    parsed(FULL).changed(changes).unwrap()
}

#[test]
fn what_is_not_named_stays() {
    assert_eq!(changed("{}"), parsed(FULL));
    assert_eq!(
        changed(r#"{"accounts":[{"label":"a"},{"label":"b"}]}"#),
        parsed(FULL)
    );
}

#[test]
fn a_field_that_is_given_replaces_what_was() {
    let settings = changed(
        r#"{"maxWaitMs": 7, "timeoutsMs": {"idle": 1}, "modelAliases": {}, "accounts": [
            {"label": "b", "weight": 3}, {"label": "a", "apiKey": "key-2", "limits": {"m": {"requestsPerMinute": 1}}}]}"#,
    );
    assert_eq!(settings.max_wait.as_millis(), 7);
    assert_eq!(settings.max_retries, Some(3));
    assert_eq!(settings.timeouts.idle.as_millis(), 1);
    assert_eq!(settings.timeouts.total, Timeouts::default().total);
    assert!(settings.model_aliases.is_empty());
    let [b, a] = &settings.accounts[..] else {
        panic!("{settings:?}");
    };
    assert_eq!((&*b.label, b.weight, b.key.expose()), ("b", 3.0, "key-b"));
    assert_eq!(&*b.quota_group, "shared");
    assert_eq!((a.key.expose(), a.weight), ("key-2", 2.0));
    assert_eq!(a.limits.of("other").tokens_per_minute, None);
    assert_eq!(a.limits.of("m").requests_per_minute, Some(1.0));
    assert_eq!(a.request_headers()["x-team"], "t");
}

#[test]
fn null_is_the_default() {
    let settings = changed(
        r#"{"maxWaitMs": null, "maxRetries": null, "timeoutsMs": null, "modelAliases": null, "cacheAffinity": null, "baseURL": null,
            "accounts": [{"label": "a", "baseURL": null, "organization": null, "headers": null, "weight": null, "limits": null,
                          "maxConcurrency": null},
                         {"label": "b", "quotaGroup": null}]}"#,
    );
    assert_eq!(
        settings,
        parsed(
            r#"{"accounts": [{"label": "a", "apiKey": "key-a"}, {"label": "b", "apiKey": "key-b"}]}"#
        )
    );
}

#[test]
fn accounts_that_name_no_url_follow_the_pools() {
    for changes in [
        r#"{"baseURL": "http://new/v1"}"#,
        r#"{"baseURL": "http://new/v1", "accounts": {"a": "key-a", "b": "key-2"}}"#,
    ] {
        let settings = changed(changes);
        assert_eq!(settings.accounts[0].base_url, "http://own/v1");
        assert_eq!(settings.accounts[1].base_url, "http://new/v1");
    }
}

#[test]
fn labels_and_keys_add_replace_and_remove() {
    let settings = changed(r#"{"accounts": {"a": "key-2", "c": "key-c"}}"#);
    let [a, c] = &settings.accounts[..] else {
        panic!("{settings:?}");
    };
    assert_eq!((a.key.expose(), a.weight), ("key-2", 2.0));
    assert_eq!((&*c.label, c.key.expose()), ("c", "key-c"));
    assert_eq!(c.base_url, "http://pool/v1");
}

#[test]
fn the_same_function_goes_on_with_what_it_gave_and_another_does_not() {
    let with = |number: u32| format!(r#"{{"accounts": {{"a": {{"function": {number}}}}}}}"#);
    let before = parsed(&with(1));
    assert_eq!(before.key_functions(), [1]);
    let is_kept = |changes: &str| {
        let after = before.changed(changes).unwrap();
        let keys = [&before, &after].map(|settings| settings.accounts[0].key.clone());
        match keys {
            [Key::Function(before), Key::Function(after)] => Arc::ptr_eq(&before, &after),
            _ => false,
        }
    };
    assert!(is_kept(&with(1)) && is_kept(r#"{"accounts": [{"label": "a"}]}"#));
    assert!(!is_kept(&with(2)) && !is_kept(r#"{"accounts": {"a": "k"}}"#));
    let after = before.changed(&with(2)).unwrap();
    assert!(!before.accounts[0].is_same_to_openai(&after.accounts[0]));
}

#[test]
fn an_account_sends_to_openai_what_it_did_unless_that_was_changed() {
    let before = parsed(FULL);
    let same = |changes: &str| {
        let after = changed(changes);
        before.accounts[0].is_same_to_openai(&after.accounts[0])
    };
    assert!(same(
        r#"{"accounts": [{"label": "a", "weight": 1, "limits": null, "maxConcurrency": 1}]}"#
    ));
    for field in [
        r#""apiKey": "other""#,
        r#""baseURL": "http://x""#,
        r#""organization": null"#,
        r#""project": "p""#,
        r#""headers": null"#,
    ] {
        assert!(
            !same(&format!(r#"{{"accounts": [{{"label": "a", {field}}}]}}"#)),
            "{field}"
        );
    }
}

#[test]
fn a_wrong_change_is_named_and_shows_no_secret() {
    for (changes, message) in [
        ("", "`changes` must be an object, got nothing"),
        ("[1]", "`changes` must be an object, got an array"),
        (
            r#"{"pool": null}"#,
            "`changes.pool` cannot be changed; make a new RequestManager",
        ),
        (
            r#"{"redis": true}"#,
            "`changes.redis` cannot be changed; make a new RequestManager",
        ),
        (
            r#"{"onRedisDown": "fail"}"#,
            "`changes.onRedisDown` cannot be changed; make a new RequestManager",
        ),
        (
            r#"{"maxWaitMs": -1}"#,
            "`changes.maxWaitMs` must be a number of milliseconds from 0 to 86400000, got -1 (a number)",
        ),
        (
            r#"{"accounts": null}"#,
            "`changes.accounts` must be an array of accounts or an object of labels and keys, got nothing",
        ),
        (
            r#"{"accounts": []}"#,
            "`changes.accounts` holds no account; give at least one label and key",
        ),
        (
            r#"{"accounts": [{"label": "a"}, {"label": "c"}]}"#,
            "`changes.accounts[1].apiKey` must be a string or a function that gives one, got nothing",
        ),
        (
            r#"{"accounts": [{"label": "a"}, {"label": "a"}]}"#,
            "`changes.accounts` holds the label \"a\" twice; labels must be unique",
        ),
        (
            r#"{"accounts": [{"label": "a", "apiKey": null}]}"#,
            "`changes.accounts[0].apiKey` must be a string or a function that gives one, got nothing",
        ),
        (
            r#"{"accounts": {"a": null}}"#,
            "`changes.accounts.a` must be a string or a function that gives one, got nothing",
        ),
        (
            r#"{"accounts": [{"label": "b"}, {"label": "a", "limits": {"*": {"tokensPerMinute": 0}}}]}"#,
            "`changes.accounts[1].limits.*.tokensPerMinute` must be a number above 0, got 0 (a number)",
        ),
        (
            r#"{"accounts": [{"label": "a", "apiKey": "se cret"}]}"#,
            "`changes.accounts[0].apiKey` must be printable ASCII without spaces or line breaks, but character 3 is not (the value is not shown)",
        ),
    ] {
        let error = parsed(FULL).changed(changes).unwrap_err();
        assert_eq!((error.message(), error.code()), (message, Code::Config));
    }
}
