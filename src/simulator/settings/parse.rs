//! From JSON to [`Settings`].

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU64;

use hyper::header::HeaderValue;
use serde_json::Value;

use super::distribution::LONGEST_MS;
use super::fields::{Fields, integer, mismatch, text};
use super::{Account, Latency, ModelGroups, OutputTokens, Scope, Settings, SettingsError, faults};
use crate::simulator::cache::PromptCache;
use crate::simulator::charging::{ChargingRule, RULE_NAMES};
use crate::simulator::limits::Limits;
use crate::simulator::randomness::{fingerprint, generator, letters_and_digits};

/// Limits that no test reaches: 10 million requests and 10 billion tokens a minute.
const GENEROUS: Limits = Limits {
    requests_per_minute: NonZeroU64::new(10_000_000),
    requests_per_day: None,
    tokens_per_minute: NonZeroU64::new(10_000_000_000),
    tokens_per_day: None,
};

/// Largest limit: what floating point still counts in single tokens with room to spare.
const LARGEST_LIMIT: u64 = 1_000_000_000_000;

/// Largest whole number that JavaScript holds exactly.
const LARGEST_INTEGER: u64 = 9_007_199_254_740_991;

pub(super) fn settings(json: &str) -> Result<Settings, SettingsError> {
    let value: Value = serde_json::from_str(json)
        .map_err(|error| SettingsError::new(format!("settings are not JSON: {error}")))?;
    let mut fields = Fields::new(String::new(), &value)?;
    let port = fields.integer("port", 0, u64::from(u16::MAX))?.unwrap_or(0) as u16;
    let seed = fields.integer("seed", 0, LARGEST_INTEGER)?.unwrap_or(1);
    let charging = charging(&mut fields)?;
    let model_groups = model_groups(&mut fields)?;
    let (accounts, scopes) = accounts(&mut fields, &model_groups)?;
    let latency = match fields.value("latencyMs") {
        Some(value) => Latency::parse("latencyMs", value)?,
        None => Latency::Fixed(0.0),
    };
    let output_tokens = match fields.value("outputTokens") {
        Some(value) => OutputTokens::parse("outputTokens", value)?,
        None => OutputTokens { min: 5, max: 60 },
    };
    let ms_per_token = fields.number("msPerToken", 0.0, LONGEST_MS)?.unwrap_or(0.0);
    let prompt_cache_idle_ms = fields
        .number("promptCacheIdleMs", 0.0, LONGEST_MS)?
        .unwrap_or(PromptCache::IDLE_MS);
    let faults = faults::rules(&mut fields, &accounts)?;
    fields.finish()?;
    Ok(Settings {
        port,
        seed,
        charging,
        accounts,
        scopes,
        model_groups,
        latency,
        output_tokens,
        ms_per_token,
        prompt_cache_idle_ms,
        faults,
    })
}

fn charging(fields: &mut Fields<'_>) -> Result<ChargingRule, SettingsError> {
    let Some(value) = fields.value("charging") else {
        return Ok(ChargingRule::default());
    };
    RULE_NAMES
        .into_iter()
        .find(|(name, _)| value == *name)
        .map(|(_, rule)| rule)
        .ok_or_else(|| {
            let names = RULE_NAMES.map(|(name, _)| format!("{name:?}")).join(", ");
            mismatch("charging", &format!("one of {names}"), value)
        })
}

fn model_groups(fields: &mut Fields<'_>) -> Result<ModelGroups, SettingsError> {
    let mut groups = HashMap::new();
    for (path, model, value) in fields.map("modelGroups")?.unwrap_or_default() {
        groups.insert(model.to_owned(), text(&path, value)?.to_owned());
    }
    Ok(ModelGroups(groups))
}

/// The accounts and, behind them, the scopes that they share.
#[derive(Default)]
struct Register {
    accounts: Vec<Account>,
    scopes: Vec<Scope>,
    /// Organization and project of each scope, and whether an account has stated its limits.
    owners: Vec<(String, String, bool)>,
}

fn accounts(
    fields: &mut Fields<'_>,
    groups: &ModelGroups,
) -> Result<(Vec<Account>, Vec<Scope>), SettingsError> {
    let mut register = Register::default();
    let path = fields.path("accounts");
    match fields.list("accounts")? {
        None => register.add_any_key(),
        Some(list) if list.is_empty() => {
            let reason = format!("{path} must name at least one account, or be left out");
            return Err(SettingsError::new(reason));
        }
        Some(list) => {
            for (path, value) in list {
                register.add(path, value, groups)?;
            }
        }
    }
    Ok((register.accounts, register.scopes))
}

impl Register {
    fn add_any_key(&mut self) {
        let organization = derived("org-", "any key");
        let project = derived("proj_", &organization);
        let scope = self.scope(&organization, &project);
        self.accounts.push(Account {
            label: "account_1".to_owned(),
            api_key: None,
            organization,
            project,
            scope,
            models: None,
        });
    }

