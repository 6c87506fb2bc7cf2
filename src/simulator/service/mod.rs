//! One request to one answer, with time as an argument and no socket.
//!
//! The order is OpenAI's: path, key, body, model; then the scripted refusals, the limiter, and behind it the engine with
//! its scripted failures, its latency and its reply.

mod answers;
mod engine;
mod flow;
mod stats;
#[cfg(test)]
mod tests;

pub(super) use answers::Answer;
pub(super) use flow::{Request, Service};
