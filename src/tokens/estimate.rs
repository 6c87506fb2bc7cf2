//! What a request will cost its rate limits, worked out before it is sent.

use serde::Deserialize;
use serde::de::MapAccess;

use super::chat::{self, ChatRequest};
use super::input::TextInput;
use super::lenient::{self, Lenient};
use super::response;
use crate::models::Encoding;

/// The endpoint a body is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `/chat/completions`
    Chat,
    /// `/completions`
    Completions,
    /// `/embeddings`
    Embeddings,
    /// `/responses`, counted as a chat
    Responses,
    /// Any other, which takes no tokens
    Other,
}

/// What is known about the size of a request before it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Estimate {
    /// Tokens of the prompt, as usage will state them.
    pub prompt_tokens: u64,
    /// Characters of the prompt that OpenAI counts at admission.
    pub characters: u64,
    /// The most tokens one answer may have, if the request says so. 0 for embeddings, which answer with none.
    pub output_tokens: Option<u64>,
    /// How many answers are generated.
    pub choices: u64,
    /// Tokens OpenAI books for images at admission, which are no part of `characters`. (`prompt_tokens` holds the
    /// images' real tokens.)
    pub image_tokens: u64,
}

/// Tokens booked for an answer of unstated length: the default `max_tokens` of legacy completions, which OpenAI has
/// also been seen to book for chats.
const DEFAULT_OUTPUT_TOKENS: u64 = 16;

impl Estimate {
    /// What can be said of a chat or completion of which nothing is known but the length of its body in bytes, because it
    /// could not be read: a token for every four bytes.
    pub fn by_length(bytes: usize) -> Self {
        let characters = bytes as u64;
        Self {
            prompt_tokens: characters.div_ceil(4),
            characters,
            output_tokens: None,
            choices: 1,
            image_tokens: 0,
        }
    }

    /// The tokens to book before sending: the larger of OpenAI's character estimate and the counted prompt, plus the
    /// longest answers the request allows.
    ///
    /// This is what OpenAI's rate-limit guide describes ("the maximum of `max_tokens` and the number of tokens estimated
    /// from the character count") taken on the safe side, as the estimator of the OpenAI cookbook does: prompt + `n` ×
    /// `max_tokens`.
    pub fn admission_tokens(&self) -> u64 {
        let by_characters = self
            .characters
            .div_ceil(4)
            .saturating_add(self.image_tokens);
        by_characters
            .max(self.prompt_tokens)
            .saturating_add(self.longest_answers())
    }

    /// Tokens of the longest answers that the request allows; of answers whose length it does not state, what is booked for
    /// them.
    pub fn longest_answers(&self) -> u64 {
        let output = self.output_tokens.unwrap_or(DEFAULT_OUTPUT_TOKENS);
        self.choices.saturating_mul(output)
    }
}

/// Estimates the request in `body`. Fails only if that is not JSON.
pub fn estimate(
    endpoint: Endpoint,
    body: &str,
    encoding: Encoding,
) -> Result<Estimate, serde_json::Error> {
    match endpoint {
        Endpoint::Chat => ChatRequest::parse(body).map(|request| of_chat(&request, encoding)),
        Endpoint::Completions => {
            lenient::parse(body).map(|request| of_completion(&request, encoding))
        }
        Endpoint::Embeddings => {
            lenient::parse(body).map(|request| of_embedding(&request, encoding))
        }
        Endpoint::Responses => {
            response::parse_as_chat(body).map(|request| of_chat(&request, encoding))
        }
        Endpoint::Other => Ok(Estimate::default()),
    }
}

/// Estimates one input of an embeddings request, given as JSON: a text or a list of tokens. Fails only if that is not JSON.
pub fn estimate_input(input: &str, encoding: Encoding) -> Result<Estimate, serde_json::Error> {
    let input = lenient::parse(input)?;
    Ok(of_embedding(&EmbeddingRequest { input }, encoding))
}

fn of_chat(request: &ChatRequest<'_>, encoding: Encoding) -> Estimate {
    Estimate {
        prompt_tokens: chat::count_chat(request, encoding) as u64,
        characters: chat::count_characters(request),
        output_tokens: request.max_output_tokens(),
        choices: request.choices(),
        image_tokens: chat::count_images(request) as u64,
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CompletionRequest<'a> {
    #[serde(borrow)]
    prompt: TextInput<'a>,
    #[serde(deserialize_with = "lenient::any")]
    max_tokens: Option<u64>,
    #[serde(deserialize_with = "lenient::any")]
    n: Option<u64>,
    #[serde(deserialize_with = "lenient::any")]
    best_of: Option<u64>,
}

impl<'a> Lenient<'a> for CompletionRequest<'a> {
    fn from_object<A: MapAccess<'a>>(object: A) -> Result<Self, A::Error> {
        lenient::members(object)
    }
}

