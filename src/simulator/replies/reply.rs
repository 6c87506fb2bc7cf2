//! The bodies of successful answers.

use serde::Serialize;

use super::vectors::Vector;
use super::words::Words;

/// One answer to be written: how long it is, and from which seed its words come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::simulator) struct Output {
    pub(in crate::simulator) seed: u64,
    pub(in crate::simulator) tokens: u32,
    /// Whether the request's maximum cut it short.
    pub(in crate::simulator) cut: bool,
}

impl Output {
    pub(in crate::simulator) fn finish_reason(&self) -> &'static str {
        if self.cut { "length" } else { "stop" }
    }

    fn text(&self) -> String {
        Words::text(self.seed, self.tokens)
    }
}

/// Everything that one generated reply states, apart from its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::simulator) struct Reply<'a> {
    pub(in crate::simulator) id: String,
    /// Seconds since 1970.
    pub(in crate::simulator) created: u64,
    pub(in crate::simulator) model: &'a str,
    pub(in crate::simulator) prompt_tokens: u64,
    /// The part of the prompt that came from the cache; nothing of a legacy completion ever does.
    pub(in crate::simulator) cached_tokens: u64,
    /// Never empty.
    pub(in crate::simulator) outputs: Vec<Output>,
}

/// `usage` of a chat or a completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(in crate::simulator) struct Usage {
    pub(in crate::simulator) prompt_tokens: u64,
    pub(in crate::simulator) completion_tokens: u64,
    pub(in crate::simulator) total_tokens: u64,
    prompt_tokens_details: PromptDetails,
    completion_tokens_details: CompletionDetails,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
struct PromptDetails {
    cached_tokens: u64,
    audio_tokens: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
struct CompletionDetails {
    reasoning_tokens: u64,
    audio_tokens: u64,
    accepted_prediction_tokens: u64,
    rejected_prediction_tokens: u64,
}

/// The build of the imagined engine: `system_fingerprint`.
pub(in crate::simulator) const FINGERPRINT: &str = "fp_51a0000001";

#[derive(Serialize)]
struct Completion<'a, C> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<C>,
    usage: Usage,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
    system_fingerprint: &'static str,
}

#[derive(Serialize)]
struct ChatChoice {
    index: usize,
    message: ChatMessage,
    logprobs: Option<()>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct ChatMessage {
    role: &'static str,
    content: String,
    refusal: Option<&'static str>,
    annotations: [(); 0],
}

#[derive(Serialize)]
struct TextChoice {
    text: String,
    index: usize,
    logprobs: Option<()>,
    finish_reason: &'static str,
}

impl Reply<'_> {
    /// The true counts of the prompt and of all words that the reply sends.
    pub(in crate::simulator) fn usage(&self) -> Usage {
        let completion_tokens = self
            .outputs
            .iter()
            .map(|output| u64::from(output.tokens))
            .sum();
        Usage {
            prompt_tokens: self.prompt_tokens,
            completion_tokens,
            total_tokens: self.prompt_tokens + completion_tokens,
            prompt_tokens_details: PromptDetails {
                cached_tokens: self.cached_tokens,
                ..PromptDetails::default()
            },
            completion_tokens_details: CompletionDetails::default(),
        }
    }

    /// A whole `chat.completion`.
    pub(in crate::simulator) fn chat(&self) -> Vec<u8> {
        self.whole("chat.completion", Some("default"), |index, output| {
            ChatChoice {
                index,
                message: ChatMessage {
                    role: "assistant",
                    content: output.text(),
                    refusal: None,
                    annotations: [],
                },
                logprobs: None,
                finish_reason: output.finish_reason(),
            }
        })
    }

    /// A whole `text_completion`.
    pub(in crate::simulator) fn completion(&self) -> Vec<u8> {
        self.whole("text_completion", None, |index, output| TextChoice {
            text: output.text(),
            index,
            logprobs: None,
            finish_reason: output.finish_reason(),
        })
    }

