//! What a simulator is told: one JSON text, parsed into types that cannot be wrong.
//!
//! | field | default | meaning |
//! |---|---|---|
//! | `port` | 0: any free one | TCP port on 127.0.0.1 |
//! | `seed` | 1 | start of all randomness |
//! | `charging` | `"2025"` | `"documented"`, `"2024"`, `"2025"` or `"usage"`: see [`ChargingRule`] |
//! | `accounts` | one, any key | list of `{ label, apiKey, organization, project, limits, models }`, see below |
//! | `modelGroups` | none | `{ MODEL: GROUP }`: models of one group share their limits; otherwise a group is a model's name without its date |
//! | `latencyMs` | 0 | number, `{ min, max }` or `{ median, sigma }`: time until an admitted request is answered |
//! | `outputTokens` | `{ min: 5, max: 60 }` | number or `{ min, max }`: length of an answer, cut at the request's own maximum |
//! | `msPerToken` | 0 | time between the tokens of a stream |
//! | `promptCacheIdleMs` | 600000 | how long an organization's prompt cache keeps what is not used; 0 switches it off |
//! | `faults` | none | list of `{ account, model, path, status, error, body, headers, delayMs, after, times, probability }` |
//!
//! **An account** has its `apiKey` and, if wanted, a `label` (default `account_1`, `account_2`, …), an `organization`
//! (default: derived from the key), a `project`, `models` (others answer 404; default all) and `limits`:
//! `{ MODEL_OR_STAR: { requestsPerMinute, requestsPerDay, tokensPerMinute, tokensPerDay } }`. Accounts of the same
//! organization and project share their limits, which one of them states. A metric left out is not limited. A model
//! without an entry has that of `"*"`, and without that, limits that no test reaches.
//!
//! **A fault** strikes requests of its `account` (label), `model` (or group) and `path` (its end), each optional; skips
//! `after` of them (0), then strikes at most `times` (no end) with `probability` (1). It waits `delayMs` (0) and, with a
//! `status`, answers that with what OpenAI would send, or with the `error` of this name, or with this `body` (a JSON
//! value, or a string sent as it is) and `headers`.

mod distribution;
mod faults;
mod fields;
mod parse;

use std::collections::{HashMap, HashSet};
use std::fmt;

pub use distribution::{Latency, OutputTokens};

use super::charging::ChargingRule;
use super::faults::FaultRule;
use super::limits::Limits;
use crate::models::without_date;

/// Everything that makes one simulator differ from another.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(super) port: u16,
    pub(super) seed: u64,
    pub(super) charging: ChargingRule,
    /// Never empty.
    pub(super) accounts: Vec<Account>,
    pub(super) scopes: Vec<Scope>,
    pub(super) model_groups: ModelGroups,
    pub(super) latency: Latency,
    pub(super) output_tokens: OutputTokens,
    pub(super) ms_per_token: f64,
    pub(super) prompt_cache_idle_ms: f64,
    pub(super) faults: Vec<FaultRule>,
}

/// One API key and what it may do.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) label: String,
    /// `None` accepts any key; only for the account of a simulator without a list of accounts.
    pub(super) api_key: Option<String>,
    pub(super) organization: String,
    pub(super) project: String,
    /// Index of the [`Scope`] whose limits it shares.
    pub(super) scope: usize,
    /// The models it serves; `None` for all.
    pub(super) models: Option<HashSet<String>>,
}

/// What OpenAI limits: an organization's project, with all its keys.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Scope {
    /// Limits by model group.
    pub(super) limits: HashMap<String, Limits>,
    /// Limits of every group without an entry.
    pub(super) others: Limits,
}

/// Which models share a limit.
#[derive(Debug, Clone, Default)]
pub(super) struct ModelGroups(pub(super) HashMap<String, String>);

/// Why settings were refused: the field, the value found, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError {
    message: String,
}

impl Settings {
    /// Parses the JSON text of settings. Fields that are left out or `null` have their defaults; a field that does not
    /// exist is an error.
    pub fn parse(json: &str) -> Result<Settings, SettingsError> {
        parse::settings(json)
    }
}

impl Account {
    pub(super) fn serves(&self, model: &str) -> bool {
        self.models
            .as_ref()
            .is_none_or(|models| models.contains(model))
    }
}

impl Scope {
    pub(super) fn limits_of(&self, group: &str) -> &Limits {
        self.limits.get(group).unwrap_or(&self.others)
    }
}

impl ModelGroups {
    /// The group of a model: as settings say of its name, or of its name without the date; else the latter.
    pub(super) fn group<'a>(&'a self, model: &'a str) -> &'a str {
        let undated = without_date(model);
        self.0
            .get(model)
            .or_else(|| self.0.get(undated))
            .map_or(undated, String::as_str)
    }
}

impl SettingsError {
    fn new(message: String) -> SettingsError {
        SettingsError { message }
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for SettingsError {}

#[cfg(test)]
mod tests;
