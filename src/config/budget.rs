//! What may be spent.

use super::reader::Field;
use crate::error::Result;

/// The most that may be spent in a period; `None` is without bound. Days and months in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Budget {
    /// US dollars.
    pub usd_per_day: Option<f64>,
    /// US dollars.
    pub usd_per_month: Option<f64>,
    /// Tokens of any kind.
    pub tokens_per_day: Option<f64>,
    /// Tokens of any kind.
    pub tokens_per_month: Option<f64>,
}

impl Budget {
    pub(super) fn parse(field: &Field<'_>) -> Result<Self> {
        let object =
            field.object(&["usdPerDay", "usdPerMonth", "tokensPerDay", "tokensPerMonth"])?;
        let limit = |name: &str| object.get(name).map(|field| field.positive()).transpose();
        Ok(Budget {
            usd_per_day: limit("usdPerDay")?,
            usd_per_month: limit("usdPerMonth")?,
            tokens_per_day: limit("tokensPerDay")?,
            tokens_per_month: limit("tokensPerMonth")?,
        })
    }
}
