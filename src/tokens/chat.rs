//! Tokens of a chat completion request.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::MapAccess;
use serde_json::value::RawValue;

use super::images::{self, Detail};
use super::lenient::{self, Lenient};
use super::media;
use super::message::{Image, Message, Part};
use super::remembered::count_text;
use super::tools::{self, Choice, Function, Tool};
use crate::models::{self, Encoding, ImageRule};

/// What counting needs of a chat completion request, borrowed from its JSON text.
///
/// Unknown members and content parts are ignored, and values of an unexpected type count as missing: whether the request
/// is well formed is for OpenAI to say.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ChatRequest<'a> {
    #[serde(borrow, deserialize_with = "lenient::any")]
    pub(super) model: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "lenient::any")]
    pub(super) messages: Vec<Message<'a>>,
    #[serde(borrow, deserialize_with = "lenient::any")]
    pub(super) tools: Vec<Tool<'a>>,
    #[serde(borrow, deserialize_with = "lenient::any")]
    pub(super) tool_choice: Choice<'a>,
    #[serde(borrow, deserialize_with = "lenient::any")]
    pub(super) functions: Vec<Function<'a>>,
    #[serde(borrow, deserialize_with = "lenient::any")]
    pub(super) function_call: Choice<'a>,
    #[serde(borrow, deserialize_with = "lenient::any")]
    pub(super) response_format: ResponseFormat<'a>,
    #[serde(deserialize_with = "lenient::any")]
    pub(super) n: Option<u64>,
    #[serde(deserialize_with = "lenient::any")]
    pub(super) max_tokens: Option<u64>,
    #[serde(deserialize_with = "lenient::any")]
    pub(super) max_completion_tokens: Option<u64>,
}

/// `response_format`, of which the model reads the schema.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ResponseFormat<'a> {
    #[serde(borrow, deserialize_with = "lenient::any")]
    pub(super) json_schema: JsonSchema<'a>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct JsonSchema<'a> {
    #[serde(borrow)]
    schema: Option<&'a RawValue>,
}

impl<'a> Lenient<'a> for ChatRequest<'a> {
    fn from_object<A: MapAccess<'a>>(object: A) -> Result<Self, A::Error> {
        lenient::members(object)
    }
}

impl<'a> Lenient<'a> for ResponseFormat<'a> {
    fn from_object<A: MapAccess<'a>>(object: A) -> Result<Self, A::Error> {
        lenient::members(object)
    }
}

impl<'a> Lenient<'a> for JsonSchema<'a> {
    fn from_object<A: MapAccess<'a>>(object: A) -> Result<Self, A::Error> {
        lenient::members(object)
    }
}

impl<'a> ChatRequest<'a> {
    /// Reads a request body. Fails only if it is not JSON.
    pub fn parse(json: &'a str) -> Result<Self, serde_json::Error> {
        lenient::parse(json)
    }

    /// The model asked for; empty if none is.
    pub fn model(&self) -> &str {
        self.model.as_deref().unwrap_or_default()
    }

    /// How many answers are asked for: `n`, at least and by default 1.
    pub fn choices(&self) -> u64 {
        self.n.unwrap_or(1).max(1)
    }

    /// The most tokens one answer may have, if the request limits them: `max_completion_tokens`, else `max_tokens`.
    pub fn max_output_tokens(&self) -> Option<u64> {
        self.max_completion_tokens.or(self.max_tokens)
    }

    fn functions(&self) -> impl Iterator<Item = &Function<'a>> {
        let tools = self.tools.iter().filter_map(Tool::definition);
        self.functions.iter().chain(tools)
    }

    fn parts(&self) -> impl Iterator<Item = &Part<'a>> {
        self.messages.iter().flat_map(|message| &message.content.0)
    }
}

/// The prompt tokens of a request, as the response's usage will state them.
///
/// Exact for text messages (OpenAI cookbook, "How to count tokens with tiktoken"; compared with recorded usage of
/// gpt-3.5-turbo to gpt-5). Functions are counted in the form openai-chat-tokens found, which is exact or a few tokens
/// high. Images follow the model's rule; where their size is not in the request, 1024 × 1024 is assumed. What cannot be
/// known, files and compressed audio, counts as nothing.
pub fn count_chat(request: &ChatRequest<'_>, encoding: Encoding) -> usize {
    let overhead = Overhead::of(request.model());
    let has_functions = request.functions().next().is_some();
    let first_system = request.messages.iter().position(Message::is_system);
    let messages = request.messages.iter().enumerate().map(|(index, message)| {
        let padded = has_functions && Some(index) == first_system;
        count_message(message, padded, &overhead, encoding)
    });
    let mut tokens = messages.sum::<usize>() + overhead.reply;
    if has_functions {
        // Nine more than the definitions' own tokens, by the measurements behind openai-chat-tokens.
        tokens += 9 + count_text(&tools::render(request.functions()), encoding);
        // The definitions go into a system message; where there is one anyway, its frame is not paid twice.
        tokens -= if first_system.is_some() { 4 } else { 0 };
    }
    for choice in [&request.tool_choice, &request.function_call] {
        tokens += match choice {
            Choice::Free => 0,
            Choice::None => 1,
            Choice::Named(name) => 4 + count_text(name, encoding),
        };
    }
    if let Some(schema) = request.response_format.json_schema.schema {
        // Its own tokens and two, on a recorded request to gpt-4.1-nano (2026-02).
        tokens += 2 + count_text(schema.get(), encoding);
    }
    let rule = image_rule(request.model());
    let media = request.parts().map(|part| match part {
        Part::Image(image) => count_image(image, &rule),
        Part::Audio(audio) => audio.data.as_deref().map_or(0, count_audio),
        Part::Text(_) | Part::Other => 0,
    });
    // Saturating, as a header can claim to be of an image of any size.
    let media = media.fold(0, u64::saturating_add);
    tokens.saturating_add(usize::try_from(media).unwrap_or(usize::MAX))
}

