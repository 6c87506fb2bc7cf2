//! One header's value as text or as a number.

use http::{HeaderMap, header::AsHeaderName};

/// The trimmed value; unknown if it is not UTF-8. Not [`to_str`](http::HeaderValue::to_str), which knows only ASCII: Go
/// writes microseconds with a `µ`.
pub(super) fn text(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    let text = std::str::from_utf8(headers.get(name)?.as_bytes()).ok()?;
    Some(text.trim())
}

/// A number from zero up to [`MOST`].
pub(super) fn number(headers: &HeaderMap, name: impl AsHeaderName) -> Option<f64> {
    parse_number(text(headers, name)?)
}

/// No limit is larger than this; a larger number, or one that is so small that nothing would ever flow back, would make nonsense
/// of all that is reckoned with it.
const MOST: f64 = 1e15;
const LEAST: f64 = 1e-6;

/// A number from zero up to [`MOST`]; what is below [`LEAST`] is zero.
pub(super) fn parse_number(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    let is_sensible = (0.0..=MOST).contains(&number);
    is_sensible.then_some(if number < LEAST { 0.0 } else { number })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn text_is_utf_8_without_the_space_around_it() {
        for (value, expected) in [
            (&b" 8.64s "[..], Some("8.64s")),
            ("250µs".as_bytes(), Some("250µs")),
            (b"", Some("")),
            (b"250\xb5s", None),
        ] {
            let value = HeaderValue::from_bytes(value).unwrap();
            let headers = HeaderMap::from_iter([(http::header::AGE, value)]);
            assert_eq!(text(&headers, "age"), expected);
        }
        assert_eq!(text(&HeaderMap::new(), "age"), None);
    }

    #[test]
    fn a_number_is_neither_negative_nor_out_of_all_proportion() {
        for (text, expected) in [
            ("0", Some(0.0)),
            ("10000", Some(10_000.0)),
            ("33011.382867", Some(33_011.382_867)),
            ("1e300", None),
            ("1e-300", Some(0.0)),
            ("-1", None),
            ("", None),
            ("30,000", None),
            ("8.64s", None),
            ("NaN", None),
            ("inf", None),
            ("1e999", None),
        ] {
            assert_eq!(parse_number(text), expected, "{text}");
        }
    }
}
