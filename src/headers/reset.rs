//! The reset header: a Go duration, or a bare number whose unit has to be found out.
//!
//! Azure answers with bare numbers. Recorded: 1 of 120 requests used and reset `500`, which are milliseconds; on another kind
//! of endpoint 1 of 50 used and reset `1`, which are whole seconds. Nothing says which, but a bucket that refills
//! continuously is full again after `(limit - remaining) × window / limit`, and the two units lie 1,000-fold apart: at most
//! one of them agrees.

use std::{ops::RangeInclusive, time::Duration};

use super::{duration::go_duration, value::parse_number};

/// How far a measured time may lie from the computed one: the request's own way, and quotas counted in slices.
const TOLERANCE: f64 = 0.1;

/// The window assumed where none is stated.
const MINUTE_S: f64 = 60.0;

/// Reads a reset header of a limit with what is left of it. The window is in seconds.
///
/// A bare number that agrees with neither unit, or that cannot be checked, is unknown.
pub(super) fn reset(
    text: &str,
    limit: Option<f64>,
    remaining: Option<f64>,
    window_s: Option<f64>,
) -> Option<Duration> {
    if let Some(duration) = go_duration(text) {
        return Some(duration);
    }
    let value = parse_number(text)?;
    let expected_s = seconds_until_full(limit?, remaining?, window_s.unwrap_or(MINUTE_S));
    [1.0, 1e-3]
        .into_iter()
        .find(|unit_s| agrees(value, *unit_s, &expected_s))
        .and_then(|unit_s| Duration::try_from_secs_f64(value * unit_s).ok())
}

/// The least and the longest time in which the bucket fills.
fn seconds_until_full(limit: f64, remaining: f64, window_s: f64) -> RangeInclusive<f64> {
    let missing = (limit - remaining).max(0.0);
    // `remaining` is a whole number cut off below, so up to one unit less is missing; but a request that has just been charged
    // takes at least one.
    let surely_missing = (missing - 1.0).max(missing.min(1.0));
    let seconds = |missing: f64| missing * window_s / limit;
    seconds(surely_missing) * (1.0 - TOLERANCE)..=seconds(missing) * (1.0 + TOLERANCE)
}

/// Whether the value, rounded or cut off to whole units, can be such a time.
fn agrees(value: f64, unit_s: f64, expected_s: &RangeInclusive<f64>) -> bool {
    value > expected_s.start() / unit_s - 1.0 && value <= expected_s.end() / unit_s + 0.5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_of_a_bare_number_is_the_one_that_agrees_with_the_refill() {
        for (limit, remaining, text, expected_ms) in [
            // Recorded on *.openai.azure.com: milliseconds.
            (120.0, 119.0, "500", Some(500)),
            (120_000.0, 119_986.0, "7", Some(7)),
            // Recorded on *.services.ai.azure.com: whole seconds, cut off from 1.2.
            (50.0, 49.0, "1", Some(1_000)),
            // The window is empty, and full again after all of it.
            (120.0, 0.0, "60", Some(60_000)),
            (120.0, 0.0, "60000", Some(60_000)),
            // 0.06 seconds in whole ones.
            (1_000.0, 999.0, "0", Some(0)),
            // 1.7 milliseconds in whole ones.
            (250_000.0, 249_993.0, "1", Some(1)),
            (120.0, 120.0, "0", Some(0)),
        ] {
            assert_eq!(
                reset(text, Some(limit), Some(remaining), Some(60.0)),
                expected_ms.map(Duration::from_millis),
                "{limit} {remaining} {text}"
            );
        }
    }

    #[test]
    fn a_bare_number_that_cannot_be_checked_or_agrees_with_nothing_is_unknown() {
        for (limit, remaining, text) in [
            (None, Some(12.0), "7"),
            (Some(120.0), None, "7"),
            (None, None, "0"),
            // An empty bucket is not full at once.
            (Some(5_000.0), Some(0.0), "0"),
            (Some(120.0), Some(119.0), "7"),
            (Some(120.0), Some(120.0), "60"),
            // A moment, as other servers send it: milliseconds since 1970.
            (Some(50.0), Some(0.0), "1788220800000"),
            (Some(120.0), Some(119.0), "-500"),
            (Some(120.0), Some(119.0), "1e308"),
            (Some(120.0), Some(119.0), "soon"),
        ] {
            assert_eq!(
                reset(text, limit, remaining, Some(60.0)),
                None,
                "{limit:?} {remaining:?} {text}"
            );
        }
    }

    #[test]
    fn the_stated_window_is_used_and_a_minute_where_none_is() {
        let ten_of_ten = |text, window_s| reset(text, Some(10.0), Some(0.0), window_s);
        assert_eq!(ten_of_ten("10", Some(10.0)), Some(Duration::from_secs(10)));
        assert_eq!(ten_of_ten("60", None), Some(Duration::from_secs(60)));
        assert_eq!(ten_of_ten("10", None), None);
    }

    #[test]
    fn both_units_never_agree_except_on_zero() {
        for limit in [1.0, 3.0, 50.0, 120.0, 5_000.0, 120_000.0, 30_000_000.0] {
            for used in [0.0, 1.0, 2.0, 3.0, 14.0, limit / 2.0, limit] {
                let expected_s = seconds_until_full(limit, (limit - used).max(0.0), 60.0);
                for value in (1..=70).chain([100, 500, 999, 1_000, 20_000, 60_000]) {
                    let value = f64::from(value);
                    assert!(
                        !(agrees(value, 1.0, &expected_s) && agrees(value, 1e-3, &expected_s)),
                        "{limit} {used} {value}"
                    );
                }
            }
        }
    }
}
