//! Limits, faults, refusals, and the account of them.

use serde_json::{Value, json};

use super::*;

#[test]
fn headers_tell_the_account_and_its_limits() {
    let service = service(&json!({"accounts": [{
        "apiKey": "a", "organization": "org-x", "project": "proj_y",
        "limits": {"gpt-4o": {"requestsPerMinute": 500, "tokensPerMinute": 30_000}}}]}));
    let answer = ask(&service, "a", CHAT, &chat(), 0.0);
    // 4 + 23 characters: 7, and one more under the default rule.
    for (name, value) in [
        ("x-ratelimit-limit-requests", "500"),
        ("x-ratelimit-remaining-requests", "499"),
        ("x-ratelimit-reset-requests", "120ms"),
        ("x-ratelimit-limit-tokens", "30000"),
        ("x-ratelimit-remaining-tokens", "29992"),
        ("x-ratelimit-reset-tokens", "16ms"),
        ("openai-organization", "org-x"),
        ("openai-project", "proj_y"),
        ("openai-version", "2020-10-01"),
        ("openai-processing-ms", "0"),
        ("content-type", "application/json"),
        ("retry-after", ""),
    ] {
        assert_eq!(header(&answer, name), value, "{name}");
    }
    let id = header(&answer, "x-request-id")
        .strip_prefix("req_")
        .unwrap();
    assert_eq!(id.len(), 32);
    assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit()));
}

#[test]
fn a_full_bucket_answers_429_until_the_moment_it_named() {
    let service = service(
        &json!({"charging": "usage", "outputTokens": 20, "accounts": [{
        "apiKey": "a", "limits": {"*": {"requestsPerMinute": 3}}}]}),
    );
    for _ in 0..3 {
        assert_eq!(ask(&service, "a", CHAT, &chat(), 0.0).status, 200);
    }
    let refused = ask(&service, "a", CHAT, &chat(), 0.0);
    assert_eq!(refused.status, 429);
    assert_eq!(header(&refused, "retry-after"), "20");
    assert_eq!(header(&refused, "retry-after-ms"), "20000");
    assert_eq!(header(&refused, "x-ratelimit-remaining-requests"), "0");
    assert_eq!(header(&refused, "x-ratelimit-reset-requests"), "1m0s");
    let error = &parsed(refused)["error"];
    assert_eq!(error["type"], "requests");
    assert_eq!(error["code"], "rate_limit_exceeded");
    assert!(error["message"].as_str().unwrap().contains(
        "on requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in 20s."
    ));
    assert_eq!(ask(&service, "a", CHAT, &chat(), 19_999.0).status, 429);
    assert_eq!(ask(&service, "a", CHAT, &chat(), 20_000.0).status, 200);
}

#[test]
fn requests_without_room_or_right_get_openai_s_errors() {
    let service = service(&json!({"accounts": [
        {"apiKey": "sk-known", "models": ["gpt-4o"], "limits": {"*": {"tokensPerMinute": 5}}}]}));
    let large = ask(&service, "sk-known", CHAT, &chat(), 0.0);
    assert_eq!(header(&large, "retry-after"), "");
    for (answer, status, code, message) in [
        (
            large,
            429,
            "rate_limit_exceeded",
            "Request too large for gpt-4o in organization org-",
        ),
        (
            ask(&service, "sk-wrong", CHAT, &chat(), 0.0),
            401,
            "invalid_api_key",
            "Incorrect API key provided: ********.",
        ),
        (
            ask(
                &service,
                "sk-known",
                CHAT,
                &json!({"model": "gpt-5", "messages": [{}]}),
                0.0,
            ),
            404,
            "model_not_found",
            "The model `gpt-5` does not exist or you do not have access to it.",
        ),
        (
            ask(&service, "sk-known", CHAT, &json!({}), 0.0),
            400,
            "missing_required_parameter",
            "Missing required parameter: 'model'.",
        ),
    ] {
        assert_eq!(answer.status, status);
        let error = &parsed(answer)["error"];
        assert_eq!(error["code"], code);
        assert!(
            error["message"].as_str().unwrap().starts_with(message),
            "{error}"
        );
    }
}

#[test]
fn paths_methods_and_missing_keys_are_told_apart() {
    let service = service(&json!({}));
    for (method, path, authorization, status) in [
        ("POST", "/v1/nothing", Some("Bearer x"), 404),
        ("POST", "/chat/completions", Some("Bearer x"), 404),
        ("GET", CHAT, Some("Bearer x"), 405),
        ("GET", "/v1/models", None, 401),
        ("GET", "/v1/models", Some("Basic x"), 401),
        ("GET", "/v1/models", Some("Bearer "), 401),
        ("GET", "/v1/models", Some("bearer x"), 200),
        ("GET", "/base/of/mine/v1/models", Some("Bearer x"), 200),
    ] {
        let request = Request {
            method,
            path,
            authorization,
            body: b"",
        };
        let answer = service.answer(&request, 0.0);
        assert_eq!(answer.status, status, "{method} {path} {authorization:?}");
        assert_eq!(header(&answer, "content-type"), "application/json");
    }
}

