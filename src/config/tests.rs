//! Good settings become the values that they name; bad ones say which field, which value, and what is accepted.

mod changes;
mod kind;
mod shared;

use super::*;

fn parsed(json: &str) -> Settings {
    Settings::parse(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

#[test]
fn every_setting_arrives() {
    let settings = parsed(
        r#"{
            "baseURL": "http://localhost:1/v1/",
            "accounts": [
                {"label": "a", "apiKey": "key-a", "organization": "org-1", "project": "proj_1", "headers": {"X-Team": "t"},
                 "weight": 2, "limits": {"gpt-4o": {"requestsPerMinute": 1, "tokensPerMinute": 2, "requestsPerDay": 3,
                 "tokensPerDay": 4}, "*": {"tokensPerMinute": 5}}, "maxConcurrency": 6},
                {"label": "b", "apiKey": "key-b", "baseURL": "https://other/v1", "quotaGroup": "shared"}
            ],
            "maxWaitMs": 1500, "maxRetries": 7, "timeoutsMs": {"connect": 1, "total": 2},
            "modelAliases": {"gpt-3.5-turbo": "gpt-6-luna"}, "modelGroups": {"gpt-4o-mini": "family"},
            "prices": {"own": {"input": 1, "cachedInput": 0.5, "output": 2}}
        }"#,
    );
    let [a, b] = &settings.accounts[..] else {
        panic!("two accounts")
    };
    assert_eq!((&*a.label, a.key.expose(), a.weight), ("a", "key-a", 2.0));
    assert_eq!(a.base_url, "http://localhost:1/v1");
    assert_eq!(&*a.quota_group, "org-1/proj_1");
    assert_eq!(a.headers, [("x-team".to_owned(), "t".to_owned())]);
    assert_eq!(a.limits.of("gpt-4o").tokens_per_day, Some(4.0));
    assert_eq!(a.limits.of("other").tokens_per_minute, Some(5.0));
    assert_eq!(a.limits.of("other").requests_per_minute, None);
    assert_eq!(a.max_concurrency.map(|most| most.get()), Some(6));
    assert_eq!(
        (b.base_url.as_str(), &*b.quota_group),
        ("https://other/v1", "shared")
    );
    assert_eq!(settings.max_wait, Duration::from_millis(1500));
    assert_eq!(settings.max_retries, Some(7));
    assert_eq!(settings.timeouts.total, Duration::from_millis(2));
    assert_eq!(settings.timeouts.idle, Timeouts::default().idle);
    assert_eq!(settings.sent_model("gpt-3.5-turbo"), "gpt-6-luna");
    assert_eq!(settings.model_group("gpt-4o-mini-2024-07-18"), "family");
    assert_eq!(settings.model_group("gpt-4o-2024-08-06"), "gpt-4o");
    assert_eq!(
        settings.prices["own"],
        Price::new(1.0, Some(0.5), Some(2.0))
    );
}

#[test]
fn labels_and_keys_are_enough() {
    let settings = parsed(r#"{"accounts": {"x": "key-x", "y": "key-y"}}"#);
    let labels: Vec<&str> = settings
        .accounts
        .iter()
        .map(|account| &*account.label)
        .collect();
    assert_eq!(labels, ["x", "y"]);
    assert_eq!(settings.accounts[0].base_url, DEFAULT_BASE_URL);
    assert_eq!(&*settings.accounts[0].quota_group, "x");
    assert_eq!(settings.max_retries, None);
}

#[test]
fn the_old_constants_are_taken_as_they_are() {
    let settings = parsed(
        r#"{
            "OPEN_AI_KEYS": {"ORG_1": "key-1", "ORG_2": "key-2"}, "baseURL": "http://localhost/v1",
            "EMBEDDINGS_TPM_MAX": 1000000, "EMBEDDINGS_COST": 0.0001,
            "models": {"gpt_3": {"modelLimit": 90000, "modelCostInput": 0.0015, "modelCostOutput": 0.002},
                       "gpt_4": {"modelLimit": 10000}, "our_own": {"x": 1}},
            "PORT": 3000
        }"#,
    );
    let account = &settings.accounts[1];
    assert_eq!((&*account.label, account.key.expose()), ("org_2", "key-2"));
    assert_eq!(
        account.limits.of("gpt-3.5-turbo").tokens_per_minute,
        Some(90_000.0)
    );
    assert_eq!(account.limits.of("gpt-4").tokens_per_minute, Some(10_000.0));
    assert_eq!(
        account
            .limits
            .of("text-embedding-ada-002")
            .tokens_per_minute,
        Some(1_000_000.0)
    );
    assert_eq!(account.limits.of("gpt-4o").tokens_per_minute, None);
    assert_eq!(
        settings.prices["gpt-3.5-turbo"],
        Price::new(1.5, None, Some(2.0))
    );
    assert_eq!(
        settings.prices["text-embedding-ada-002"],
        Price::new(0.1, None, None)
    );
    assert!(!settings.prices.contains_key("gpt-4"));
}

#[test]
fn accounts_come_from_the_environment() {
    let labels = |keys: Option<&str>, key: Option<&str>| {
        Settings::from_environment(&Environment {
            api_key: key.map(str::to_owned),
            api_keys: keys.map(str::to_owned),
            base_url: None,
        })
        .map(|settings| {
            let pairs = settings
                .accounts
                .iter()
                .map(|a| format!("{}={}", a.label, a.key.expose()));
            pairs.collect::<Vec<_>>().join(" ")
        })
    };
    assert_eq!(labels(None, Some("k1")).unwrap(), "org_1=k1");
    assert_eq!(
        labels(Some("k1, team=k2 ,,k3"), Some("not used")).unwrap(),
        "org_1=k1 team=k2 org_3=k3"
    );
    assert_eq!(labels(None, None).unwrap_err().code(), Code::NoAccount);
    assert_eq!(labels(Some(" , "), None).unwrap_err().code(), Code::Config);
    assert_eq!(
        labels(Some("a=k,a=k2"), None).unwrap_err().code(),
        Code::Config
    );
}

#[test]
fn a_wrong_setting_is_named_with_its_value_and_the_accepted_form() {
    for (json, message) in [
        ("", "`config` must be an object, got nothing"),
        ("[]", "`config` must be an object, got an array"),
        (
            r#"{"acounts": {}}"#,
            "`config` has no field `acounts`; it has: accounts, redis, pool, onRedisDown, baseURL, maxWaitMs, maxRetries, timeoutsMs, modelAliases, modelGroups, prices, budget, tenantWeights, cacheAffinity, coalesce, batchWindowMs",
        ),
        (
            "{}",
            "`config.accounts` must be an array of accounts or an object of labels and keys, got nothing",
        ),
        (
            r#"{"accounts": []}"#,
            "`config.accounts` holds no account; give at least one label and key",
        ),
        (
            r#"{"accounts": {"a b": "k"}}"#,
            "`config.accounts.a b` must have a label of 1 to 64 printable ASCII characters without spaces and : { } , =",
        ),
        (
            r#"{"accounts": [{"label": "a", "apiKey": "k"}, {"label": "a", "apiKey": "l"}]}"#,
            "`config.accounts` holds the label \"a\" twice; labels must be unique",
        ),
        (
            r#"{"accounts": [{"label": "a", "apiKey": 5}]}"#,
            "`config.accounts[0].apiKey` must be a string or a function that gives one, got a number",
        ),
        (
            r#"{"accounts": [{"label": "a", "apiKey": "k", "weight": 0}]}"#,
            "`config.accounts[0].weight` must be a number above 0, got 0 (a number)",
        ),
        (
            r#"{"accounts": [{"label": "a", "apiKey": "k", "maxConcurrency": 1.5}]}"#,
            "`config.accounts[0].maxConcurrency` must be a whole number from 1 to 1000000, got 1.5 (a number)",
        ),
        (
            r#"{"accounts": [{"label": "a", "apiKey": "k", "limits": {"*": {"tokensPerMinute": "9"}}}]}"#,
            "`config.accounts[0].limits.*.tokensPerMinute` must be a number above 0, got \"9\" (a string)",
        ),
        (
            r#"{"accounts": {"a": "k"}, "baseURL": "api.openai.com"}"#,
            "`config.baseURL` must be a URL such as \"https://api.openai.com/v1\", but relative URL without a base",
        ),
        (
            r#"{"accounts": {"a": "k"}, "maxWaitMs": -1}"#,
            "`config.maxWaitMs` must be a number of milliseconds from 0 to 86400000, got -1 (a number)",
        ),
        (
            r#"{"accounts": {"a": "k"}, "maxRetries": 101}"#,
            "`config.maxRetries` must be a whole number from 0 to 100, got 101 (a number)",
        ),
        (
            r#"{"accounts": {"a": "k"}, "timeoutsMs": {"total": 0}}"#,
            "`config.timeoutsMs.total` must be a number of milliseconds from 1 to 86400000, got 0 (a number)",
        ),
        (
            r#"{"accounts": {"a": "k"}, "prices": {"m": {"output": 1}}}"#,
            "`config.prices.m.input` must be a number of at least 0, got null (nothing)",
        ),
        (
            r#"{"OPEN_AI_KEYS": {}}"#,
            "`constants.OPEN_AI_KEYS` holds no account; give at least one label and key",
        ),
        (
            r#"{"OPEN_AI_KEYS": {"ORG_1": "k"}, "models": {"gpt_4": {"modelLimit": "x"}}}"#,
            "`constants.models.gpt_4.modelLimit` must be a number above 0, got \"x\" (a string)",
        ),
    ] {
        let error = Settings::parse(json).unwrap_err();
        assert_eq!(
            (error.message(), error.code()),
            (message, Code::Config),
            "{json}"
        );
    }
}

#[test]
fn no_message_shows_any_part_of_a_secret() {
    let secret = "sk-very-secret";
    for json in [
        format!(r#"{{"accounts": "{secret}"}}"#),
        format!(r#"{{"accounts": ["{secret}"]}}"#),
        format!(r#"{{"accounts": {{"a": "{secret}\n"}}}}"#),
        format!(r#"{{"accounts": {{"a": ["{secret}"]}}}}"#),
        format!(r#"{{"accounts": [{{"label": "a", "apiKey": "{secret} x"}}]}}"#),
        format!(r#"{{"accounts": {{"a": "k"}}, "baseURL": "http://u:{secret}@host"}}"#),
        format!(r#"{{"OPEN_AI_KEYS": "{secret}"}}"#),
        format!(r#"{{"OPEN_AI_KEYS": {{"ORG_1": "{secret} "}}}}"#),
    ] {
        let error = Settings::parse(&json).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
    }
    let settings = parsed(&format!(r#"{{"accounts": {{"a": "{secret}"}}}}"#));
    assert!(!format!("{settings:?}").contains("secret"));
}

#[test]
fn call_options_fill_in_what_they_do_not_name() {
    let settings = parsed(r#"{"accounts": {"a": "k"}}"#);
    let defaults = settings.timeouts;
    let options = CallOptions::parse(
        r#"{"maxWaitMs": 5, "maxRetries": 2, "timeoutsMs": {"idle": 9}, "accounts": ["a"]}"#,
        &settings,
        0.0,
    )
    .unwrap();
    assert_eq!(options.max_wait, Some(Duration::from_millis(5)));
    assert_eq!((options.max_retries, options.force), (Some(2), false));
    assert_eq!(
        options.timeouts.map(|t| (t.idle.as_millis(), t.total)),
        Some((9, defaults.total))
    );
    assert_eq!(options.accounts, Some(vec!["a".to_owned()]));
    for wrong in [
        r#"{"force": 1}"#,
        r#"{"maxRetries": -1}"#,
        r#"{"accounts": []}"#,
        r#"{"accounts": 3}"#,
        r#"{"deadline": -1}"#,
        r#"{"retries": 1}"#,
        "3",
    ] {
        let error = CallOptions::parse(wrong, &settings, 0.0).unwrap_err();
        assert_eq!(error.code(), Code::Argument, "{wrong}");
    }
}

#[test]
fn a_deadline_bounds_the_waiting_and_the_whole_call() {
    let settings = parsed(r#"{"accounts": {"a": "k"}, "maxWaitMs": 20000}"#);
    let now = 1_000_000.0;
    let parse = |json: &str| CallOptions::parse(json, &settings, now);
    for (json, patience, total, named) in [
        ("{}", 20_000, 600_000, None),
        (r#"{"maxWaitMs": 7}"#, 7, 600_000, Some(7)),
        (r#"{"deadline": 1005000}"#, 5_000, 5_000, Some(5_000)),
        // The pool's longest wait is the same for all, and makes nobody urgent.
        (r#"{"deadline": 1030000}"#, 20_000, 30_000, Some(30_000)),
        (
            r#"{"deadline": 1030000, "maxWaitMs": 7, "timeoutsMs": {"total": 9}}"#,
            7,
            9,
            Some(7),
        ),
        (r#"{"deadline": 1e300}"#, 20_000, 600_000, Some(86_400_000)),
    ] {
        let options = parse(json).unwrap();
        let bounds = (
            options.patience(&settings, now).as_millis(),
            options.total(&settings, now).as_millis(),
            options.named_patience(now).map(|wait| wait.as_millis()),
        );
        assert_eq!(bounds, (patience, total, named), "{json}");
        // What has passed since is gone.
        if options.deadline.is_some() {
            let later = options.total(&settings, now + 2_000_000.0);
            assert!(later.is_zero() || json.contains("1e300"), "{json}");
        }
    }
    assert_eq!(
        parse(r#"{"deadline": 1005000}"#),
        CallOptions::parse(r#"{"deadline": 1005000}"#, &settings, now + 1.5),
        "calls of the same deadline are the same"
    );
    let passed = parse(r#"{"deadline": 999999}"#).unwrap_err();
    assert_eq!(passed.code(), Code::Timeout);
    assert_eq!(
        passed.message(),
        "the call's deadline passed 1 ms ago; nothing was sent"
    );
}

#[test]
fn one_account_may_stand_without_a_list() {
    let settings = parsed(r#"{"accounts": {"a": "k"}}"#);
    let options = CallOptions::parse(r#"{"accounts": "a"}"#, &settings, 0.0).unwrap();
    assert_eq!(options.accounts, Some(vec!["a".to_owned()]));
}

#[test]
fn the_drop_in_arguments_are_called_by_their_names() {
    let options = CallOptions::parse_drop_in(r#"{"force": 1, "retryCount": 3}"#).unwrap();
    assert_eq!((options.force, options.max_retries), (true, Some(3)));
    let error = CallOptions::parse_drop_in(r#"{"force": 2}"#).unwrap_err();
    assert_eq!(
        error.message(),
        "`force` must be a whole number from 0 to 1, got 2 (a number)"
    );
}

#[test]
fn the_old_constants_may_have_model_aliases_beside_them() {
    let settings = parsed(
        r#"{"OPEN_AI_KEYS": {"ORG_1": "k"}, "modelAliases": {"gpt-3.5-turbo": "gpt-6-luna"}}"#,
    );
    assert_eq!(settings.sent_model("gpt-3.5-turbo"), "gpt-6-luna");
}
