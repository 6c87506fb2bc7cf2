//! What a response says it used: the `usage` object, of every endpoint, in one form.

use serde::Deserialize;

/// The tokens one response was billed for.
///
/// Deserializes from the `usage` object of chat completions, completions and embeddings (`prompt_tokens`, …) and from
/// that of the Responses API (`input_tokens`, …). A missing or null count is 0, a missing total is input + output.
/// Reasoning tokens and rejected prediction tokens are part of the output already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(from = "RawUsage")]
pub struct Usage {
    /// All tokens of the prompt, the cached and the cache-written ones included.
    pub input_tokens: u64,
    /// The part of the input that was read from the prompt cache. Never more than `input_tokens`.
    pub cached_input_tokens: u64,
    /// The part of the input that was newly written to the prompt cache. No token is both read from the cache and
    /// written to it, so this and `cached_input_tokens` together never exceed `input_tokens`.
    pub cache_write_tokens: u64,
    /// All generated tokens, visible or not. 0 for embeddings.
    pub output_tokens: u64,
    /// The total as the server states it, else input + output.
    pub total_tokens: u64,
}

/// Both spellings side by side: some compatible servers send both at once, which `serde(alias)` would refuse.
#[derive(Deserialize)]
struct RawUsage {
    #[serde(default)]
    prompt_tokens: Option<Count>,
    #[serde(default)]
    input_tokens: Option<Count>,
    #[serde(default)]
    completion_tokens: Option<Count>,
    #[serde(default)]
    output_tokens: Option<Count>,
    #[serde(default)]
    total_tokens: Option<Count>,
    #[serde(default)]
    prompt_tokens_details: Option<RawInputDetails>,
    #[serde(default)]
    input_tokens_details: Option<RawInputDetails>,
}

#[derive(Deserialize)]
struct RawInputDetails {
    #[serde(default)]
    cached_tokens: Option<Count>,
    #[serde(default)]
    cache_write_tokens: Option<Count>,
}

/// A count as some JSON number: compatible servers also write `12.0`. Exact up to 2^53.
#[derive(Clone, Copy, Deserialize)]
#[serde(transparent)]
struct Count(f64);

impl Count {
    fn get(self) -> u64 {
        // A float cast saturates, so a negative number counts as 0.
        self.0 as u64
    }
}

impl From<RawUsage> for Usage {
    fn from(raw: RawUsage) -> Self {
        let either = |a: Option<Count>, b: Option<Count>| a.or(b).map(Count::get);
        let input = either(raw.prompt_tokens, raw.input_tokens).unwrap_or(0);
        let output = either(raw.completion_tokens, raw.output_tokens).unwrap_or(0);
        let details = raw.prompt_tokens_details.or(raw.input_tokens_details);
        let detail = |of: fn(&RawInputDetails) -> Option<Count>| {
            details.as_ref().and_then(of).map_or(0, Count::get)
        };
        let cached = detail(|d| d.cached_tokens).min(input);
        let written = detail(|d| d.cache_write_tokens).min(input - cached);
        Self {
            input_tokens: input,
            cached_input_tokens: cached,
            cache_write_tokens: written,
            output_tokens: output,
            total_tokens: raw
                .total_tokens
                .map_or_else(|| input.saturating_add(output), Count::get),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(input: u64, cached: u64, written: u64, output: u64, total: u64) -> Usage {
        Usage {
            input_tokens: input,
            cached_input_tokens: cached,
            cache_write_tokens: written,
            output_tokens: output,
            total_tokens: total,
        }
    }

    #[test]
    fn every_form_of_the_usage_object_is_understood() {
        let cases = [
            // chat completions
            (
                r#"{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,
                    "prompt_tokens_details":{"cached_tokens":8,"audio_tokens":0,"cache_write_tokens":4},
                    "completion_tokens_details":{"reasoning_tokens":6}}"#,
                usage(19, 8, 4, 10, 29),
            ),
            // embeddings
            (
                r#"{"prompt_tokens":8,"total_tokens":8}"#,
                usage(8, 0, 0, 0, 8),
            ),
            // Responses
            (
                r#"{"input_tokens":36,"input_tokens_details":{"cached_tokens":32,
                    "cache_write_tokens_details":{"ttl_30m_tokens":1}},
                    "output_tokens":87,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":123}"#,
                usage(36, 32, 0, 87, 123),
            ),
            // both spellings at once
            (
                r#"{"prompt_tokens":5,"input_tokens":5,"completion_tokens":2,"output_tokens":2,"total_tokens":7}"#,
                usage(5, 0, 0, 2, 7),
            ),
            // missing and null
            ("{}", usage(0, 0, 0, 0, 0)),
            (
                r#"{"prompt_tokens":7,"completion_tokens":null,"total_tokens":null,"prompt_tokens_details":null}"#,
                usage(7, 0, 0, 0, 7),
            ),
            (
                r#"{"prompt_tokens":7,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":null}}"#,
                usage(7, 0, 0, 3, 10),
            ),
            // numbers that cannot be counts
            (
                r#"{"prompt_tokens":12.0,"completion_tokens":-1,"total_tokens":12}"#,
                usage(12, 0, 0, 0, 12),
            ),
        ];
        for (json, expected) in cases {
            assert_eq!(
                serde_json::from_str::<Usage>(json).unwrap(),
                expected,
                "{json}"
            );
        }
    }

    #[test]
    fn cached_and_written_tokens_never_exceed_the_input() {
        for (cached, written, expected) in [
            (50, 0, (10, 0)),
            (0, 50, (0, 10)),
            (6, 6, (6, 4)),
            (4, 6, (4, 6)),
        ] {
            let json = format!(
                r#"{{"prompt_tokens":10,"prompt_tokens_details":{{"cached_tokens":{cached},"cache_write_tokens":{written}}}}}"#
            );
            let usage: Usage = serde_json::from_str(&json).unwrap();
            assert_eq!(
                (usage.cached_input_tokens, usage.cache_write_tokens),
                expected
            );
        }
    }

    #[test]
    fn a_response_may_have_null_instead_of_a_usage() {
        #[derive(Deserialize)]
        struct Response {
            usage: Option<Usage>,
        }
        let response: Response = serde_json::from_str(r#"{"usage":null}"#).unwrap();
        assert_eq!(response.usage, None);
    }
}