#[test]
fn scripted_refusals_take_no_room_and_scripted_failures_do() {
    let answers = |faults: Value| {
        let service = service(&json!({"faults": [faults], "accounts": [
            {"apiKey": "a", "limits": {"*": {"requestsPerMinute": 10}}}]}));
        let first = ask(&service, "a", CHAT, &chat(), 0.0);
        (first, ask(&service, "a", CHAT, &chat(), 0.0))
    };
    let left = |answer: &Answer| header(answer, "x-ratelimit-remaining-requests").to_owned();

    let (storm, after) = answers(json!({"status": 429, "times": 1}));
    assert_eq!(
        (storm.status, left(&storm).as_str(), left(&after).as_str()),
        (429, "", "9")
    );
    assert_eq!(header(&storm, "retry-after-ms"), "1000");
    assert!(text(storm).contains("Please try again in 1s."));

    let (failure, after) = answers(json!({"status": 500, "times": 1, "delayMs": 30}));
    assert_eq!(
        (
            failure.status,
            left(&failure).as_str(),
            left(&after).as_str()
        ),
        (500, "9", "8")
    );
    assert_eq!((failure.delay_ms, after.delay_ms), (30.0, 0.0));
    let id = header(&failure, "x-request-id").to_owned();
    assert!(text(failure).contains(&format!(
        "Please include the request ID {id} in your email."
    )));

    let (page, _) = answers(json!({"status": 502}));
    assert_eq!(header(&page, "content-type"), "text/html");
    assert!(text(page).contains("502 Bad Gateway"));

    let (quota, _) =
        answers(json!({"error": "insufficient_quota", "headers": {"x-should-retry": "false"}}));
    assert_eq!(
        (quota.status, header(&quota, "x-should-retry")),
        (429, "false")
    );
    assert_eq!(parsed(quota)["error"]["type"], "insufficient_quota");

    let (custom, _) = answers(json!({"status": 200, "body": "no json"}));
    assert_eq!(
        (custom.status, header(&custom, "content-type")),
        (200, "text/plain; charset=utf-8")
    );
    assert_eq!(text(custom), "no json");
}

#[test]
fn models_lists_what_the_account_may_ask() {
    let service = service(&json!({"accounts": [
        {"apiKey": "a", "models": ["gpt-5", "gpt-4o"]},
        {"apiKey": "b", "limits": {"my-own": {"requestsPerMinute": 1}}}]}));
    let names = |key| -> Vec<String> {
        let body = parsed(ask(&service, key, "/v1/models", &Value::Null, 0.0));
        let data = body["data"].as_array().unwrap();
        data.iter()
            .map(|model| model["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names("a"), ["gpt-4o", "gpt-5"]);
    assert!(names("b").contains(&"my-own".to_owned()));
    assert!(names("b").contains(&"gpt-4o".to_owned()));
}

#[test]
fn stats_account_for_every_request_and_count_shared_capacity_once() {
    let limits = json!({"gpt-4o": {"requestsPerMinute": 2, "tokensPerMinute": 600}});
    let service = service(&json!({"accounts": [
        {"label": "one", "apiKey": "a", "organization": "o", "limits": limits},
        {"label": "two", "apiKey": "b", "organization": "o"},
        {"label": "three", "apiKey": "c", "models": ["gpt-5"], "limits": {"*": {"tokensPerMinute": 100}}}]}));
    for key in ["a", "b", "b", "stranger"] {
        ask(&service, key, CHAT, &chat(), 0.0);
    }
    ask(&service, "c", "/v1/models", &Value::Null, 0.0);
    let request = Request {
        method: "GET",
        path: "/_simulator/stats",
        authorization: None,
        body: b"",
    };
    let stats = parsed(service.answer(&request, 30_000.0));
    assert_eq!(stats["uptimeMs"], 30_000);
    assert_eq!(
        stats["accounts"]["two"],
        json!({"organization": "o", "project": service.settings.accounts[1].project,
               "statuses": {"200": 1, "429": 1},
               "models": {"gpt-4o": {
                   "admitted": 1, "refused": 1, "chargedTokens": 8,
                   "promptTokens": 13, "cachedTokens": 0,
                   "capacityRequests": 3, "capacityTokens": 900,
                   "statuses": {"200": 1, "429": 1}}}})
    );
    assert_eq!(
        stats["accounts"]["three"]["models"],
        json!({}),
        "serves no gpt-4o"
    );
    assert_eq!(
        stats["totals"],
        json!({"admitted": 2, "refused": 1, "chargedTokens": 16,
               "promptTokens": 26, "cachedTokens": 0,
               "capacityRequests": 3, "capacityTokens": 900,
               "statuses": {"200": 3, "401": 1, "429": 1}})
    );
    assert_eq!(
        serde_json::from_str::<Value>(&service.stats(30_000.0)).unwrap(),
        stats
    );
}
