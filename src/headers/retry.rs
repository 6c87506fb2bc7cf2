//! What the server says about trying again.

use std::time::Duration;

use http::HeaderMap;

use super::value::{number, text};

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
        let after = wait(headers, "retry-after-ms", 1e-3)
            .or_else(|| wait(headers, "retry-after", 1.0))
            .or_else(|| until_date(headers));
        RetryHint {
            should_retry,
            after,
        }
    }
}

/// A wait as a number of units of so many seconds.
fn wait(headers: &HeaderMap, name: &str, unit_s: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(number(headers, name)? * unit_s).ok()
}

/// `retry-after` as a date, counted from the response's own `date`, so that no clock of ours comes in.
fn until_date(headers: &HeaderMap) -> Option<Duration> {
    let then = httpdate::parse_http_date(text(headers, "retry-after")?).ok()?;
    let now = httpdate::parse_http_date(text(headers, "date")?).ok()?;
    Some(then.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::tests::headers;

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
            after(&[("retry-after-ms", "1e300"), ("retry-after", "2")]),
            Some(2000)
        );
        assert_eq!(
            hint(&[("x-should-retry", "false")]).should_retry,
            Some(false)
        );
        assert_eq!(hint(&[("x-should-retry", "maybe")]).should_retry, None);
    }
}
