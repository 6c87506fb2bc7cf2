//! Requests with a long prompt, which OpenAI counts against limits of their own.

/// Model families and the number of input tokens above which their requests have separate limits (OpenAI's rate-limit guide,
/// mirrored 2026-07-15).
const SEPARATE_LIMITS: [(&str, u64); 3] = [
    ("gpt-4.1", 128_000),
    ("gpt-5.4", 272_000),
    ("gpt-5.5", 272_000),
];

/// The number of input tokens above which a request to `model` has limits of its own; `None` where it never has.
pub fn separate_limits_above(model: &str) -> Option<u64> {
    let of_family = |family: &str| {
        model
            .strip_prefix(family)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    SEPARATE_LIMITS
        .into_iter()
        .find_map(|(family, above)| of_family(family).then_some(above))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_some_families_have_separate_limits() {
        for (model, above) in [
            ("gpt-4.1", Some(128_000)),
            ("gpt-4.1-mini-2025-04-14", Some(128_000)),
            ("gpt-5.4-nano", Some(272_000)),
            ("gpt-5.5", Some(272_000)),
            ("gpt-5", None),
            ("gpt-5.45", None),
            ("gpt-4o", None),
        ] {
            assert_eq!(separate_limits_above(model), above, "{model}");
        }
    }
}
