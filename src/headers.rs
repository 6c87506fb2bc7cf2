//! What response headers say: limits, what is left, when to come back. Pure.
//!
//! A missing, negative or unreadable value is *unknown*, never zero: servers send `-1`, empty values and formats of their own.

use std::time::Duration;

use http::HeaderMap;

/// What a response's rate-limit headers say about its lane.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Reading {
    /// `x-ratelimit-*-requests`.
    pub requests: Meter,
    /// `x-ratelimit-*-tokens`.
    pub tokens: Meter,
}

/// One limit as the headers give it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Meter {
    /// What the window holds.
    pub limit: Option<f64>,
    /// What was left after this request was charged.
    pub remaining: Option<f64>,
    /// The time until the bucket is full again (not the time to wait for the next request).
    pub reset: Option<Duration>,
}

/// The window that a limit counts over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// Sixty seconds.
    Minute,
    /// 24 hours.
    Day,
}

impl Meter {
    /// Which window this limit counts over: the headers never say, but `reset = (limit - remaining) × window / limit`
    /// does. A full bucket tells nothing and is taken to be per minute.
    pub fn window(&self) -> Window {
        let (Some(limit), Some(remaining), Some(reset)) = (self.limit, self.remaining, self.reset)
        else {
            return Window::Minute;
        };
        let missing = limit - remaining;
        // The two windows lie 1,440-fold apart, so their geometric mean (38 minutes) tells them apart in spite of the
        // header's truncation to milliseconds and the time that passed since the last request.
        if missing > 0.0 && reset.as_secs_f64() * limit / missing > 2_280.0 {
            Window::Day
        } else {
            Window::Minute
        }
    }
}

impl Reading {
    /// Reads OpenAI's headers.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        Reading {
            requests: meter(
                headers,
                "x-ratelimit-limit-requests",
                "x-ratelimit-remaining-requests",
                "x-ratelimit-reset-requests",
            ),
            tokens: meter(
                headers,
                "x-ratelimit-limit-tokens",
                "x-ratelimit-remaining-tokens",
                "x-ratelimit-reset-tokens",
            ),
        }
    }
}

fn meter(headers: &HeaderMap, limit: &str, remaining: &str, reset: &str) -> Meter {
    Meter {
        limit: number(headers, limit).filter(|limit| *limit > 0.0),
        remaining: number(headers, remaining),
        reset: text(headers, reset).and_then(go_duration),
    }
}

/// What the server says about trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RetryHint {
    /// `x-should-retry`.
    pub should_retry: Option<bool>,
    /// `retry-after-ms`, else `retry-after` in seconds or as a date.
    pub after: Option<Duration>,
}

impl RetryHint {
    /// Reads the headers in the order in which OpenAI's own clients do.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let should_retry = match text(headers, "x-should-retry") {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => None,
        };
        let after = number(headers, "retry-after-ms")
            .map(|ms| ms / 1000.0)
            .or_else(|| number(headers, "retry-after"))
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .or_else(|| until_date(headers));
        RetryHint {
            should_retry,
            after,
        }
    }
}

/// `retry-after` as a date, counted from the response's own `date`, so that no clock of ours comes in.
fn until_date(headers: &HeaderMap) -> Option<Duration> {
    let then = httpdate::parse_http_date(text(headers, "retry-after")?).ok()?;
    let now = httpdate::parse_http_date(text(headers, "date")?).ok()?;
    Some(then.duration_since(now).unwrap_or_default())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    Some(headers.get(name)?.to_str().ok()?.trim())
}

/// A finite number from zero up.
fn number(headers: &HeaderMap, name: &str) -> Option<f64> {
    let number: f64 = text(headers, name)?.parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number)
}

