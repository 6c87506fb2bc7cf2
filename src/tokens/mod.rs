//! Tokens of texts, chats, functions and images, counted before a request is sent.
//!
//! Two numbers matter, and they differ. *Prompt tokens* are what the response's usage will state and the bill is made
//! from; [`count_chat`] and [`TextInput::count`] work them out with the model's tokenizer and what is known of the frame
//! OpenAI puts around a chat. *Admission* is what OpenAI books on the rate limits before the model has seen anything: an
//! estimate from the number of characters, a flat sum for each image, and the longest answer allowed. [`Estimate`] holds
//! both; [`Estimate::admission_tokens`] is what we book on our side, the larger of the two.
//!
//! Nothing here may fail because of what a request says. Text of any kind is counted exactly and in time that grows with its
//! length ([`count_text`]); JSON of an unexpected shape counts as absent, as OpenAI is the one to refuse it; sizes of images are
//! read from the first bytes of their data URLs.
//!
//! The layers: `vocabulary` knows the tokens, `split` cuts text into pieces, `encode` finds the tokens of a piece, and `text` does
//! that for all of them; `remembered` spares it the `passages` of chats that were counted lately. `lenient`, `message`, `response`, `schema` and
//! `tools` read a request; `images` and `media` measure pictures; `chat`, `input` and `estimate` add up.

mod chat;
mod encode;
mod estimate;
mod images;
mod input;
mod lenient;
mod media;
mod message;
mod passages;
mod remembered;
mod response;
mod schema;
mod split;
mod text;
mod tools;
mod vocabulary;

#[cfg(test)]
mod chat_tests;
#[cfg(test)]
mod function_tests;
#[cfg(test)]
mod media_tests;
#[cfg(test)]
mod text_tests;

pub use chat::{ChatRequest, count_characters, count_chat, count_images};
pub use estimate::{Endpoint, Estimate, estimate, estimate_input};
pub use images::{ASSUMED_RULE, ASSUMED_SIZE, Detail, Size, count_image};
pub use input::TextInput;
pub use text::count_text;
