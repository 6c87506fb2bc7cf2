//! Durations as Go prints them, in reset headers and in the texts of 429s.

use std::time::Duration;

/// Units with their length in seconds; the longer name first, since "ms" begins like "m".
const UNITS: [(&str, f64); 7] = [
    ("ms", 1e-3),
    ("us", 1e-6),
    ("µs", 1e-6),
    ("ns", 1e-9),
    ("h", 3600.0),
    ("m", 60.0),
    ("s", 1.0),
];

/// Reads a duration as Go prints it: `1h2m3.5s`, `6m0s`, `20ms`, `8.64s`. A bare number is none.
pub fn go_duration(text: &str) -> Option<Duration> {
    if text.is_empty() {
        return None;
    }
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let number: f64 = number.parse().ok()?;
        let (unit, scale) = UNITS.into_iter().find(|(unit, _)| tail.starts_with(unit))?;
        seconds += number * scale;
        rest = &tail[unit.len()..];
    }
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        for text in [
            "", "5", "s", ".s", "1.2.3s", "-1s", "1x", "1s2", "1 s", "∞", "1e400h",
        ] {
            assert_eq!(go_duration(text), None, "{text}");
        }
        // More hours than a Duration holds.
        assert_eq!(go_duration(&format!("{}h", "9".repeat(400))), None);
        assert_eq!(go_duration(&format!("{}h", "9".repeat(30))), None);
    }
}
