//! What an answer says it used, and what that costs.

use std::collections::HashMap;

use serde::{Deserialize, de::IgnoredAny};

use super::Request;
use crate::{
    models::{self, Price, Tier},
    tokens::Estimate,
    usage::Usage,
};

/// What the books need of an answer's body. Reading it also shows that the body is JSON: what is not needed is skipped, not
/// built.
#[derive(Debug, Default)]
pub(super) struct Metered {
    pub(super) usage: Option<Usage>,
    service_tier: Option<String>,
}

impl Metered {
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        // serde skips strings without looking at their bytes.
        let text = std::str::from_utf8(body).ok()?;
        if !text.trim_start().starts_with('{') {
            return None;
        }
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            usage: Option<Usage>,
            #[serde(default)]
            service_tier: Option<String>,
        }
        match serde_json::from_str(text) {
            Ok(Answer {
                usage,
                service_tier,
            }) => Some(Metered {
                usage,
                service_tier,
            }),
            // JSON of another shape is still an answer, only not one that says what it used.
            Err(_) => serde_json::from_str::<IgnoredAny>(text)
                .ok()
                .map(|_| Metered {
                    usage: None,
                    service_tier: None,
                }),
        }
    }
}

impl Metered {
    /// US dollars by the configured price of the requested or the sent model, else by our table; `None` where the price or
    /// the usage is unknown.
    pub(super) fn cost(&self, request: &Request, prices: &HashMap<String, Price>) -> Option<f64> {
        cost(
            request,
            self.usage.as_ref()?,
            self.service_tier.as_deref(),
            prices,
        )
    }
}

/// US dollars for a usage that was served in a tier; `None` where the price is unknown.
pub(super) fn cost(
    request: &Request,
    usage: &Usage,
    service_tier: Option<&str>,
    prices: &HashMap<String, Price>,
) -> Option<f64> {
    let tier = Tier::from_response(service_tier);
    price(request, tier, prices)?.cost(usage)
}

/// US dollars for the prompt and the longest answers that a request allows; `None` where the price is unknown.
pub(super) fn estimated_cost(
    request: &Request,
    estimate: &Estimate,
    prices: &HashMap<String, Price>,
) -> Option<f64> {
    let output_tokens = estimate.longest_answers();
    let usage = Usage {
        input_tokens: estimate.prompt_tokens,
        output_tokens,
        total_tokens: estimate.prompt_tokens.saturating_add(output_tokens),
        ..Usage::default()
    };
    price(request, Some(Tier::Standard), prices)?.cost(&usage)
}

/// The price of a request that is served in a tier, which nobody needs to know where it is configured.
fn price<'a>(
    request: &Request,
    tier: Option<Tier>,
    prices: &'a HashMap<String, Price>,
) -> Option<&'a Price> {
    let configured = [
        &*request.model,
        &request.requested_model,
        models::without_date(&request.model),
    ]
    .into_iter()
    .find_map(|model| prices.get(model));
    configured.or_else(|| models::price(&request.model, tier?))
}
