//! What response headers say: limits, what is left, when to come back, whose key it was. Pure.
//!
//! A missing, negative or unreadable value is *unknown*, never zero: servers send `-1`, empty values and formats of their own,
//! and a limit of zero that nobody meant would close a lane for good.
//!
//! Nobody says which dialect it speaks, so nothing here asks for the provider's name. The names of the headers tell most of it,
//! and the arithmetic of a bucket that refills continuously tells the rest: `reset = (limit - remaining) × window / limit`.
//!
//! | server | requests, tokens | window | reset |
//! |---|---|---|---|
//! | OpenAI | `-requests`, `-tokens`, `-project-tokens` | not said; follows from the reset | Go duration, until full |
//! | Groq | as OpenAI | requests per day, tokens per minute; follows from the reset | Go duration |
//! | Azure | as OpenAI | `x-ratelimit-renewalperiod-*` | bare number; the unit follows from limit and remaining |
//! | xAI | as OpenAI; all of it left is no reading | not said; taken as a minute | none |
//! | Mistral | `-req-minute` or `-req-10-second`, `-tokens-minute` | in the name | none |
//! | Together | no suffix, and `x-tokenlimit-*` | a second, by its documentation | past with its second |
//! | vLLM, Ollama, … | none | | |
//!
//! A dialect is a row of a table in `dialects.rs`; a reading takes, for requests and for tokens, the first row that says
//! anything.

mod dialects;
mod duration;
mod identity;
mod meter;
mod reading;
mod reset;
mod retry;
#[cfg(test)]
mod tests;
mod value;

pub use self::{
    duration::go_duration,
    identity::Identity,
    meter::{Meter, Window},
    reading::Reading,
    retry::RetryHint,
};