    fn add(
        &mut self,
        path: String,
        value: &Value,
        groups: &ModelGroups,
    ) -> Result<(), SettingsError> {
        let mut fields = Fields::new(path, value)?;
        let label = match fields.text("label")? {
            Some(label) => label.to_owned(),
            None => format!("account_{}", self.accounts.len() + 1),
        };
        let key_path = fields.path("apiKey");
        let api_key = fields
            .secret("apiKey")?
            .ok_or_else(|| SettingsError::new(format!("{key_path} is missing")))?
            .to_owned();
        for other in &self.accounts {
            if other.label == label {
                let reason = format!("{} {label:?} is another account's", fields.path("label"));
                return Err(SettingsError::new(reason));
            }
            if other.api_key.as_deref() == Some(&api_key) {
                let reason = format!("{key_path} is also the key of {:?}", other.label);
                return Err(SettingsError::new(reason));
            }
        }
        let organization =
            header_text(&mut fields, "organization")?.unwrap_or_else(|| derived("org-", &api_key));
        let project =
            header_text(&mut fields, "project")?.unwrap_or_else(|| derived("proj_", &organization));
        let scope = self.scope(&organization, &project);
        let models = match fields.list("models")? {
            None => None,
            Some(list) => Some(
                list.into_iter()
                    .map(|(path, value)| text(&path, value).map(str::to_owned))
                    .collect::<Result<HashSet<String>, SettingsError>>()?,
            ),
        };
        if let Some(limits) = limits(&mut fields, groups)? {
            self.state_limits(scope, limits, &fields.path("limits"))?;
        }
        fields.finish()?;
        self.accounts.push(Account {
            label,
            api_key: Some(api_key),
            organization,
            project,
            scope,
            models,
        });
        Ok(())
    }

    /// The scope of an organization's project; made when it is first named.
    fn scope(&mut self, organization: &str, project: &str) -> usize {
        let known = self
            .owners
            .iter()
            .position(|(owner, part, _)| owner == organization && part == project);
        known.unwrap_or_else(|| {
            self.owners
                .push((organization.to_owned(), project.to_owned(), false));
            self.scopes.push(Scope {
                limits: HashMap::new(),
                others: GENEROUS,
            });
            self.scopes.len() - 1
        })
    }

    fn state_limits(
        &mut self,
        scope: usize,
        limits: Scope,
        path: &str,
    ) -> Result<(), SettingsError> {
        let (organization, _, stated) = &mut self.owners[scope];
        if *stated && self.scopes[scope] != limits {
            return Err(SettingsError::new(format!(
                "{path} differs from the limits of another account of {organization}, which shares them"
            )));
        }
        *stated = true;
        self.scopes[scope] = limits;
        Ok(())
    }
}

/// A text that is sent as a header.
fn header_text(
    fields: &mut Fields<'_>,
    name: &'static str,
) -> Result<Option<String>, SettingsError> {
    let path = fields.path(name);
    match fields.text(name)? {
        Some(text) if HeaderValue::from_str(text).is_err() => Err(SettingsError::new(format!(
            "{path} must consist of visible ASCII, got {text:?}"
        ))),
        text => Ok(text.map(str::to_owned)),
    }
}

/// An id in OpenAI's form that depends on `owner` alone, so that it stays when accounts are added.
fn derived(prefix: &str, owner: &str) -> String {
    let mut rng = generator([
        fingerprint(prefix.as_bytes()),
        fingerprint(owner.as_bytes()),
        0,
    ]);
    format!("{prefix}{}", letters_and_digits(&mut rng, 24))
}

fn limits(fields: &mut Fields<'_>, groups: &ModelGroups) -> Result<Option<Scope>, SettingsError> {
    let Some(entries) = fields.map("limits")? else {
        return Ok(None);
    };
    let mut scope = Scope {
        limits: HashMap::new(),
        others: GENEROUS,
    };
    for (path, model, value) in entries {
        let limits = limits_of_model(path.clone(), value)?;
        if model == "*" {
            scope.others = limits;
            continue;
        }
        let group = groups.group(model).to_owned();
        if scope
            .limits
            .insert(group.clone(), limits)
            .is_some_and(|other| other != limits)
        {
            return Err(SettingsError::new(format!(
                "{path} differs from the limits of another model of its group {group:?}"
            )));
        }
    }
    Ok(Some(scope))
}

fn limits_of_model(path: String, value: &Value) -> Result<Limits, SettingsError> {
    let mut fields = Fields::new(path, value)?;
    let mut limit = |name| -> Result<Option<NonZeroU64>, SettingsError> {
        let path = fields.path(name);
        let number = fields
            .value(name)
            .map(|value| integer(&path, value, 1, LARGEST_LIMIT))
            .transpose()?;
        Ok(number.and_then(NonZeroU64::new))
    };
    let limits = Limits {
        requests_per_minute: limit("requestsPerMinute")?,
        requests_per_day: limit("requestsPerDay")?,
        tokens_per_minute: limit("tokensPerMinute")?,
        tokens_per_day: limit("tokensPerDay")?,
    };
    fields.finish()?;
    Ok(limits)
}
