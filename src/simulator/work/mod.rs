//! A request to a generating endpoint: its body read, its demand known, its answer made.

mod bodies;
mod parse;
mod prefix;
mod task;
#[cfg(test)]
mod tests;

pub(super) use bodies::Input;
pub(super) use task::{Body, Origin, Work};
