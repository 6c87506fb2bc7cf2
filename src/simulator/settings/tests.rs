//! Tests of the settings: what they mean, and what is said of what they cannot mean.

use super::*;
use crate::simulator::faults::ScriptedBody;

fn complaint(json: &str) -> String {
    Settings::parse(json).unwrap_err().to_string()
}

#[test]
fn empty_settings_are_one_account_with_any_key_and_limits_that_no_test_reaches() {
    let settings = Settings::parse("{}").unwrap();
    assert_eq!((settings.port, settings.seed), (0, 1));
    assert_eq!(settings.charging, ChargingRule::Measured2025);
    assert_eq!(settings.latency, Latency::Fixed(0.0));
    assert_eq!(settings.output_tokens, OutputTokens { min: 5, max: 60 });
    let [account] = settings.accounts.as_slice() else {
        panic!("one account");
    };
    assert_eq!(account.label, "account_1");
    assert_eq!(account.api_key, None);
    assert!(account.organization.starts_with("org-"));
    assert!(account.serves("anything"));
    let limits = settings.scopes[account.scope].limits_of("gpt-4o");
    assert_eq!(limits.requests_per_minute.unwrap().get(), 10_000_000);
}

#[test]
fn accounts_of_one_organization_and_project_share_their_limits() {
    let settings = Settings::parse(
        r#"{"accounts": [
            {"apiKey": "a", "organization": "org-x", "limits": {"*": {"requestsPerMinute": 3}}},
            {"apiKey": "b", "organization": "org-x", "label": "second"},
            {"apiKey": "c", "organization": "org-x", "project": "proj_y"},
            {"apiKey": "d"}]}"#,
    )
    .unwrap();
    let scopes: Vec<usize> = settings
        .accounts
        .iter()
        .map(|account| account.scope)
        .collect();
    assert_eq!(scopes, [0, 0, 1, 2]);
    let labels: Vec<&str> = settings
        .accounts
        .iter()
        .map(|account| &*account.label)
        .collect();
    assert_eq!(labels, ["account_1", "second", "account_3", "account_4"]);
    assert_eq!(settings.accounts[0].project, settings.accounts[1].project);
    assert_ne!(
        settings.accounts[0].organization,
        settings.accounts[3].organization
    );
    let shared = settings.scopes[0].limits_of("any");
    assert_eq!(shared.requests_per_minute.unwrap().get(), 3);
    assert_eq!(shared.tokens_per_minute, None, "left out is not limited");
}

#[test]
fn limits_and_model_groups_meet_in_the_group() {
    let settings = Settings::parse(
        r#"{"modelGroups": {"gpt-4o-mini": "small", "gpt-4.1-nano": "small"},
            "accounts": [{"apiKey": "a", "limits": {
                "gpt-4o-2024-08-06": {"tokensPerMinute": 1},
                "gpt-4o-mini": {"tokensPerMinute": 2},
                "*": {"tokensPerMinute": 3}}}]}"#,
    )
    .unwrap();
    for (model, group, limit) in [
        ("gpt-4o", "gpt-4o", 1),
        ("gpt-4o-mini-2024-07-18", "small", 2),
        ("gpt-4.1-nano", "small", 2),
        ("gpt-5", "gpt-5", 3),
    ] {
        assert_eq!(settings.model_groups.group(model), group);
        let limits = settings.scopes[0].limits_of(group);
        assert_eq!(limits.tokens_per_minute.unwrap().get(), limit);
    }
}

