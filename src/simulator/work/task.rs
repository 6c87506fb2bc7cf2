//! One request to a generating endpoint, understood: what it demands, how long its prompt is, what it is answered.

use std::borrow::Cow;

use bytes::Bytes;
use fastrand::Rng;

use super::bodies::Input;
use super::prefix::Prefix;
use crate::models::{Encoding, encoding};
use crate::simulator::charging::Demand;
use crate::simulator::errors::ApiError;
use crate::simulator::randomness::letters_and_digits;
use crate::simulator::replies::{self, EventStream, Format, Output, Reply, StreamForm, Vector};
use crate::simulator::settings::OutputTokens;
use crate::tokens::{ChatRequest, count_chat, count_text};

/// Most tokens of one embeddings input, as documented.
const EMBEDDING_WINDOW: u64 = 8_192;
/// Most tokens of all inputs of an embeddings request, as documented.
const EMBEDDING_REQUEST: u64 = 300_000;
/// What a legacy completion generates at most unless the request says otherwise, as documented.
const COMPLETION_TOKENS: u64 = 16;

/// A request as the simulator works on it.
#[derive(Debug)]
pub(in crate::simulator) struct Work<'a> {
    pub(in crate::simulator) model: Cow<'a, str>,
    pub(in crate::simulator) demand: Demand,
    pub(super) json: &'a str,
    pub(super) task: Task<'a>,
}

/// What it asks for, by endpoint.
#[derive(Debug)]
pub(super) enum Task<'a> {
    Chat(Option<StreamForm>),
    Complete {
        prompts: Vec<Input<'a>>,
        /// Answers sent for each prompt: `n`.
        answers: u64,
        stream: Option<StreamForm>,
    },
    Embed {
        inputs: Vec<Input<'a>>,
        dimensions: usize,
        format: Format,
    },
}

/// What an answer takes from the simulator and not from its request.
#[derive(Debug, Clone, Copy)]
pub(in crate::simulator) struct Origin {
    /// Seconds since 1970.
    pub(in crate::simulator) created: u64,
    /// Time between the tokens of a stream.
    pub(in crate::simulator) ms_per_token: f64,
    /// Seed of the embeddings.
    pub(in crate::simulator) seed: u64,
    /// Tokens of the prompt that the prompt cache knew.
    pub(in crate::simulator) cached_tokens: u64,
}

/// The body of an answer.
#[derive(Debug)]
pub(in crate::simulator) enum Body {
    Whole(Bytes),
    Events(Box<EventStream>),
}

impl<'a> Work<'a> {
    /// How long the answers become: drawn from the settings, cut at the request's maximum.
    pub(in crate::simulator) fn outputs(
        &self,
        lengths: OutputTokens,
        rng: &mut Rng,
    ) -> Vec<Output> {
        let (count, most) = match &self.task {
            Task::Chat(_) => (self.demand.choices, self.demand.max_tokens),
            Task::Complete {
                prompts, answers, ..
            } => {
                let most = self.demand.max_tokens.unwrap_or(COMPLETION_TOKENS);
                (prompts.len() as u64 * answers, Some(most))
            }
            Task::Embed { .. } => (0, None),
        };
        let most = most.unwrap_or(u64::MAX).min(u64::from(u32::MAX)) as u32;
        (0..count)
            .map(|_| {
                let wanted = lengths.sample(rng);
                Output {
                    seed: rng.u64(..),
                    tokens: wanted.min(most),
                    cut: wanted > most,
                }
            })
            .collect()
    }

    /// The true length of the prompt in tokens, or OpenAI's error if an embeddings request is too long.
    pub(in crate::simulator) fn prompt_tokens(&self) -> Result<u64, ApiError> {
        let encoding = encoding(&self.model);
        match &self.task {
            Task::Chat(_) => {
                let request = ChatRequest::parse(self.json)
                    .map_err(|error| ApiError::invalid_type(&error.to_string()))?;
                Ok(count_chat(&request, encoding) as u64)
            }
            Task::Complete { prompts, .. } => {
                Ok(prompts.iter().map(|prompt| count(prompt, encoding)).sum())
            }
            Task::Embed { inputs, .. } => {
                let mut sum = 0;
                for input in inputs {
                    let tokens = count(input, encoding);
                    if tokens > EMBEDDING_WINDOW {
                        return Err(ApiError::input_too_long(EMBEDDING_WINDOW, tokens));
                    }
                    sum += tokens;
                }
                if sum > EMBEDDING_REQUEST {
                    return Err(ApiError::request_tokens_exceeded(sum, EMBEDDING_REQUEST));
                }
                Ok(sum)
            }
        }
    }

    /// The prompt as the prompt cache compares it; `None` where OpenAI caches nothing: other endpoints, older models.
    pub(in crate::simulator) fn prefix(&self) -> Option<Prefix> {
        // Caching began with gpt-4o, and so did this encoding and its variants, which all models since then have.
        let newer = matches!(
            encoding(&self.model),
            Encoding::O200kBase | Encoding::O200kHarmony
        );
        match self.task {
            Task::Chat(_) if newer => Prefix::of(self.json),
            _ => None,
        }
    }

    /// The answer, once its lengths are known.
    pub(in crate::simulator) fn body(
        &self,
        outputs: Vec<Output>,
        prompt_tokens: u64,
        origin: Origin,
        rng: &mut Rng,
    ) -> Body {
        let (prefix, stream) = match &self.task {
            Task::Chat(stream) => ("chatcmpl-", stream),
            Task::Complete { stream, .. } => ("cmpl-", stream),
            Task::Embed {
                inputs,
                dimensions,
                format,
            } => {
                let vectors = inputs
                    .iter()
                    .map(|input| Vector::of(input, origin.seed, *dimensions, *format))
                    .collect();
                let body = replies::embeddings(&self.model, vectors, prompt_tokens);
                return Body::Whole(Bytes::from(body));
            }
        };
        let reply = Reply {
            id: format!("{prefix}{}", letters_and_digits(rng, 29)),
            created: origin.created,
            model: &self.model,
            prompt_tokens,
            cached_tokens: origin.cached_tokens,
            outputs,
        };
        match (stream, &self.task) {
            (Some(form), _) => Body::Events(Box::new(EventStream::new(
                &reply,
                StreamForm {
                    ms_per_token: origin.ms_per_token,
                    ..*form
                },
            ))),
            (None, Task::Chat(_)) => Body::Whole(Bytes::from(reply.chat())),
            (None, _) => Body::Whole(Bytes::from(reply.completion())),
        }
    }
}

fn count(input: &Input<'_>, encoding: Encoding) -> u64 {
    match input {
        Input::Text(text) => count_text(text, encoding) as u64,
        Input::Tokens(tokens) => tokens.len() as u64,
    }
}