    fn whole<C: Serialize>(
        &self,
        object: &'static str,
        service_tier: Option<&'static str>,
        choice: impl Fn(usize, &Output) -> C,
    ) -> Vec<u8> {
        json(&Completion {
            id: &self.id,
            object,
            created: self.created,
            model: self.model,
            choices: self
                .outputs
                .iter()
                .enumerate()
                .map(|(index, output)| choice(index, output))
                .collect(),
            usage: self.usage(),
            service_tier,
            system_fingerprint: FINGERPRINT,
        })
    }
}

#[derive(Serialize)]
struct EmbeddingList<'a> {
    object: &'static str,
    data: Vec<Embedding>,
    model: &'a str,
    usage: EmbeddingUsage,
}

#[derive(Serialize)]
struct Embedding {
    object: &'static str,
    index: usize,
    embedding: Vector,
}

#[derive(Serialize)]
struct EmbeddingUsage {
    prompt_tokens: u64,
    total_tokens: u64,
}

/// The reply of `/v1/embeddings`.
pub(in crate::simulator) fn embeddings(
    model: &str,
    vectors: Vec<Vector>,
    prompt_tokens: u64,
) -> Vec<u8> {
    json(&EmbeddingList {
        object: "list",
        data: vectors
            .into_iter()
            .enumerate()
            .map(|(index, embedding)| Embedding {
                object: "embedding",
                index,
                embedding,
            })
            .collect(),
        model,
        usage: EmbeddingUsage {
            prompt_tokens,
            total_tokens: prompt_tokens,
        },
    })
}

#[derive(Serialize)]
struct ModelList<'a> {
    object: &'static str,
    data: Vec<ModelEntry<'a>>,
}

#[derive(Serialize)]
struct ModelEntry<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
}

/// The reply of `/v1/models`.
pub(in crate::simulator) fn models(names: &[&str]) -> Vec<u8> {
    json(&ModelList {
        object: "list",
        data: names
            .iter()
            .map(|id| ModelEntry {
                id,
                object: "model",
                // The start of 2024: nobody's clock, so that the list is the same in every run.
                created: 1_704_067_200,
                owned_by: "system",
            })
            .collect(),
    })
}

/// Our own types always serialize: string keys, finite numbers.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn reply() -> Reply<'static> {
        let output = |seed, tokens, cut| Output { seed, tokens, cut };
        Reply {
            id: "chatcmpl-1".to_owned(),
            created: 1_790_000_000,
            model: "gpt-\"4o",
            prompt_tokens: 9,
            cached_tokens: 4,
            outputs: vec![output(1, 3, false), output(2, 2, true)],
        }
    }

    #[test]
    fn a_chat_has_openai_s_shape_and_its_usage_adds_up() {
        let body: Value = serde_json::from_slice(&reply().chat()).unwrap();
        assert_eq!(body["object"], "chat.completion");
        assert_eq!(body["model"], "gpt-\"4o");
        let first = &body["choices"][0];
        assert_eq!(first["message"]["role"], "assistant");
        assert_eq!(first["message"]["content"], Words::text(1, 3));
        assert_eq!(first["finish_reason"], "stop");
        assert_eq!(body["choices"][1]["index"], 1);
        assert_eq!(body["choices"][1]["finish_reason"], "length");
        assert_eq!(body["usage"]["completion_tokens"], 5);
        assert_eq!(body["usage"]["total_tokens"], 14);
        assert_eq!(body["usage"]["prompt_tokens_details"]["cached_tokens"], 4);
        assert_eq!(first["logprobs"], Value::Null);
        assert_eq!(first["message"]["annotations"], json!([]));
    }

    #[test]
    fn a_completion_has_its_text_at_the_top() {
        let body: Value = serde_json::from_slice(&reply().completion()).unwrap();
        assert_eq!(body["object"], "text_completion");
        assert_eq!(body["choices"][1]["text"], Words::text(2, 2));
        assert_eq!(body.get("service_tier"), None);
    }
}
