//! What a model's tokens cost.

use super::name::is_fine_tuned;
use crate::usage::Usage;

/// The rate of one kind of token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    /// US dollars per million tokens.
    Usd(f64),
    /// No rate of its own: such tokens are billed as plain input. So it is where OpenAI's tables show a dash: caches
    /// without a discount (batch on gpt-4.x and the o-series, the pro models) and free cache writes (before gpt-5.6).
    AsInput,
    /// OpenAI has such a rate, but it is not known here. A request that used such tokens has an unknown cost.
    Unknown,
}

impl Rate {
    /// Dollars per million for `tokens` tokens; what no token uses needs no rate.
    fn of(self, tokens: u64, input: f64) -> Option<f64> {
        match self {
            _ if tokens == 0 => Some(0.0),
            Self::Usd(rate) => Some(rate * tokens as f64),
            Self::AsInput => Some(input * tokens as f64),
            Self::Unknown => None,
        }
    }
}

/// Rates in US dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Plain input tokens.
    pub input: f64,
    /// Input tokens read from the prompt cache.
    pub cached_input: Rate,
    /// Input tokens written to the prompt cache (kept for 30 minutes, the default).
    pub cache_write: Rate,
    /// Output tokens; `None` where the model has none (embeddings).
    pub output: Option<f64>,
}

/// Higher rates for requests with a long prompt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LongContext {
    /// The whole request, not the part above, is billed at `rates` once it has more input tokens than this.
    pub above_input_tokens: u64,
    /// The rates then; `None` where no source states them for this tier, and the cost is unknown.
    pub rates: Option<Rates>,
}

/// The price of a model in one tier.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    /// The rates of ordinary requests.
    pub rates: Rates,
    /// The rates of requests with a long prompt, where they differ.
    pub long_context: Option<LongContext>,
}

impl Price {
    /// A price set by the user, in US dollars per million tokens.
    ///
    /// Without `cached_input`, cached tokens cost the same as others. Without `output`, the cost of any request that
    /// generated tokens is unknown. Cache writes cost the same as input.
    pub const fn new(input: f64, cached_input: Option<f64>, output: Option<f64>) -> Self {
        Self {
            rates: Rates {
                input,
                cached_input: match cached_input {
                    Some(rate) => Rate::Usd(rate),
                    None => Rate::AsInput,
                },
                cache_write: Rate::AsInput,
                output,
            },
            long_context: None,
        }
    }

    /// The cost of `usage` in US dollars, or `None` when it needs a rate that is not known.
    ///
    /// Text rates only: audio tokens of audio models cost more, and a regional endpoint adds 10 %.
    pub fn cost(&self, usage: &Usage) -> Option<f64> {
        let rates = match &self.long_context {
            Some(long) if usage.input_tokens > long.above_input_tokens => long.rates.as_ref()?,
            _ => &self.rates,
        };
        let (cached, written) = (usage.cached_input_tokens, usage.cache_write_tokens);
        let plain = usage
            .input_tokens
            .saturating_sub(cached)
            .saturating_sub(written);
        let output = match (rates.output, usage.output_tokens) {
            (_, 0) => 0.0,
            (rate, tokens) => rate? * tokens as f64,
        };
        let millionths = rates.input * plain as f64
            + rates.cached_input.of(cached, rates.input)?
            + rates.cache_write.of(written, rates.input)?
            + output;
        Some(millionths / 1e6)
    }
}

/// How a request is served, which decides its price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tier {
    /// The ordinary way.
    Standard,
    /// The Batch API.
    Batch,
    /// Slower and cheaper, may be refused for lack of capacity.
    Flex,
    /// Faster and dearer; also called `fast` since autumn 2026.
    Priority,
}

impl Tier {
    /// The tier a response's `service_tier` names: what was really used, whatever had been asked for.
    ///
    /// Without the field it is [`Tier::Standard`]. A word that names no known tier gives `None`: the cost is unknown.
    pub fn from_response(service_tier: Option<&str>) -> Option<Self> {
        match service_tier {
            None | Some("default") => Some(Self::Standard),
            Some("flex") => Some(Self::Flex),
            Some("priority" | "fast") => Some(Self::Priority),
            Some(_) => None,
        }
    }
}

/// The price of a model in a tier, or `None` where it is not known: an unknown model, a tier the model is not offered
/// in, or a fine-tuned model, whose rates differ from its base's.
///
/// A dated snapshot that is not in the table has the price of its undated name. Takes names as [`super::find`] does.
pub fn price(model: &str, tier: Tier) -> Option<&'static Price> {
    if is_fine_tuned(model) {
        return None;
    }
    let (_, price) = super::find(model)?
        .prices
        .iter()
        .find(|(t, _)| *t == tier)?;
    Some(price)
}
