//! How embeddings are asked for, and how they are given back.

use crate::{body::Body, models};

/// What a caller gets in the place of each `embedding`, by its `encoding_format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Form {
    /// A list of numbers: `'float'`, or nothing named.
    Numbers,
    /// OpenAI's text of little-endian 32-bit floats: `'base64'`.
    Base64,
    /// 32-bit floats outside of the JSON: `'float32'`, a word of ours that is never sent.
    Float32,
    /// Whatever a server makes of a word that we do not know.
    AsAnswered,
}

/// The form in which an answer is the shortest, and the fastest to read.
const FETCHED: &str = "base64";

impl Form {
    pub(super) fn of(body: &Body<'_>) -> Self {
        if !body.has("encoding_format") {
            return Form::Numbers;
        }
        match body.get::<String>("encoding_format").as_deref() {
            Some("float") => Form::Numbers,
            Some("base64") => Form::Base64,
            Some("float32") => Form::Float32,
            _ => Form::AsAnswered,
        }
    }

    /// The `encoding_format` to send in the place of the caller's; `None` leaves it as it is. Another server's own model may not
    /// know the word, so it is only asked for numbers in another form where the caller wants them in that form.
    pub(super) fn sent(self, model: &str) -> Option<&'static str> {
        let is_openais = models::find(model).is_some_and(models::Model::embedding);
        match self {
            Form::Numbers => is_openais.then_some(FETCHED),
            Form::Base64 | Form::Float32 => Some(FETCHED),
            Form::AsAnswered => None,
        }
    }
}
