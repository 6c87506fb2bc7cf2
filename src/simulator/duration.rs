//! Durations as OpenAI prints them: the form of Go's `time.Duration`, in whole milliseconds.

/// Slack for floating point: a span that is a hair below a whole millisecond counts as that millisecond.
const ROUNDING_MS: f64 = 1e-6;

/// Cuts a span down to whole milliseconds. Negative, infinite and undefined spans are 0.
///
/// OpenAI cuts and does not round: 494.018 ms was reported as 494 and 135.48 ms as 135.
pub(super) fn whole_milliseconds(span_ms: f64) -> u64 {
    // `as` saturates, and turns NaN into 0.
    (span_ms + ROUNDING_MS).floor() as u64
}

/// Prints a span in milliseconds: `0s`, `120ms`, `8.64s`, `6m0s`, `24h0m0s`.
///
/// As in Go, the unit of a span below a second is `ms`; from a second on, seconds carry a fraction without
/// trailing zeros, and minutes and hours appear as soon as they are needed.
pub(super) fn go_duration(span_ms: f64) -> String {
    let total = whole_milliseconds(span_ms);
    if total == 0 {
        return "0s".to_owned();
    }
    if total < 1000 {
        return format!("{total}ms");
    }
    let (seconds, fraction) = (total / 1000, total % 1000);
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let mut text = String::new();
    if hours > 0 {
        text.push_str(&format!("{hours}h"));
    }
    if seconds >= 60 {
        text.push_str(&format!("{minutes}m"));
    }
    text.push_str(&(seconds % 60).to_string());
    if fraction > 0 {
        let digits = format!(".{fraction:03}");
        text.push_str(digits.trim_end_matches('0'));
    }
    text.push('s');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_in_recorded_headers_and_messages() {
        for (milliseconds, text) in [
            (1_000.0, "1s"),
            (360_000.0, "6m0s"),
            (20.0, "20ms"),
            (8_640.0, "8.64s"),
            (16_601.0, "16.601s"),
            (59_369.0, "59.369s"),
            (1_252_666.0, "20m52.666s"),
            (60_052.0, "1m0.052s"),
            (0.0, "0s"),
            (3_723_500.0, "1h2m3.5s"),
            (179_560.0, "2m59.56s"),
            (432_000.0, "7m12s"),
            (1_728_000.0, "28m48s"),
            (86_400_000.0, "24h0m0s"),
        ] {
            assert_eq!(go_duration(milliseconds), text);
        }
    }

    #[test]
    fn fractions_of_a_millisecond_are_cut_and_not_rounded() {
        assert_eq!(go_duration(494.018), "494ms");
        assert_eq!(go_duration(0.999), "0s");
        assert_eq!(go_duration(1_999.9), "1.999s");
        assert_eq!(
            go_duration(8_639.999_999_9),
            "8.64s",
            "floating-point noise is not a fraction"
        );
    }

    #[test]
    fn impossible_spans_do_not_panic() {
        assert_eq!(go_duration(-1.0), "0s");
        assert_eq!(go_duration(f64::NAN), "0s");
        assert!(go_duration(f64::INFINITY).ends_with('s'));
    }
}