/// Reads a duration as Go prints it: `1h2m3.5s`, `6m0s`, `20ms`, `8.64s`.
pub fn go_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let number: f64 = number.parse().ok()?;
        // The longest unit first: "ms" begins like "m".
        let (unit, scale) = [
            ("ms", 1e-3),
            ("us", 1e-6),
            ("µs", 1e-6),
            ("ns", 1e-9),
            ("h", 3600.0),
            ("m", 60.0),
            ("s", 1.0),
        ]
        .into_iter()
        .find(|(unit, _)| tail.starts_with(unit))?;
        seconds += number * scale;
        rest = &tail[unit.len()..];
    }
    (!text.is_empty())
        .then(|| Duration::try_from_secs_f64(seconds).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn durations_are_read_as_go_prints_them() {
        for (text, ms) in [
            ("1s", 1000.0),
            ("6m0s", 360_000.0),
            ("20ms", 20.0),
            ("8.64s", 8640.0),
            ("16.601s", 16_601.0),
            ("59.369s", 59_369.0),
            ("20m52.666s", 1_252_666.0),
            ("1m0.052s", 60_052.0),
            ("17.399999999s", 17_399.999_999),
            ("0s", 0.0),
            ("1h2m3.5s", 3_723_500.0),
            ("2m59.56s", 179_560.0),
            ("7m12s", 432_000.0),
            ("28m48s", 1_728_000.0),
            ("250µs", 0.25),
        ] {
            let read = go_duration(text).unwrap().as_secs_f64() * 1000.0;
            assert!((read - ms).abs() < 1e-5, "{text}: {read}");
        }
    }

    #[test]
    fn anything_else_is_no_duration() {
        for text in ["", "5", "s", "1.2.3s", "-1s", "1x", "1s2", "∞", "1e400h"] {
            assert_eq!(go_duration(text), None, "{text}");
        }
    }

    #[test]
    fn missing_negative_and_unreadable_values_are_unknown() {
        let reading = Reading::from_headers(&headers(&[
            ("x-ratelimit-limit-requests", "-1"),
            ("x-ratelimit-remaining-requests", "NaN"),
            ("x-ratelimit-limit-tokens", "0"),
            ("x-ratelimit-remaining-tokens", "12"),
            ("x-ratelimit-reset-tokens", "7"),
        ]));
        assert_eq!(reading.requests, Meter::default());
        assert_eq!(
            reading.tokens,
            Meter {
                limit: None,
                remaining: Some(12.0),
                reset: None
            }
        );
    }

    #[test]
    fn the_reset_header_tells_a_day_from_a_minute() {
        for (limit, remaining, reset, window) in [
            (500.0, 499.0, "120ms", Window::Minute),
            (10_000.0, 9_999.0, "8.64s", Window::Day),
            (10_000.0, 9_993.0, "59.369s", Window::Day),
            (200.0, 197.0, "20m52.666s", Window::Day),
            (30_000.0, 0.0, "1m0.052s", Window::Minute),
            (30_000.0, 29_999.0, "2ms", Window::Minute),
            (30_000.0, 30_000.0, "0s", Window::Minute),
        ] {
            let meter = Meter {
                limit: Some(limit),
                remaining: Some(remaining),
                reset: go_duration(reset),
            };
            assert_eq!(meter.window(), window, "{limit} {remaining} {reset}");
        }
    }

    #[test]
    fn a_retry_hint_prefers_milliseconds_then_seconds_then_a_date() {
        let hint = |pairs| RetryHint::from_headers(&headers(pairs));
        let after = |pairs| hint(pairs).after.map(|d| d.as_millis());
        assert_eq!(
            after(&[("retry-after-ms", "494"), ("retry-after", "1")]),
            Some(494)
        );
        assert_eq!(
            after(&[("retry-after-ms", "0"), ("retry-after", "1")]),
            Some(0)
        );
        assert_eq!(
            after(&[("retry-after-ms", "x"), ("retry-after", "1.5")]),
            Some(1500)
        );
        assert_eq!(
            after(&[
                ("date", "Mon, 23 Nov 2026 12:00:00 GMT"),
                ("retry-after", "Mon, 23 Nov 2026 12:00:07 GMT")
            ]),
            Some(7000)
        );
        assert_eq!(after(&[("retry-after", "-3")]), None);
        assert_eq!(
            hint(&[("x-should-retry", "false")]).should_retry,
            Some(false)
        );
        assert_eq!(hint(&[("x-should-retry", "maybe")]).should_retry, None);
    }
}
