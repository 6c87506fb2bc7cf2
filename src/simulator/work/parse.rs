//! From the JSON of a body to [`Work`], or to OpenAI's error for it.

use std::borrow::Cow;

use serde::Deserialize;

use super::bodies::{ChatBody, CompletionBody, EmbeddingsBody, Input, Inputs, StreamOptions};
use super::task::{Task, Work};
use crate::simulator::charging::{Demand, Endpoint, estimate};
use crate::simulator::errors::ApiError;
use crate::simulator::replies::{ChunkForm, Format, StreamForm, native_dimensions};

/// Most answers to one request. Our bound, so that one request cannot ask for any amount of work.
const MOST_CHOICES: u64 = 128;
/// Most inputs of one request, as documented for embeddings.
const MOST_INPUTS: usize = 2_048;
/// Largest `max_tokens` of any kind: 32 bits with a sign. Our bound, far above every model's, so that sums cannot overflow.
const MOST_TOKENS: u64 = 2_147_483_647;
/// The longest embeddings that any model has.
const MOST_DIMENSIONS: u64 = 3_072;

impl<'a> Work<'a> {
    /// Reads a body; on failure, OpenAI's error for it.
    pub(in crate::simulator) fn parse(
        endpoint: Endpoint,
        body: &'a [u8],
    ) -> Result<Work<'a>, ApiError> {
        let json = std::str::from_utf8(body).map_err(|_| ApiError::not_json())?;
        match endpoint {
            Endpoint::Chat => Work::chat(json),
            Endpoint::Completions => Work::completion(json),
            Endpoint::Embeddings => Work::embeddings(json),
        }
    }

    fn chat(json: &'a str) -> Result<Work<'a>, ApiError> {
        let body: ChatBody<'a> = read(json)?;
        let model = named(body.model)?;
        let messages = body
            .messages
            .ok_or(ApiError::missing_parameter("messages"))?;
        if messages.count == 0 {
            let rule = "empty array. Expected an array with minimum length 1, but got an empty array instead";
            return Err(ApiError::invalid_value("messages", rule));
        }
        let demand = Demand {
            endpoint: Endpoint::Chat,
            input_estimate: estimate(messages.characters),
            images: messages.images,
            choices: choices(body.n)?,
            max_tokens: bounded("max_completion_tokens", body.max_completion_tokens)?
                .or(bounded("max_tokens", body.max_tokens)?),
        };
        let stream = stream(body.stream, body.stream_options, ChunkForm::Chat);
        Ok(Work {
            model,
            demand,
            json,
            task: Task::Chat(stream),
        })
    }

    fn completion(json: &'a str) -> Result<Work<'a>, ApiError> {
        let body: CompletionBody<'a> = read(json)?;
        let model = named(body.model)?;
        // Without a prompt the model starts a new document, as if it had read <|endoftext|> (50256 in r50k_base).
        let document = || Inputs(vec![Input::Tokens(vec![50_256])]);
        let prompts = some_inputs("prompt", body.prompt.unwrap_or_else(document))?;
        let answers = choices(body.n)?;
        let generated = answers.max(choices(body.best_of)?);
        let count = prompts.len() as u64;
        if answers * count > MOST_INPUTS as u64 {
            let rule = format!("at most {MOST_INPUTS} answers to all prompts together");
            return Err(ApiError::invalid_value("n", &rule));
        }
        let demand = Demand {
            endpoint: Endpoint::Completions,
            input_estimate: estimate_inputs(&prompts),
            images: 0,
            choices: generated * count,
            max_tokens: bounded("max_tokens", body.max_tokens)?,
        };
        let stream = stream(body.stream, body.stream_options, ChunkForm::Completion);
        let task = Task::Complete {
            prompts,
            answers,
            stream,
        };
        Ok(Work {
            model,
            demand,
            json,
            task,
        })
    }

    fn embeddings(json: &'a str) -> Result<Work<'a>, ApiError> {
        let body: EmbeddingsBody<'a> = read(json)?;
        let model = named(body.model)?;
        let inputs = body.input.ok_or(ApiError::missing_parameter("input"))?;
        let inputs = some_inputs("input", inputs)?;
        let dimensions = match body.dimensions {
            None => native_dimensions(&model),
            Some(dimensions @ 1..=MOST_DIMENSIONS) => dimensions as usize,
            Some(_) => {
                let rule = format!("must be from 1 to {MOST_DIMENSIONS}");
                return Err(ApiError::invalid_value("dimensions", &rule));
            }
        };
        let format = match body.encoding_format.as_deref() {
            None | Some("float") => Format::Float,
            Some("base64") => Format::Base64,
            Some(_) => {
                let rule = "must be 'float' or 'base64'";
                return Err(ApiError::invalid_value("encoding_format", rule));
            }
        };
        let demand = Demand {
            endpoint: Endpoint::Embeddings,
            input_estimate: estimate_inputs(&inputs),
            images: 0,
            choices: 0,
            max_tokens: None,
        };
        let task = Task::Embed {
            inputs,
            dimensions,
            format,
        };
        Ok(Work {
            model,
            demand,
            json,
            task,
        })
    }
}

fn read<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, ApiError> {
    serde_json::from_str(json).map_err(|error| {
        if error.is_data() {
            ApiError::invalid_type(&error.to_string())
        } else {
            ApiError::not_json()
        }
    })
}

/// The model, which must have a name.
fn named(model: Option<Cow<'_, str>>) -> Result<Cow<'_, str>, ApiError> {
    model
        .filter(|name| !name.is_empty())
        .ok_or_else(|| ApiError::missing_parameter("model"))
}

fn choices(n: Option<u64>) -> Result<u64, ApiError> {
    match n.unwrap_or(1) {
        n @ 1..=MOST_CHOICES => Ok(n),
        _ => {
            let rule = format!("must be from 1 to {MOST_CHOICES}");
            Err(ApiError::invalid_value("n", &rule))
        }
    }
}

/// A maximum of tokens, at most [`MOST_TOKENS`].
fn bounded(name: &'static str, tokens: Option<u64>) -> Result<Option<u64>, ApiError> {
    match tokens {
        Some(tokens) if tokens > MOST_TOKENS => {
            let rule = format!(
                "integer above maximum value. Expected a value <= {MOST_TOKENS}, but got {tokens} instead"
            );
            Err(ApiError::invalid_value(name, &rule))
        }
        tokens => Ok(tokens),
    }
}

/// Between one and [`MOST_INPUTS`] inputs, none of them empty.
fn some_inputs<'a>(name: &'static str, inputs: Inputs<'a>) -> Result<Vec<Input<'a>>, ApiError> {
    let empty = |input: &Input<'_>| match input {
        Input::Text(text) => text.is_empty() && name == "input",
        Input::Tokens(tokens) => tokens.is_empty(),
    };
    if inputs.0.is_empty() || inputs.0.len() > MOST_INPUTS || inputs.0.iter().any(empty) {
        let rule =
            format!("must be 1 to {MOST_INPUTS} texts or lists of tokens, none of them empty");
        return Err(ApiError::invalid_value(name, &rule));
    }
    Ok(inputs.0)
}

fn stream(
    wanted: Option<bool>,
    options: Option<StreamOptions>,
    chunks: ChunkForm,
) -> Option<StreamForm> {
    let option = |read: fn(StreamOptions) -> Option<bool>| options.and_then(read);
    wanted.unwrap_or(false).then(|| StreamForm {
        chunks,
        include_usage: option(|options| options.include_usage).unwrap_or(false),
        obfuscate: option(|options| options.include_obfuscation).unwrap_or(true),
        ms_per_token: 0.0,
    })
}

/// Each input is estimated on its own; one that comes as tokens costs these.
fn estimate_inputs(inputs: &[Input<'_>]) -> u64 {
    inputs
        .iter()
        .map(|input| match input {
            Input::Text(text) => estimate(text.chars().count() as u64),
            Input::Tokens(tokens) => tokens.len() as u64,
        })
        .sum()
}
