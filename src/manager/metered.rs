//! What an answer says it used, and what that costs.

use std::collections::HashMap;

use serde::{Deserialize, de::IgnoredAny};

use super::Request;
use crate::{
    models::{self, Price, Tier},
    usage::Usage,
};

/// What the books need of an answer's body. Reading it also shows that the body is JSON: what is not needed is skipped, not
/// built.
#[derive(Debug)]
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
        let usage = self.usage.as_ref()?;
        let configured = [
            &*request.model,
            &request.requested_model,
            models::without_date(&request.model),
        ]
        .into_iter()
        .find_map(|model| prices.get(model));
        match configured {
            Some(price) => price.cost(usage),
            None => {
                let tier = Tier::from_response(self.service_tier.as_deref())?;
                models::price(&request.model, tier)?.cost(usage)
            }
        }
    }
}
