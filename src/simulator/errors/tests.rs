//! Tests of the texts of errors.

use serde_json::{Value, json};

use super::api_error::masked;
use super::{ApiError, NAMES, Subject, gateway_page, name_for_status};
use crate::simulator::limits::{Metric, Readings, Refusal};

const SUBJECT: Subject<'_> = Subject {
    organization: "org-abc",
    project: "proj_abc",
    model: "gpt-4.1",
    api_key: "sk-proj-0123456789abcdef",
    request_id: "req_1",
};

fn parsed(error: &ApiError) -> Value {
    serde_json::from_slice(&error.body()).unwrap()
}

fn message(error: &ApiError) -> String {
    parsed(error)["error"]["message"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn a_limit_reached_reads_as_openai_writes_it() {
    let refusal = Refusal {
        metric: Metric::TokensPerMinute,
        limit: 30_000,
        used: 22_343,
        requested: 10_955,
        wait_ms: Some(6_596.0),
        readings: Readings::default(),
    };
    assert_eq!(
        parsed(&ApiError::rate_limited(&refusal, &SUBJECT)),
        json!({"error": {
            "message": "Rate limit reached for gpt-4.1 in organization org-abc on tokens per min (TPM): Limit 30000, \
                        Used 22343, Requested 10955. Please try again in 6.596s. \
                        Visit https://platform.openai.com/account/rate-limits to learn more.",
            "type": "tokens", "param": null, "code": "rate_limit_exceeded"}})
    );
    let never = Refusal {
        requested: 39_143,
        wait_ms: None,
        ..refusal
    };
    let error = ApiError::rate_limited(&never, &SUBJECT);
    assert!(message(&error).starts_with(
        "Request too large for gpt-4.1 in organization org-abc on tokens per min (TPM): \
         Limit 30000, Requested 39143. The input or output tokens must be reduced"
    ));
    let daily = Refusal {
        metric: Metric::RequestsPerDay,
        ..refusal
    };
    let error = ApiError::rate_limited(&daily, &SUBJECT);
    assert_eq!(parsed(&error)["error"]["type"], "requests");
    assert!(message(&error).contains("on requests per day (RPD): "));
}

#[test]
fn a_key_is_shown_masked() {
    assert_eq!(masked("sk-proj-0123456789abcdef"), "sk-proj-********cdef");
    assert_eq!(masked("short"), "*****");
    assert_eq!(masked("ключ-из-букв-не-ascii"), "ключ-из-********scii");
}

#[test]
fn every_name_is_an_error_and_every_status_has_one_of_its_own_status_or_kind() {
    for name in NAMES {
        let error = ApiError::named(name, &SUBJECT).unwrap();
        assert!(parsed(&error)["error"]["message"].is_string());
    }
    for status in [400, 401, 403, 404, 408, 409, 429, 500, 503] {
        let name = name_for_status(status);
        assert_eq!(ApiError::named(name, &SUBJECT).unwrap().status, status);
    }
    assert_eq!(ApiError::named("nonsense", &SUBJECT), None);
}

#[test]
fn gateways_answer_in_html() {
    assert!(
        gateway_page(502)
            .unwrap()
            .contains("<h1>502 Bad Gateway</h1>")
    );
    assert!(gateway_page(520).unwrap().contains("520: "));
    assert_eq!(gateway_page(500), None);
}
