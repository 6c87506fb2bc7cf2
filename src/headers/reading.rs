//! All the rate-limit headers of a response, in whatever dialect, as one reading.

use http::HeaderMap;

use super::{
    dialects::{Dialect, PROJECT_TOKENS, REQUESTS, StatedWindow, TOKENS},
    meter::{Meter, Window},
    reset::reset,
    value::{number, text},
};

const MINUTE_S: f64 = 60.0;
const DAY_S: f64 = 86_400.0;

/// What a response's rate-limit headers say about its lane.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Reading {
    /// The limit on requests.
    pub requests: Meter,
    /// The limit on tokens; where the project has one of its own, the one of the two that runs out first.
    pub tokens: Meter,
}

impl Reading {
    /// Reads the headers of any server; what they do not say stays unknown.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        Reading {
            requests: first_known(headers, &REQUESTS),
            tokens: first_known(headers, &TOKENS).tighter(meter(headers, &PROJECT_TOKENS)),
        }
    }
}

fn first_known(headers: &HeaderMap, dialects: &[Dialect]) -> Meter {
    dialects
        .iter()
        .map(|dialect| meter(headers, dialect))
        .find(Meter::is_known)
        .unwrap_or_default()
}

fn meter(headers: &HeaderMap, dialect: &Dialect) -> Meter {
    if let Some(mark) = &dialect.only_with
        && !headers.contains_key(mark)
    {
        return Meter::default();
    }
    let told_reset = dialect.reset.as_ref().and_then(|name| text(headers, name));
    let told_limit = number(headers, &dialect.limit);
    let limit = told_limit.filter(|limit| *limit > 0.0);
    let remaining = dialect
        .remaining
        .as_ref()
        .and_then(|name| number(headers, name))
        // Nothing left of nothing is how a server says that it does not count, never a closed account.
        .filter(|left| *left > 0.0 || told_limit != Some(0.0))
        // A request was just charged, so a full bucket means that this header does not count. xAI answers so, always without
        // a reset; with one, OpenAI's is full where the charge is below one unit or comes later.
        .filter(|left| told_reset.is_some() || limit.is_none_or(|limit| *left < limit))
        // More than the limit is left for a while after a limit was lowered: the bucket is full.
        .map(|left| limit.map_or(left, |limit| left.min(limit)));
    let window_s = match &dialect.window {
        StatedWindow::Unsaid => None,
        StatedWindow::Header(name) => number(headers, name).filter(|seconds| *seconds >= 1.0),
        StatedWindow::Seconds(seconds) => Some(*seconds),
    };
    let meter = Meter {
        limit,
        remaining,
        reset: told_reset.and_then(|text| reset(text, limit, remaining, window_s)),
        stated_window: None,
    };
    if meter.is_known() {
        in_window(meter, window_s)
    } else {
        Meter::default()
    }
}

/// States the window, if the server did. Over less than a minute, the limit becomes a minute's; a window that is neither that
/// nor a day makes the meter unknown, since what it counts is no bucket of ours.
fn in_window(meter: Meter, window_s: Option<f64>) -> Meter {
    let Some(window_s) = window_s else {
        return meter;
    };
    if window_s <= MINUTE_S {
        Meter {
            limit: meter
                .limit
                .map(|limit| limit * (MINUTE_S / window_s))
                .filter(|limit| limit.is_finite()),
            stated_window: Some(Window::Minute),
            ..meter
        }
    } else if window_s == DAY_S {
        Meter {
            stated_window: Some(Window::Day),
            ..meter
        }
    } else {
        Meter::default()
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;
    use crate::headers::{Identity, RetryHint};

    #[test]
    fn no_value_however_odd_breaks_the_reading() {
        let names = [
            "x-ratelimit-limit-requests",
            "x-ratelimit-remaining-requests",
            "x-ratelimit-reset-requests",
            "x-ratelimit-renewalperiod-requests",
            "x-ratelimit-limit-req-10-second",
            "x-tokenlimit-limit",
            "x-tokenlimit-remaining",
            "retry-after",
            "retry-after-ms",
            "date",
            "x-should-retry",
            "openai-organization",
        ];
        let values: [&[u8]; 18] = [
            b"",
            b" ",
            b"-1",
            b"0",
            b"1",
            b"1e308",
            b"1e-308",
            b"1e999",
            b"inf",
            b"nan",
            b"0x10",
            b"1,000",
            b"\xff\xfe\x80",
            b"\xc2",
            b"\xc2\xb5s",
            b"1\xc2\xb5",
            b"99999999999999999999h",
            b"Mon, 23 Nov 2026 12:00:00 GMT",
        ];
        // Every pair of values: the one for the first names, the other for the rest, wherever the cut is.
        for one in values {
            for other in values {
                for split in 0..names.len() {
                    let map: HeaderMap = names
                        .iter()
                        .enumerate()
                        .map(|(at, name)| {
                            let value = if at < split { one } else { other };
                            (
                                HeaderName::from_static(name),
                                HeaderValue::from_bytes(value).unwrap(),
                            )
                        })
                        .collect();
                    let reading = Reading::from_headers(&map);
                    for meter in [reading.requests, reading.tokens] {
                        meter.window();
                        assert!(
                            meter
                                .limit
                                .is_none_or(|limit| limit.is_finite() && limit > 0.0)
                        );
                        assert!(
                            meter
                                .remaining
                                .is_none_or(|left| left.is_finite() && left >= 0.0)
                        );
                    }
                    RetryHint::from_headers(&map);
                    Identity::from_headers(&map);
                }
            }
        }
    }
}
