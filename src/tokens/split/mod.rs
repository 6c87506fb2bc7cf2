//! Cutting text into the pieces within which bytes are merged.
//!
//! Each encoding has a regular expression for it; what follows from the expression is written out here, in a function for each
//! that says where the piece ends that begins at a place. A regex engine takes most of the time that counting needs, and some
//! give up on long runs. The expressions are those of tiktoken 0.14.0 (`tiktoken_ext/openai_public.py`). All of them try their
//! alternatives in order, and one matches at every place.
//!
//! No run of characters is looked at more than three times, however long.

mod cl100k;
mod class;
mod contraction;
mod gpt2;
mod o200k;
mod scan;

pub(super) use cl100k::piece as cl100k;
pub(super) use gpt2::piece as gpt2;
pub(super) use o200k::piece as o200k;
