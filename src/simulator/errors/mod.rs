//! Every error body of OpenAI's that the simulator can send.
//!
//! Status, type, code and text are as published or recorded for rate limits, quotas out of credit, keys, models,
//! countries, context lengths, embeddings of too many tokens, 500, 502 and 503. Of the others (malformed requests,
//! wrong paths and methods, 408, 409, deactivated accounts, spend limits, `slow_down`) only status and code follow
//! OpenAI; the words are ours, so no client should be tested against them.

mod api_error;
mod catalogue;
#[cfg(test)]
mod tests;

pub(super) use api_error::{ApiError, Subject};
pub(super) use catalogue::{NAMES, gateway_page, name_for_status, status_of};
