//! The table of models, a file for each generation.
//!
//! Sources: prices from OpenAI's pricing pages by way of genai-prices 0.2.3 (verified there 2026-10-12 to 2026-10-26), checked
//! against the official page as mirrored 2026-07-15; windows from the model pages; image rules from the images and vision
//! guide; last days from the deprecations page and the types of openai-node 7.57.0. As of 2026-11-23. Prices are those in
//! force on that day.
//!
//! A row of prices is in US dollars per million tokens:
//!
//! ```text
//! Tier     input  cached  write  output | the same four above 272,000 input tokens
//! ```
//!
//! `-` has no rate of its own and costs the same as input, `?` exists but is not known, `x` does not exist.

use super::image_rule::{patches, patches_large, patches_whole, tiles};
use super::{Encoding, LongContext, Model, Price, Rate, Rates, ServedBy, Tier};

/// Turns the notation of this folder into `&[Model]`. In braces, so that rustfmt keeps the columns.
macro_rules! models {
    ($(
        $name:literal [$($alias:literal),*] $served_by:ident $encoding:ident
            window $window:literal, output $max_output:literal, reasoning $reasoning:literal,
            images $images:expr, ends $ends:tt;
            $($tier:ident $input:tt $cached:tt $write:tt $output:tt $(| $l1:tt $l2:tt $l3:tt $l4:tt)?;)+
    )+) => {
        &[$(Model {
            name: $name,
            aliases: &[$($alias),*],
            encoding: Encoding::$encoding,
            served_by: ServedBy::$served_by,
            context_window: $window,
            max_output_tokens: $max_output,
            reasoning: $reasoning,
            images: $images,
            retired: models!(@day $ends),
            prices: &[$((Tier::$tier, Price {
                rates: models!(@rates $input $cached $write $output),
                long_context: models!(@long $($l1 $l2 $l3 $l4)?),
            })),+],
        }),+]
    };
    (@day never) => { None };
    (@day $day:literal) => { Some($day) };
    (@long) => { None };
    (@long ? ? ? ?) => { Some(LongContext { above_input_tokens: 272_000, rates: None }) };
    (@long $($rate:tt)+) => {
        Some(LongContext { above_input_tokens: 272_000, rates: Some(models!(@rates $($rate)+)) })
    };
    (@rates $input:tt $cached:tt $write:tt $output:tt) => {
        Rates {
            input: $input,
            cached_input: models!(@rate $cached),
            cache_write: models!(@rate $write),
            output: models!(@output $output),
        }
    };
    (@rate -) => { Rate::AsInput };
    (@rate ?) => { Rate::Unknown };
    (@rate $usd:literal) => { Rate::Usd($usd) };
    (@output x) => { None };
    (@output $usd:literal) => { Some($usd) };
}

mod embeddings;
mod gpt_3_and_4;
mod gpt_5;
mod gpt_6;
mod o_series;

/// Every model, by generation.
pub(super) static TABLES: [&[Model]; 5] = [
    gpt_6::MODELS,
    gpt_5::MODELS,
    gpt_3_and_4::MODELS,
    o_series::MODELS,
    embeddings::MODELS,
];
