//! The headers of a response.

use hyper::HeaderMap;
use hyper::header::{self, HeaderName, HeaderValue};

use super::duration::{go_duration, whole_milliseconds};
use super::limits::{Reading, Readings};

const LIMIT_REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-limit-requests");
const LIMIT_TOKENS: HeaderName = HeaderName::from_static("x-ratelimit-limit-tokens");
const REMAINING_REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-remaining-requests");
const REMAINING_TOKENS: HeaderName = HeaderName::from_static("x-ratelimit-remaining-tokens");
const RESET_REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-reset-requests");
const RESET_TOKENS: HeaderName = HeaderName::from_static("x-ratelimit-reset-tokens");
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const ORGANIZATION: HeaderName = HeaderName::from_static("openai-organization");
const PROJECT: HeaderName = HeaderName::from_static("openai-project");
const PROCESSING_MS: HeaderName = HeaderName::from_static("openai-processing-ms");

/// Headers that recorded responses carry with the same value.
const CONSTANT: [(HeaderName, HeaderValue); 6] = [
    (
        HeaderName::from_static("openai-version"),
        HeaderValue::from_static("2020-10-01"),
    ),
    (
        HeaderName::from_static("access-control-expose-headers"),
        HeaderValue::from_static("X-Request-ID"),
    ),
    (
        HeaderName::from_static("x-openai-proxy-wasm"),
        HeaderValue::from_static("v0.1"),
    ),
    (
        HeaderName::from_static("cf-cache-status"),
        HeaderValue::from_static("DYNAMIC"),
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (header::SERVER, HeaderValue::from_static("cloudflare")),
];

/// Room for all headers of one response, so that the map is allocated once.
const CAPACITY: usize = 24;

/// The headers of every response.
pub(super) fn usual(request_id: &str, content_type: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(CAPACITY);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, id);
    }
    for (name, value) in CONSTANT {
        headers.insert(name, value);
    }
    headers
}

/// Whose request it was; only where the key is known.
pub(super) fn owner(headers: &mut HeaderMap, organization: &HeaderValue, project: &HeaderValue) {
    headers.insert(ORGANIZATION, organization.clone());
    headers.insert(PROJECT, project.clone());
}

/// How long the server worked on it.
pub(super) fn processing(headers: &mut HeaderMap, milliseconds: f64) {
    headers.insert(PROCESSING_MS, whole_milliseconds(milliseconds).into());
}

/// The `x-ratelimit-*` headers.
pub(super) fn rate_limits(headers: &mut HeaderMap, readings: &Readings) {
    if let Some(Reading {
        limit,
        remaining,
        reset_ms,
    }) = readings.requests
    {
        headers.insert(LIMIT_REQUESTS, limit.into());
        headers.insert(REMAINING_REQUESTS, remaining.into());
        insert_text(headers, RESET_REQUESTS, &go_duration(reset_ms));
    }
    if let Some(Reading {
        limit,
        remaining,
        reset_ms,
    }) = readings.tokens
    {
        headers.insert(LIMIT_TOKENS, limit.into());
        headers.insert(REMAINING_TOKENS, remaining.into());
        insert_text(headers, RESET_TOKENS, &go_duration(reset_ms));
    }
}

/// When to come back: `retry-after-ms` as the message says it, `retry-after` in seconds, rounded up. Recorded together
/// as 494 and 1.
pub(super) fn retry_after(headers: &mut HeaderMap, wait_ms: f64) {
    let milliseconds = whole_milliseconds(wait_ms);
    headers.insert(RETRY_AFTER_MS, milliseconds.into());
    headers.insert(header::RETRY_AFTER, milliseconds.div_ceil(1000).into());
}

fn insert_text(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_told_in_openai_s_form_and_left_out_where_there_are_none() {
        let mut headers = HeaderMap::new();
        let readings = Readings {
            requests: Some(Reading {
                limit: 10_000,
                remaining: 9_999,
                reset_ms: 8_640.0,
            }),
            tokens: None,
        };
        rate_limits(&mut headers, &readings);
        assert_eq!(headers[LIMIT_REQUESTS], "10000");
        assert_eq!(headers[REMAINING_REQUESTS], "9999");
        assert_eq!(headers[RESET_REQUESTS], "8.64s");
        assert!(!headers.contains_key(LIMIT_TOKENS));
    }

    #[test]
    fn the_wait_is_told_in_whole_milliseconds_and_in_seconds_rounded_up() {
        for (wait, milliseconds, seconds) in [
            (494.018, "494", "1"),
            (20_000.0, "20000", "20"),
            (20_000.5, "20000", "20"),
            (20_001.0, "20001", "21"),
            (0.3, "0", "0"),
        ] {
            let mut headers = HeaderMap::new();
            retry_after(&mut headers, wait);
            assert_eq!(headers[RETRY_AFTER_MS], milliseconds);
            assert_eq!(headers[header::RETRY_AFTER], seconds);
        }
    }
}