/// The characters OpenAI counts when it admits a request: those of roles and texts, not those of functions or schemas
/// (measured on recorded rate-limit headers).
pub fn count_characters(request: &ChatRequest<'_>) -> u64 {
    let of_message = |message: &Message<'_>| {
        let role = message.role.as_deref().into_iter();
        role.chain(message.content.texts())
            .map(|text| text.chars().count() as u64)
            .sum::<u64>()
    };
    request.messages.iter().map(of_message).sum()
}

/// The tokens OpenAI books for the images of a request when it admits it: 765 each, whatever their size and model
/// (measured on recorded rate-limit headers since mid-2024).
pub fn count_images(request: &ChatRequest<'_>) -> usize {
    let is_image = |part: &&Part<'_>| matches!(part, Part::Image(_));
    request.parts().filter(is_image).count() * 765
}

/// What a model adds to the texts of a chat.
struct Overhead {
    message: usize,
    name: isize,
    reply: usize,
}

impl Overhead {
    fn of(model: &str) -> Self {
        // "If there's a name, the role is omitted": OpenAI cookbook on this one snapshot.
        let early = model == "gpt-3.5-turbo-0301";
        // These report one token less than all models before and after (3 of 3 recordings).
        let short = matches!(models::without_date(model), "gpt-5" | "gpt-5-nano");
        Self {
            message: if early { 4 } else { 3 },
            name: if early { -1 } else { 1 },
            reply: if short { 2 } else { 3 },
        }
    }
}

/// `padded` for the system message the function definitions are added to: it gets a line break at its end.
fn count_message(
    message: &Message<'_>,
    padded: bool,
    overhead: &Overhead,
    encoding: Encoding,
) -> usize {
    let count = |text: &str| count_text(text, encoding);
    let mut tokens = overhead.message;
    tokens += message.role.as_deref().map_or(0, count);
    tokens += message.refusal.as_deref().map_or(0, count);
    let mut texts: Vec<&str> = message.content.texts().collect();
    let unpadded = |text: &mut &str| padded && !text.is_empty() && !text.ends_with('\n');
    if let Some(last) = texts.pop_if(unpadded) {
        tokens += count(&format!("{last}\n"));
    }
    tokens += texts.into_iter().map(count).sum::<usize>();
    if let Some(name) = &message.name {
        tokens = (tokens + count(name)).saturating_add_signed(overhead.name);
    }
    let calls: Vec<_> = message
        .tool_calls
        .iter()
        .filter_map(|call| call.call())
        .collect();
    // Several calls in one message are wrapped once more. Both numbers and the four of a tool's answer below reproduce
    // recorded usage of gpt-3.5-turbo, gpt-4o-mini and gpt-4.1-nano; ids of calls are not in the prompt.
    let per_call = if calls.len() > 1 { 3 + 8 } else { 3 };
    for call in calls.into_iter().chain(message.function_call.as_deref()) {
        tokens += per_call + call.texts().map(count).sum::<usize>();
    }
    match message.role.as_deref() {
        Some("function") => tokens.saturating_sub(2),
        Some("tool") => tokens + 4,
        _ => tokens,
    }
}

fn image_rule(model: &str) -> ImageRule {
    let known = models::find(model).and_then(|model| model.images);
    known.unwrap_or(images::ASSUMED_RULE)
}

fn count_image(image: &Image<'_>, rule: &ImageRule) -> u64 {
    let size = image.url.as_deref().and_then(media::image_size);
    let detail = Detail::parse(image.detail.as_deref());
    images::count_image(rule, size.unwrap_or(images::ASSUMED_SIZE), detail)
}

/// A token for each 100 ms of what the user says (OpenAI's guide to the costs of the Realtime API).
fn count_audio(data: &str) -> u64 {
    media::wav_milliseconds(data).map_or(0, |milliseconds| milliseconds.div_ceil(100))
}
