//! Every row of the table, from bodies as servers sent them.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::*;

fn body(message: &str, kind: &str, code: &str) -> String {
    serde_json::json!({ "error": { "message": message, "type": kind, "param": null, "code": code } }).to_string()
}

/// What Azure says of a deployment whose tokens or calls a minute are used up.
fn azure_429(what: &str, seconds: u32) -> String {
    let message = format!(
        "Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2024-02-01 have exceeded {what} rate \
         limit of your current OpenAI S0 pricing tier. Please retry after {seconds} seconds. Please go here: \
         https://aka.ms/oai/quotaincrease if you would like to further increase the default rate limit."
    );
    serde_json::json!({ "error": { "code": "429", "message": message } }).to_string()
}

#[test]
fn azures_wait_is_read_from_its_message() {
    for (body, seconds) in [
        (azure_429("token", 7), Some(7)),
        (
            r#"{"message":"Rate limit is exceeded. Try again in 53 seconds."}"#.into(),
            Some(53),
        ),
        (
            r#"{"message":"Please retry after 1 second."}"#.into(),
            Some(1),
        ),
        (r#"{"message":"Please retry after 7 moons."}"#.into(), None),
        (
            r#"{"message":"Please retry after -7 seconds."}"#.into(),
            None,
        ),
        (r#"{"message":"Please retry after "}"#.into(), None),
    ] {
        let verdict = judge(429, &HeaderMap::new(), body.as_bytes());
        assert_eq!(verdict.wait, seconds.map(Duration::from_secs), "{body}");
        assert_eq!(verdict.limit_hit, None);
    }
}

#[test]
fn every_recorded_answer_has_its_outcome() {
    let too_long = "This model's maximum context length is 8192 tokens. However, your messages resulted in 8227 tokens. \
                    Please reduce the length of the messages.";
    let quota = "You exceeded your current quota, please check your plan and billing details.";
    let server = "The server had an error processing your request. Sorry about that!";
    let html = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1>\
                </center>\r\n<hr><center>cloudflare</center>";
    let cases: Vec<(u16, String, Outcome)> = vec![
        (200, "{}".into(), Outcome::Ok),
        (400, body(too_long, "invalid_request_error", "context_length_exceeded"), Outcome::BadRequest),
        (400, body("Unsupported parameter: 'max_tokens' is not supported with this model.", "invalid_request_error", "unsupported_parameter"), Outcome::BadRequest),
        (400, body("Requested 453357 tokens, max 300000 tokens per request", "max_tokens_per_request", "max_tokens_per_request"), Outcome::BadRequest),
        (400, body("Billing hard limit has been reached", "invalid_request_error", "billing_hard_limit_reached"), Outcome::OutOfMoney),
        (401, body("Incorrect API key provided: sk-proj-********.", "invalid_request_error", "invalid_api_key"), Outcome::KeyRefused),
        (401, r#"{"error":{"code":"401","message":"Access denied due to invalid subscription key"}}"#.into(), Outcome::KeyRefused),
        (401, r#"{"statusCode":401,"message":"Unauthorized. Access token is missing, invalid, audience is incorrect, or have expired."}"#.into(), Outcome::KeyRefused),
        (401, r#"{"error":{"code":"PermissionDenied","message":"The principal lacks the required data action"}}"#.into(), Outcome::KeyRefused),
        (403, r#"{"error":{"code":"403","message":"Access denied due to Virtual Network/Firewall rules."}}"#.into(), Outcome::KeyRefused),
        (403, r#"{"error":{"code":"AuthenticationTypeDisabled","message":"Key based authentication is disabled for this resource."}}"#.into(), Outcome::KeyRefused),
        (400, r#"{"error":{"message":"The response was filtered due to the prompt triggering Azure OpenAI's content management policy.","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#.into(), Outcome::BadRequest),
        (400, r#"{"error":{"code":"OperationNotSupported","message":"The chatCompletion operation does not work with the specified model"}}"#.into(), Outcome::BadRequest),
        (408, r#"{"error":{"code":"Timeout","message":"The operation was timeout."}}"#.into(), Outcome::Overloaded),
        (429, azure_429("token", 7), Outcome::Limited),
        (429, azure_429("call", 60), Outcome::Limited),
        (429, azure_429("token", 86_400), Outcome::TooLarge),
        (429, r#"{"error":{"code":"RateLimitReached","message":"Your requests to gpt-5.1 for gpt-5.1 in East US 2 have exceeded the token rate limit for your current AIServices S0 pricing tier. Please retry after 60 seconds."}}"#.into(), Outcome::Limited),
        (429, r#"{"statusCode":429,"message":"Rate limit is exceeded. Try again in 53 seconds."}"#.into(), Outcome::Limited),
        (429, r#"{"error":{"message":"The system is currently experiencing high demand and cannot process your request. Please retry after 20 seconds.","type":"too_many_requests","param":null,"code":"too_many_requests"}}"#.into(), Outcome::Overloaded),
        (402, r#"{"error":{"code":402,"message":"Insufficient credits","metadata":{}}}"#.into(), Outcome::OutOfMoney),
        (403, body("Country, region, or territory not supported", "request_forbidden", "unsupported_country_region_territory"), Outcome::BadRequest),
        (403, body("Project `proj_x` does not have access to model `gpt-4o-mini`", "invalid_request_error", "model_not_found"), Outcome::ModelRefused),
        (403, body("You are not allowed to use this organization", "invalid_request_error", "forbidden"), Outcome::KeyRefused),
        (404, body("The model `x` does not exist or you do not have access to it.", "invalid_request_error", "model_not_found"), Outcome::ModelRefused),
        (404, r#"{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}}"#.into(), Outcome::ModelRefused),
        (404, r#"{"error":{"code":"404","message":"Resource not found"}}"#.into(), Outcome::ModelRefused),
        (404, body("Invalid URL (POST /v1/chat)", "invalid_request_error", "unknown_url"), Outcome::BadRequest),
        (408, "".into(), Outcome::Overloaded),
        (409, "".into(), Outcome::Overloaded),
        (413, "<html>413 Request Entity Too Large</html>".into(), Outcome::BadRequest),
        (422, r#"{"detail":[{"loc":["body","model"],"msg":"field required"}]}"#.into(), Outcome::BadRequest),
        (429, body("Rate limit reached for gpt-4.1 in organization org-abcdefgh12 on tokens per min (TPM): Limit 30000, Used 22343, Requested 10955. Please try again in 6.596s. Visit https://platform.openai.com/account/rate-limits to learn more.", "tokens", "rate_limit_exceeded"), Outcome::Limited),
        (429, body("Rate limit reached for gpt-4o in organization org-abcdefgh12 on requests per day (RPD): Limit 200, Used 200, Requested 1. Please try again in 7m12s.", "requests", "rate_limit_exceeded"), Outcome::Limited),
        (429, "".into(), Outcome::Limited),
        (429, body("Request too large for gpt-4o in organization org-abcdefgh12 on tokens per min (TPM): Limit 30000, Requested 39143. The input or output tokens must be reduced in order to run successfully.", "tokens", "rate_limit_exceeded"), Outcome::TooLarge),
        (429, body(quota, "insufficient_quota", "insufficient_quota"), Outcome::OutOfMoney),
        (429, body("You have no credits remaining.", "insufficient_quota", "credit_balance_exhausted"), Outcome::OutOfMoney),
        (429, body("…", "insufficient_quota", "organization_spend_limit_exceeded"), Outcome::OutOfMoney),
        (429, body("…", "billing", "project_spend_limit_exceeded"), Outcome::OutOfMoney),
        (429, body("…", "billing", "organization_usage_limit_exceeded"), Outcome::OutOfMoney),
        (429, body("Slow down", "rate_limit_error", "slow_down"), Outcome::Overloaded),
        (429, body("That model is currently overloaded with other requests.", "server_error", ""), Outcome::Overloaded),
        (500, body(server, "server_error", ""), Outcome::Overloaded),
        (502, html.into(), Outcome::Overloaded),
        (502, r#"{"error":{"code":502,"message":"Bad gateway.","param":null,"type":"cf_bad_gateway"}}"#.into(), Outcome::Overloaded),
        (503, body("The engine is currently overloaded, please try again later", "service_unavailable_error", "server_is_overloaded"), Outcome::Overloaded),
        (520, "<html>api.openai.com | 520</html>".into(), Outcome::Overloaded),
        (302, "".into(), Outcome::BadRequest),
    ];
    for (status, body, outcome) in cases {
        let verdict = judge(status, &HeaderMap::new(), body.as_bytes());
        assert_eq!(verdict.outcome, outcome, "{status} {body}");
    }
}

#[test]
fn the_wait_is_read_from_headers_and_else_from_the_message() {
    let message = "Rate limit reached for gpt-4 in organization org-abcdefgh12 on tokens per min (TPM): Limit 10000, Used \
                   8554, Requested 3082. Please try again in 9.816s. Visit x to learn more.";
    let json = body(message, "tokens", "rate_limit_exceeded");
    let verdict = judge(429, &HeaderMap::new(), json.as_bytes());
    assert_eq!(verdict.wait, Some(Duration::from_millis(9816)));
    let mut headers = HeaderMap::new();
    headers.insert(
        HeaderName::from_static("retry-after-ms"),
        HeaderValue::from_static("120"),
    );
    let verdict = judge(429, &headers, json.as_bytes());
    assert_eq!(verdict.wait, Some(Duration::from_millis(120)));
}

#[test]
fn a_429_names_the_limit_that_was_hit() {
    let hit =
        |message: &str| judge(429, &HeaderMap::new(), body(message, "", "").as_bytes()).limit_hit;
    let expected = |tokens, window, limit| {
        Some(LimitHit {
            tokens,
            window,
            limit,
        })
    };
    for (message, hit_expected) in [
        (
            "Rate limit reached for m in organization o on tokens per min (TPM): Limit 30000, Used 1, Requested 2.",
            expected(true, Window::Minute, 30_000.0),
        ),
        (
            "Rate limit reached for m on requests per min (RPM): Limit 3, Used 3, Requested 1. Please",
            expected(false, Window::Minute, 3.0),
        ),
        (
            "Rate limit reached for m on requests per day (RPD): Limit 200, Used 200, Requested 1.",
            expected(false, Window::Day, 200.0),
        ),
        (
            "Rate limit reached for 10KTPM-200RPM in organization o on tokens per min. Limit: 10000 / min. Please",
            expected(true, Window::Minute, 10_000.0),
        ),
        (
            "Request too large for gpt-4o in organization o on tokens per min (TPM): Limit 30000, Requested 39143.",
            expected(true, Window::Minute, 30_000.0),
        ),
        ("Slow down", None),
        (
            "Rate limit reached for m on tokens per min (TPM): Limit 1,000,000, Used 3, Requested 1.",
            None,
        ),
        ("stop on tokens: Limit zero", None),
    ] {
        assert_eq!(hit(message), hit_expected, "{message}");
    }
}

#[test]
fn an_error_object_is_read_as_liberally_as_it_is_written_and_redacted() {
    let error = |text: &str| judge(400, &HeaderMap::new(), text.as_bytes()).error;
    let message = |text: &str| error(text).map(|e| e.message);
    assert_eq!(message(r#"{"error":"plain"}"#).as_deref(), Some("plain"));
    assert_eq!(
        message(r#"{"error":{"message":{"a":1}}}"#).as_deref(),
        Some(r#"{"a":1}"#)
    );
    assert_eq!(
        message(r#"{"message":"top level","code":7}"#).as_deref(),
        Some("top level")
    );
    assert_eq!(
        error(r#"{"error":{"code":502,"message":"m"}}"#)
            .unwrap()
            .code
            .as_deref(),
        Some("502")
    );
    assert_eq!(
        message(r#"{"error":{"message":"Incorrect API key provided: sk-abcdefghijkl."}}"#)
            .as_deref(),
        Some("Incorrect API key provided: sk-….")
    );
    for nothing in [
        "",
        "<html>",
        "[]",
        "{}",
        "3",
        r#"{"error":{}}"#,
        r#"{"error":null}"#,
    ] {
        assert_eq!(error(nothing), None, "{nothing}");
    }
}

#[test]
fn the_servers_own_word_on_retrying_goes_first() {
    let with = |value| {
        let mut headers = HeaderMap::new();
        headers.insert(
            HeaderName::from_static("x-should-retry"),
            HeaderValue::from_static(value),
        );
        judge(400, &headers, b"")
    };
    assert_eq!(with("true").outcome, Outcome::Overloaded);
    assert_eq!(with("false").outcome, Outcome::BadRequest);
    assert_eq!(with("false").should_retry, Some(false));
}