fn of_completion(request: &CompletionRequest<'_>, encoding: Encoding) -> Estimate {
    // Each prompt is answered `n` times, out of `best_of` answers that are all generated. Without a prompt the model
    // starts from a single <|endoftext|>.
    let prompts = request.prompt.items().max(1) as u64;
    let answers = request.n.max(request.best_of).unwrap_or(1).max(1);
    Estimate {
        prompt_tokens: (request.prompt.count(encoding) as u64).max(1),
        characters: request.prompt.characters(),
        output_tokens: request.max_tokens,
        choices: prompts.saturating_mul(answers),
        image_tokens: 0,
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct EmbeddingRequest<'a> {
    #[serde(borrow)]
    input: TextInput<'a>,
}

impl<'a> Lenient<'a> for EmbeddingRequest<'a> {
    fn from_object<A: MapAccess<'a>>(object: A) -> Result<Self, A::Error> {
        lenient::members(object)
    }
}

fn of_embedding(request: &EmbeddingRequest<'_>, encoding: Encoding) -> Estimate {
    Estimate {
        prompt_tokens: request.input.count(encoding) as u64,
        characters: request.input.characters(),
        output_tokens: Some(0),
        choices: 1,
        image_tokens: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(endpoint: Endpoint, body: &str) -> Estimate {
        estimate(endpoint, body, Encoding::Cl100kBase).unwrap()
    }

    #[test]
    fn a_chat_books_its_prompt_and_its_longest_answers() {
        // 4 + 14 characters; 5 of the prompt's tokens are text, 3 + 3 frame it, 1 is the role
        let body = |rest: &str| {
            format!(r#"{{"messages":[{{"role":"user","content":"Tell me a joke"}}]{rest}}}"#)
        };
        for (rest, expected) in [
            ("", 11 + 16),
            (r#","max_tokens":50"#, 11 + 50),
            (r#","max_completion_tokens":50,"n":2"#, 11 + 100),
            (r#","max_completion_tokens":50,"max_tokens":9"#, 11 + 50),
            (r#","max_tokens":0"#, 11),
            (r#","n":0"#, 11 + 16),
            (r#","n":null,"max_tokens":null"#, 11 + 16),
            (r#","n":1e300,"max_tokens":1e300"#, u64::MAX),
        ] {
            let estimate = of(Endpoint::Chat, &body(rest));
            assert_eq!(estimate.characters, 18);
            assert_eq!(estimate.admission_tokens(), expected, "{rest}");
        }
    }

    #[test]
    fn images_are_booked_flat_but_counted_by_size() {
        let body = r#"{"model":"gpt-4o","max_tokens":10,"messages":[{"role":"user","content":[
            {"type":"image_url","image_url":{"url":"https://example.com/a.png","detail":"low"}}]}]}"#;
        let estimate = of(Endpoint::Chat, body);
        assert_eq!(estimate.image_tokens, 765);
        assert_eq!(estimate.prompt_tokens, 3 + 3 + 1 + 85);
        assert_eq!(estimate.admission_tokens(), 1 + 765 + 10);
    }

    #[test]
    fn completions_book_every_answer_to_every_prompt() {
        for (body, expected) in [
            (r#"{"prompt":"2 + 2 = 4"}"#, 7 + 16),
            (r#"{"prompt":"2 + 2 = 4","max_tokens":100,"n":2}"#, 7 + 200),
            (
                r#"{"prompt":"2 + 2 = 4","max_tokens":100,"n":2,"best_of":3}"#,
                7 + 300,
            ),
            (
                r#"{"prompt":["2 + 2 = 4","2 + 2 = 4"],"max_tokens":10}"#,
                14 + 20,
            ),
            (r#"{"prompt":[[1,2,3],[4,5]],"max_tokens":10}"#, 5 + 20),
            (r#"{"prompt":null}"#, 1 + 16),
            ("{}", 1 + 16),
        ] {
            assert_eq!(
                of(Endpoint::Completions, body).admission_tokens(),
                expected,
                "{body}"
            );
        }
    }

    #[test]
    fn embeddings_book_no_output() {
        // 18 characters are 5 tokens by OpenAI's estimate, 6 by count
        let body = r#"{"model":"text-embedding-3-small","input":"tiktoken is great!"}"#;
        assert_eq!(of(Endpoint::Embeddings, body).admission_tokens(), 6);
        // 40 characters of one letter are 5 tokens by count
        let body = format!(r#"{{"input":["{}"]}}"#, "a".repeat(40));
        assert_eq!(of(Endpoint::Embeddings, &body).admission_tokens(), 10);
    }

    #[test]
    fn an_unreadable_body_is_booked_by_its_length() {
        for (bytes, expected) in [(0, 16), (1, 17), (400, 116)] {
            assert_eq!(Estimate::by_length(bytes).admission_tokens(), expected);
        }
    }

    #[test]
    fn only_what_is_no_json_is_an_error() {
        for endpoint in [Endpoint::Chat, Endpoint::Completions, Endpoint::Embeddings] {
            for body in ["", "{", "[1", "x", "{\"messages\":}", "{} {}"] {
                assert!(
                    estimate(endpoint, body, Encoding::O200kBase).is_err(),
                    "{body}"
                );
            }
        }
    }
}
