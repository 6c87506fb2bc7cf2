//! What replies and stats say of the prompt caches.

use serde_json::{Value, json};

use super::*;

/// A chat of some 2,000 tokens and a question.
fn long_chat(question: &str) -> Value {
    json!({"model": "gpt-4o", "messages": [
        {"role": "system", "content": "All of this is well known. ".repeat(333)},
        {"role": "user", "content": question}]})
}

fn two_organizations() -> Service {
    service(&json!({"accounts": [
        {"apiKey": "a", "organization": "o"},
        {"apiKey": "b", "organization": "o", "project": "p"},
        {"apiKey": "c", "organization": "other"}]}))
}

/// Prompt and cached tokens of the reply's usage.
fn prompt(service: &Service, key: &str, request: &Value, now: f64) -> (u64, u64) {
    let usage = &parsed(ask(service, key, CHAT, request, now))["usage"];
    let cached = &usage["prompt_tokens_details"]["cached_tokens"];
    (
        usage["prompt_tokens"].as_u64().unwrap(),
        cached.as_u64().unwrap(),
    )
}

fn cached(service: &Service, key: &str, request: &Value, now: f64) -> u64 {
    prompt(service, key, request, now).1
}

#[test]
fn a_prompt_seen_before_is_reported_as_cached_in_full_steps() {
    let service = two_organizations();
    let (tokens, before) = prompt(&service, "a", &long_chat("Why?"), 0.0);
    assert_eq!(before, 0);
    let again = cached(&service, "a", &long_chat("Why?"), 1_000.0);
    assert_eq!(again, tokens - tokens % 128);
    let mut longer = long_chat("Why?");
    let answer = json!({"role": "assistant", "content": "Because of this and that. ".repeat(200)});
    longer["messages"].as_array_mut().unwrap().push(answer);
    let grown = cached(&service, "a", &longer, 2_000.0);
    assert!(grown > again - 256 && grown <= again, "{grown} of {again}");
    assert_eq!(grown % 128, 0);
}

#[test]
fn an_organization_shares_its_cache_among_projects_and_not_with_others() {
    let service = two_organizations();
    for (key, hit) in [("a", false), ("b", true), ("c", false), ("c", true)] {
        assert_eq!(
            cached(&service, key, &long_chat("?"), 0.0) > 0,
            hit,
            "{key}"
        );
    }
}

#[test]
fn another_key_tool_or_model_misses() {
    let service = two_organizations();
    cached(&service, "a", &long_chat("?"), 0.0);
    for (field, value) in [
        ("prompt_cache_key", "tenant".into()),
        (
            "tools",
            json!([{"type": "function", "function": {"name": "look"}}]),
        ),
        ("model", "gpt-4o-mini".into()),
    ] {
        let mut other = long_chat("?");
        other[field] = value;
        assert_eq!(cached(&service, "a", &other, 0.0), 0, "{field}");
        assert!(cached(&service, "a", &other, 0.0) > 0, "{field}");
    }
}

#[test]
fn short_prompts_and_models_before_gpt_4o_have_no_cache() {
    let service = two_organizations();
    for model in ["gpt-4", "gpt-4-turbo", "gpt-3.5-turbo-0125"] {
        let mut old = long_chat("?");
        old["model"] = model.into();
        for _ in 0..2 {
            assert_eq!(cached(&service, "a", &old, 0.0), 0, "{model}");
        }
    }
    for _ in 0..2 {
        assert_eq!(cached(&service, "a", &chat(), 0.0), 0);
    }
    let embedding = json!({"model": "text-embedding-3-small", "input": "word ".repeat(2_000)});
    for _ in 0..2 {
        let body = parsed(ask(&service, "a", "/v1/embeddings", &embedding, 0.0));
        assert_eq!(body["usage"].get("prompt_tokens_details"), None);
    }
}

#[test]
fn what_nobody_uses_ends_when_settings_say() {
    for (settings, alive, ended) in [
        (json!({}), 599_999.0, 600_000.0),
        (json!({"promptCacheIdleMs": 5_000}), 4_999.0, 5_000.0),
    ] {
        let service = service(&settings);
        cached(&service, "x", &long_chat("?"), 0.0);
        assert!(cached(&service, "x", &long_chat("?"), alive) > 0);
        assert_eq!(cached(&service, "x", &long_chat("?"), alive + ended), 0);
    }
    let off = service(&json!({"promptCacheIdleMs": 0}));
    for _ in 0..2 {
        assert_eq!(cached(&off, "x", &long_chat("?"), 0.0), 0);
    }
}

#[test]
fn cached_tokens_are_charged_as_others() {
    let service = service(&json!({"accounts": [
        {"apiKey": "a", "limits": {"*": {"tokensPerMinute": 100_000}}}]}));
    let left: Vec<u64> = (0..3)
        .map(|_| ask(&service, "a", CHAT, &long_chat("?"), 0.0))
        .map(|answer| {
            let left = header(&answer, "x-ratelimit-remaining-tokens");
            left.parse().unwrap()
        })
        .collect();
    assert_eq!(left[0] - left[1], left[1] - left[2]);
}

#[test]
fn a_refused_request_leaves_nothing_in_the_cache() {
    let service = service(&json!({
        "accounts": [{"apiKey": "a", "limits": {"*": {"requestsPerMinute": 1}}}]}));
    assert_eq!(ask(&service, "a", CHAT, &chat(), 0.0).status, 200);
    assert_eq!(ask(&service, "a", CHAT, &long_chat("?"), 0.0).status, 429);
    assert_eq!(cached(&service, "a", &long_chat("?"), 60_000.0), 0);
}

#[test]
fn stats_sum_what_replies_state() {
    let service = two_organizations();
    let mut sums = (0, 0);
    for key in ["a", "a", "b", "c"] {
        let (tokens, cached) = prompt(&service, key, &long_chat("?"), 0.0);
        sums = (sums.0 + tokens, sums.1 + cached);
    }
    let stats: Value = serde_json::from_str(&service.stats(0.0)).unwrap();
    assert_eq!(stats["totals"]["promptTokens"], sums.0);
    assert_eq!(stats["totals"]["cachedTokens"], sums.1);
    let of = |label: &str| &stats["accounts"][label]["models"]["gpt-4o"];
    assert_eq!(of("account_1")["cachedTokens"], sums.1 / 2);
    assert_eq!(of("account_1")["promptTokens"], sums.0 / 2);
    assert_eq!(of("account_3")["cachedTokens"], 0);
}
