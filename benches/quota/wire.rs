//! What the provider's numbers become on their way through headers and error texts.

use std::time::Duration;

use openai_request_manager::{
    config::Limits,
    headers::{Meter, Reading, Window},
    outcome::LimitHit,
    quota::{Booking, Settlement, Unspent},
    simulator,
};

use crate::provider::Reply;

/// What the manager and the scheduler tell the store about an answer.
pub(crate) fn settlement(booking: Booking, reply: &Reply) -> Settlement {
    match reply {
        // Failed requests count toward the limits.
        Reply::Admitted(readings) | Reply::Failed(readings) => Settlement {
            booking,
            refused: false,
            unspent: Unspent::Nothing,
            reading: reading(readings),
            limit_hit: None,
            block_ms: None,
        },
        Reply::Refused(refusal) => {
            let hit = limit_hit(refusal);
            Settlement {
                booking,
                refused: true,
                // A refusal on requests takes nothing; one on tokens has used up a request.
                unspent: match hit.tokens {
                    true => Unspent::Tokens,
                    false => Unspent::All,
                },
                reading: reading(&refusal.readings),
                limit_hit: Some(hit),
                // In whole milliseconds, cut.
                block_ms: refusal.wait_ms.map(f64::floor),
            }
        }
    }
}

/// The headers' numbers as the manager reads them. Resets come in whole milliseconds, cut.
fn reading(readings: &simulator::Readings) -> Reading {
    Reading {
        requests: meter(readings.requests),
        tokens: meter(readings.tokens),
    }
}

fn meter(reading: Option<simulator::Reading>) -> Meter {
    reading.map_or(Meter::default(), |reading| Meter {
        limit: Some(reading.limit as f64),
        remaining: Some(reading.remaining as f64),
        reset: Some(Duration::from_millis(reading.reset_ms as u64)),
        ..Meter::default()
    })
}

/// The limit that a 429's text names.
fn limit_hit(refusal: &simulator::Refusal) -> LimitHit {
    use simulator::Metric::{RequestsPerDay, TokensPerDay, TokensPerMinute};
    LimitHit {
        tokens: matches!(refusal.metric, TokensPerMinute | TokensPerDay),
        window: match refusal.metric {
            RequestsPerDay | TokensPerDay => Window::Day,
            _ => Window::Minute,
        },
        limit: refusal.limit as f64,
    }
}

/// The limits of an account as its owner would configure them.
pub(crate) fn configured(limits: &simulator::Limits) -> Limits {
    let number = |limit: Option<std::num::NonZeroU64>| limit.map(|limit| limit.get() as f64);
    Limits {
        requests_per_minute: number(limits.requests_per_minute),
        tokens_per_minute: number(limits.tokens_per_minute),
        requests_per_day: number(limits.requests_per_day),
        tokens_per_day: number(limits.tokens_per_day),
    }
}
