//! What successful answers say, whole or as a stream.
//!
//! The words of an answer are tokens of known number, so that its usage is true without a tokenizer; a stream and a
//! whole reply from the same seed say the same.

mod reply;
mod stream;
mod vectors;
mod words;

pub(super) use reply::{Output, Reply, embeddings, models};
pub(super) use stream::{ChunkForm, Event, EventStream, StreamForm};
pub(super) use vectors::{Format, Vector, native_dimensions};
