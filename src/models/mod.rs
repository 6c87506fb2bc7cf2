//! What is known about every model: its encoding, window, image rule, prices and last day.
//!
//! The knowledge is a table in the source, read once into a map by name. It is a snapshot of a moving thing, so nothing
//! may depend on a model being in it: a name that is not gets the newest encoding ([`encoding()`]) and no price
//! ([`price()`] is `None`, never a guess), and is sent like any other.
//!
//! A name is looked up as it is, then as an alias, then, for `ft:BASE:…`, as its base, and last without its date, so that
//! the snapshots that responses name (`gpt-6-sol-2026-…`) find their model.

mod encoding;
mod image_rule;
mod long_context;
mod model;
mod name;
mod price;
#[cfg(test)]
mod price_tests;
mod table;

pub use encoding::{Encoding, encoding};
pub use image_rule::{ImageRule, PatchLimit, PatchRule};
pub use long_context::separate_limits_above;
pub use model::{Model, ServedBy, all, find};
pub use name::without_date;
pub use price::{LongContext, Price, Rate, Rates, Tier, price};
