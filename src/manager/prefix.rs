//! The beginning of a prompt, by which requests that share a cache are told from others.
//!
//! OpenAI caches prompts from 1,024 tokens on, automatically for gpt-4o and newer models, by exact prefix; a `prompt_cache_key`
//! keeps requests together that belong together. Tools and schemas come before the messages.

use xxhash_rust::xxh3::Xxh3;

use super::Request;
use crate::{
    body::Body,
    config::Settings,
    models::{self, Encoding},
    scheduler::Prefix,
    tokens::{Endpoint, Estimate},
};

/// The shortest prompt that is cached, in tokens.
const LEAST_TOKENS: u64 = 1_024;

/// The beginning that is compared, in bytes of JSON text: some 256 tokens, by which OpenAI chooses the machine as well, and less
/// than 1,024 tokens have in any language, so that prompts which share a cached prefix share all of it.
const PREFIX_BYTES: usize = 1_024;

/// What a prompt may wait for its cache, in milliseconds: about what a model needs to read it anew, at 10,000 tokens a second.
const WORTH_MS_PER_TOKEN: f64 = 0.1;
const MOST_WORTH_MS: f64 = 2_000.0;

/// What the model reads, in its order.
const PARTS: [&str; 4] = ["tools", "functions", "response_format", "messages"];

/// The prompt's prefix, or the caller's key for it; `None` where OpenAI caches nothing, or nobody wants it.
pub(super) fn wanted_prefix(
    request: &Request,
    estimate: &Estimate,
    settings: &Settings,
) -> Option<Prefix> {
    let is_wanted = request.options.cache_affinity;
    // One account is every prompt's home.
    if !is_wanted.unwrap_or(settings.cache_affinity) || settings.accounts.len() == 1 {
        return None;
    }
    prefix(request, estimate)
}

fn prefix(request: &Request, estimate: &Estimate) -> Option<Prefix> {
    if request.endpoint != Endpoint::Chat || estimate.prompt_tokens < LEAST_TOKENS {
        return None;
    }
    let body = Body::parse(std::str::from_utf8(&request.body).ok()?).ok()?;
    let mut hash = Xxh3::new();
    hash.update(request.model.as_bytes());
    if body.has("prompt_cache_key") {
        hash.update(body.raw("prompt_cache_key")?.as_bytes());
    } else {
        if !caches(&request.model) {
            return None;
        }
        let mut left = PREFIX_BYTES;
        for part in PARTS {
            let text = body.raw(part).unwrap_or_default().as_bytes();
            let compared = &text[..text.len().min(left)];
            hash.update(compared);
            left -= compared.len();
        }
    }
    let worth_ms = WORTH_MS_PER_TOKEN * estimate.prompt_tokens as f64;
    Some(Prefix {
        hash: hash.digest(),
        worth_ms: worth_ms.min(MOST_WORTH_MS),
    })
}

/// Whether a model is one of OpenAI's that cache: gpt-4o and newer.
fn caches(model: &str) -> bool {
    let encoding = models::encoding(model);
    models::find(model).is_some()
        && matches!(encoding, Encoding::O200kBase | Encoding::O200kHarmony)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::CallOptions;

    fn of(fields: &str) -> Option<Prefix> {
        let settings = Settings::parse(r#"{"accounts":{"a":"k"}}"#).unwrap();
        let json = format!("{{{fields}}}");
        let request =
            Request::new(Endpoint::Chat, json, CallOptions::default(), &settings).unwrap();
        let estimate = Estimate {
            prompt_tokens: 2_000,
            ..Estimate::default()
        };
        prefix(&request, &estimate)
    }

    fn chat(system: &str, user: &str, rest: &str) -> String {
        format!(
            r#""model":"gpt-4o","messages":[{{"role":"system","content":"{system}"}},{{"role":"user","content":"{user}"}}]{rest}"#
        )
    }

    #[test]
    fn prompts_with_one_beginning_have_one_prefix() {
        let system = "x".repeat(5_000);
        assert!(of(&chat(&system, "a", "")).is_some());
        assert_eq!(of(&chat(&system, "a", "")), of(&chat(&system, "b", "")));
        let other = "y".repeat(5_000);
        assert_ne!(of(&chat(&system, "a", "")), of(&chat(&other, "a", "")));
    }

    #[test]
    fn tools_and_the_model_belong_to_the_beginning() {
        let system = "x".repeat(5_000);
        let plain = of(&chat(&system, "a", ""));
        assert_ne!(
            plain,
            of(&chat(&system, "a", r#","tools":[{"type":"function"}]"#))
        );
        let mini = chat(&system, "a", "").replace("gpt-4o", "gpt-4o-mini");
        assert_ne!(plain, of(&mini));
    }

    #[test]
    fn a_long_prompt_may_wait_longer_for_its_cache_and_none_longer_than_two_seconds() {
        let worth_ms = |prompt_tokens| {
            let settings = Settings::parse(r#"{"accounts":{"a":"k"}}"#).unwrap();
            let json = format!("{{{}}}", chat("x", "a", ""));
            let request =
                Request::new(Endpoint::Chat, json, CallOptions::default(), &settings).unwrap();
            let estimate = Estimate {
                prompt_tokens,
                ..Estimate::default()
            };
            prefix(&request, &estimate).unwrap().worth_ms
        };
        assert_eq!(worth_ms(5_000), 500.0);
        assert_eq!(worth_ms(100_000), 2_000.0);
    }

    #[test]
    fn a_key_keeps_together_what_begins_otherwise() {
        let key = r#","prompt_cache_key":"k""#;
        assert_eq!(of(&chat("x", "a", key)), of(&chat("y", "b", key)));
        assert_ne!(
            of(&chat("x", "a", key)),
            of(&chat("x", "a", r#","prompt_cache_key":"l""#))
        );
    }

    #[test]
    fn what_openai_does_not_cache_has_no_home() {
        for model in ["gpt-4-turbo", "llama-9"] {
            let other = chat("x", "a", "").replace("gpt-4o", model);
            assert_eq!(of(&other), None, "{model}");
        }
        let settings = Settings::parse(r#"{"accounts":{"a":"k"}}"#).unwrap();
        let json = format!("{{{}}}", chat("x", "a", ""));
        let request =
            Request::new(Endpoint::Chat, json, CallOptions::default(), &settings).unwrap();
        let short = Estimate {
            prompt_tokens: 1_023,
            ..Estimate::default()
        };
        assert_eq!(prefix(&request, &short), None);
    }
}
