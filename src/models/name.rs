//! The parts of a model's name.

/// The name without its date: `gpt-4o-2024-08-06` → `gpt-4o`, `gpt-3.5-turbo-0125` → `gpt-3.5-turbo`.
///
/// Dated snapshots share the rate limits of their undated name, so this is also the default model group. A name
/// without a date at its end is returned as it is, and so is a fine-tuned one (`ft:…`), which has limits of its own.
pub fn without_date(name: &str) -> &str {
    if is_fine_tuned(name) {
        return name;
    }
    let base = strip_suffix(name, 11, is_full_date).or_else(|| strip_suffix(name, 5, is_month_day));
    base.unwrap_or(name)
}

/// Whether this names a fine-tuned model.
pub(super) fn is_fine_tuned(name: &str) -> bool {
    name.starts_with("ft:")
}

/// The model that `ft:BASE:…` was tuned from; `None` for other names.
pub(super) fn fine_tuned_base(name: &str) -> Option<&str> {
    name.strip_prefix("ft:")?.split(':').next()
}

fn strip_suffix(name: &str, len: usize, is_date: fn(&[u8]) -> bool) -> Option<&str> {
    let (base, suffix) = name.split_at_checked(name.len().checked_sub(len)?)?;
    (!base.is_empty() && is_date(suffix.as_bytes())).then_some(base)
}

/// `-YYYY-MM-DD`
fn is_full_date(suffix: &[u8]) -> bool {
    match suffix {
        [b'-', y1, y2, y3, y4, rest @ ..] => {
            [y1, y2, y3, y4].iter().all(|y| y.is_ascii_digit())
                && matches!(rest, [b'-', m1, m2, b'-', d1, d2] if is_day([*m1, *m2], [*d1, *d2]))
        }
        _ => false,
    }
}

/// `-MMDD`. Holding it to real days keeps names such as `my-model-2024` whole.
fn is_month_day(suffix: &[u8]) -> bool {
    matches!(suffix, [b'-', m1, m2, d1, d2] if is_day([*m1, *m2], [*d1, *d2]))
}

fn is_day(month: [u8; 2], day: [u8; 2]) -> bool {
    let digits = month.iter().chain(&day).all(u8::is_ascii_digit);
    // Digits of equal length compare as numbers do.
    digits && (*b"01"..=*b"12").contains(&month) && (*b"01"..=*b"31").contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_date_at_the_end_is_taken_off() {
        for (name, expected) in [
            ("gpt-4o-2024-08-06", "gpt-4o"),
            (
                "gpt-4o-mini-search-preview-2025-03-11",
                "gpt-4o-mini-search-preview",
            ),
            ("gpt-3.5-turbo-0125", "gpt-3.5-turbo"),
            ("gpt-3.5-turbo-16k-0613", "gpt-3.5-turbo-16k"),
            ("gpt-4-0125-preview", "gpt-4-0125-preview"),
            ("gpt-6.2-sol", "gpt-6.2-sol"),
            ("text-embedding-ada-002", "text-embedding-ada-002"),
            ("my-model-2024", "my-model-2024"),
            ("my-model-0932", "my-model-0932"),
            ("my-model-2024-13-01", "my-model-2024-13-01"),
            ("ft:gpt-4o-2024-08-06", "ft:gpt-4o-2024-08-06"),
            (
                "ft:gpt-4o-2024-08-06:org::id-0125",
                "ft:gpt-4o-2024-08-06:org::id-0125",
            ),
            ("-0125", "-0125"),
            ("-2024-08-06", "-2024-08-06"),
            ("モデル-0125", "モデル"),
            ("モデル", "モデル"),
            ("", ""),
        ] {
            assert_eq!(without_date(name), expected);
        }
    }
}