#[test]
fn latencies_and_lengths_have_several_forms() {
    let settings = |json| Settings::parse(json).unwrap();
    assert_eq!(
        settings(r#"{"latencyMs": 2.5}"#).latency,
        Latency::Fixed(2.5)
    );
    assert_eq!(
        settings(r#"{"latencyMs": {"min": 1, "max": 2}}"#).latency,
        Latency::Uniform { min: 1.0, max: 2.0 }
    );
    assert_eq!(
        settings(r#"{"latencyMs": {"median": 800, "sigma": 0.4}}"#).latency,
        Latency::LogNormal {
            median: 800.0,
            sigma: 0.4
        }
    );
    assert_eq!(
        settings(r#"{"outputTokens": 7}"#).output_tokens,
        OutputTokens { min: 7, max: 7 }
    );
}

#[test]
fn faults_are_read_with_their_defaults() {
    let settings = Settings::parse(
        r#"{"faults": [
            {"status": 500},
            {"error": "insufficient_quota", "account": "account_1", "times": 2, "after": 1},
            {"status": 502, "body": "<html></html>", "headers": {"retry-after": 3}},
            {"delayMs": 20, "probability": 0.5}]}"#,
    )
    .unwrap();
    let [plain, quota, page, slow] = settings.faults.as_slice() else {
        panic!("four rules");
    };
    assert_eq!(plain.trigger.times, None);
    assert_eq!(plain.trigger.probability, 1.0);
    assert_eq!(quota.effect.answer.as_ref().unwrap().status, 429);
    assert_eq!((quota.trigger.account, quota.trigger.after), (Some(0), 1));
    let page = page.effect.answer.as_ref().unwrap();
    assert_eq!(page.headers[0].1, "3");
    assert!(matches!(
        page.body,
        ScriptedBody::Verbatim {
            content_type: "text/html",
            ..
        }
    ));
    assert!(slow.effect.answer.is_none());
    assert_eq!(slow.effect.delay_ms, 20.0);
}

#[test]
fn complaints_name_the_field_the_value_and_what_is_allowed() {
    for (json, message) in [
        ("[]", "settings must be an object, got []"),
        (
            r#"{"port": 70000}"#,
            "port must be a whole number from 0 to 65535, got 70000",
        ),
        (
            r#"{"prot": 1}"#,
            "prot is not a setting; known here are port, seed, charging, modelGroups, accounts, latencyMs, outputTokens, msPerToken, promptCacheIdleMs, faults",
        ),
        (
            r#"{"charging": "2023"}"#,
            r#"charging must be one of "documented", "2024", "2025", "usage", got "2023""#,
        ),
        (
            r#"{"accounts": []}"#,
            "accounts must name at least one account, or be left out",
        ),
        (r#"{"accounts": [{}]}"#, "accounts[0].apiKey is missing"),
        (
            r#"{"accounts": [{"apiKey": 5}]}"#,
            "accounts[0].apiKey must be a non-empty string",
        ),
        (
            r#"{"accounts": [{"apiKey": "a"}, {"apiKey": "a"}]}"#,
            r#"accounts[1].apiKey is also the key of "account_1""#,
        ),
        (
            r#"{"accounts": [{"apiKey": "a", "label": "x"}, {"apiKey": "b", "label": "x"}]}"#,
            r#"accounts[1].label "x" is another account's"#,
        ),
        (
            r#"{"accounts": [{"apiKey": "a", "organization": "ö\n"}]}"#,
            r#"accounts[0].organization must consist of visible ASCII, got "ö\n""#,
        ),
        (
            r#"{"accounts": [{"apiKey": "a", "limits": {"gpt-4o": {"tokensPerMinute": 0}}}]}"#,
            r#"accounts[0].limits["gpt-4o"].tokensPerMinute must be a whole number from 1 to 1000000000000, got 0"#,
        ),
        (
            r#"{"accounts": [{"apiKey": "a", "limits": {"gpt-4o": {"tpm": 1}}}]}"#,
            r#"accounts[0].limits["gpt-4o"].tpm is not a setting; known here are requestsPerMinute, requestsPerDay, tokensPerMinute, tokensPerDay"#,
        ),
        (
            r#"{"accounts": [{"apiKey": "a", "limits": {"gpt-4o": {"tokensPerMinute": 1}, "gpt-4o-2024-08-06": {"tokensPerMinute": 2}}}]}"#,
            r#"accounts[0].limits["gpt-4o-2024-08-06"] differs from the limits of another model of its group "gpt-4o""#,
        ),
        (
            r#"{"accounts": [{"apiKey": "a", "organization": "o", "limits": {"*": {}}}, {"apiKey": "b", "organization": "o", "limits": {"*": {"tokensPerDay": 9}}}]}"#,
            "accounts[1].limits differs from the limits of another account of o, which shares them",
        ),
        (
            r#"{"latencyMs": {"min": 2, "max": 1}}"#,
            "latencyMs must be a number, { min, max } with min ≤ max, or { median, sigma }, got {\"max\":1,\"min\":2}",
        ),
        (
            r#"{"latencyMs": -1}"#,
            "latencyMs must be a number from 0 to 3600000, got -1",
        ),
        (
            r#"{"outputTokens": {"min": 0, "max": 1}}"#,
            "outputTokens.min must be a whole number from 1 to 128000, got 0",
        ),
        (
            r#"{"faults": [{}]}"#,
            "faults[0] has no effect: it needs a status, an error or a delayMs",
        ),
        (
            r#"{"faults": [{"status": 500, "account": "x"}]}"#,
            r#"faults[0].account must be an account's label (account_1), got "x""#,
        ),
        (
            r#"{"faults": [{"status": 200}]}"#,
            "faults[0].status below 400 needs a body",
        ),
        (
            r#"{"faults": [{"body": "x"}]}"#,
            "faults[0].status is missing, but there is a body or headers to send with it",
        ),
        (
            r#"{"faults": [{"status": 500, "error": "slow_down", "body": "x"}]}"#,
            "faults[0].error and body exclude each other",
        ),
        (
            r#"{"faults": [{"status": 500, "headers": {"a b": "c"}}]}"#,
            r#"faults[0].headers["a b"] must be a header that HTTP allows, got "c""#,
        ),
    ] {
        assert_eq!(complaint(json), message, "{json}");
    }
    assert!(complaint("{").starts_with("settings are not JSON: "));
    assert!(
        complaint(r#"{"faults": [{"error": "oops"}]}"#)
            .starts_with("faults[0].error must be one of bad_request, ")
    );
}
