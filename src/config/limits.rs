//! What OpenAI grants, as far as the user says.

use std::collections::HashMap;

use super::reader::Field;
use crate::error::Result;

/// The limits of one lane; `None` is "not known".
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Limits {
    /// RPM.
    pub requests_per_minute: Option<f64>,
    /// TPM.
    pub tokens_per_minute: Option<f64>,
    /// RPD.
    pub requests_per_day: Option<f64>,
    /// TPD.
    pub tokens_per_day: Option<f64>,
}

/// Configured limits by model group, `*` for all others.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LimitsByModel {
    by_group: HashMap<String, Limits>,
    others: Limits,
}

impl LimitsByModel {
    /// The limits of a model group.
    pub fn of(&self, model_group: &str) -> Limits {
        self.by_group
            .get(model_group)
            .copied()
            .unwrap_or(self.others)
    }
}

impl FromIterator<(String, Limits)> for LimitsByModel {
    fn from_iter<I: IntoIterator<Item = (String, Limits)>>(limits: I) -> Self {
        let mut by_group: HashMap<_, _> = limits.into_iter().collect();
        let others = by_group.remove("*").unwrap_or_default();
        LimitsByModel { by_group, others }
    }
}

pub(super) fn limits_by_model(field: &Field<'_>) -> Result<LimitsByModel> {
    field
        .entries("an object of model groups and their limits")?
        .iter()
        .map(|(group, limits)| Ok((group.to_owned(), limits_of(&limits)?)))
        .collect()
}

fn limits_of(field: &Field<'_>) -> Result<Limits> {
    let object = field.object(&[
        "requestsPerMinute",
        "tokensPerMinute",
        "requestsPerDay",
        "tokensPerDay",
    ])?;
    let limit = |name: &str| object.get(name).map(|field| field.positive()).transpose();
    Ok(Limits {
        requests_per_minute: limit("requestsPerMinute")?,
        tokens_per_minute: limit("tokensPerMinute")?,
        requests_per_day: limit("requestsPerDay")?,
        tokens_per_day: limit("tokensPerDay")?,
    })
}
