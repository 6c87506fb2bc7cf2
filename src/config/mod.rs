//! User settings become types that cannot be wrong.
//!
//! Three sources lead to the same [`Settings`]: a settings object, the old module's `constants.js` ([`constants`]) and the
//! environment ([`environment`]). Everything is checked here, once; the rooms above never ask again whether a number
//! is positive or a URL is one. A [`RedisTarget`] is read apart: it comes with a call, not with the settings.

mod account;
mod budget;
mod constants;
mod environment;
mod options;
mod reader;
pub mod redis_target;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, time::Duration};

use serde_json::Value;

pub(crate) use self::reader::Field;
pub use self::{
    account::{Account, ApiKey, DEFAULT_BASE_URL, Limits, LimitsByModel},
    budget::Budget,
    environment::Environment,
    options::CallOptions,
    redis_target::RedisTarget,
};
use crate::{
    error::{Code, Error, Result},
    models::Price,
};

/// The fields of the settings object.
const FIELDS: &[&str] = &[
    "accounts",
    // Read by the JavaScript side, which takes it out: it can be a client.
    "redis",
    "pool",
    "onRedisDown",
    "baseURL",
    "maxWaitMs",
    "maxRetries",
    "timeoutsMs",
    "modelAliases",
    "modelGroups",
    "prices",
    "budget",
    "tenantWeights",
    "cacheAffinity",
];

/// The pool's name where none is given.
const DEFAULT_POOL: &str = "default";

/// Characters of a pool's name at most.
const LONGEST_POOL: usize = 64;

/// Everything that a manager needs to know.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// At least one, with different labels.
    pub accounts: Vec<Account>,
    /// Pools of one name share their books in one Redis.
    pub pool: String,
    /// What becomes of requests while Redis is away.
    pub on_redis_down: OnRedisDown,
    /// Longest time that a request may wait for room.
    pub max_wait: Duration,
    /// Further attempts after the first; `None` lets the retry policy choose by the number of accounts.
    pub max_retries: Option<u32>,
    /// Bounds of one call.
    pub timeouts: Timeouts,
    /// Requested model → model sent.
    pub model_aliases: HashMap<String, String>,
    /// Model → the group whose limit it shares.
    pub model_groups: HashMap<String, String>,
    /// Model → its price, before our own table.
    pub prices: HashMap<String, Price>,
    /// What all accounts together may spend.
    pub budget: Budget,
    /// Tenant → its share among tenants that wait; 1 for all others.
    pub tenant_weights: HashMap<String, f64>,
    /// Whether prompts go where their prefix is probably cached.
    pub cache_affinity: bool,
}

/// What becomes of requests while Redis is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnRedisDown {
    /// They go on with this process's share of what was left.
    #[default]
    Degrade,
    /// They fail.
    Fail,
}

/// The bounds of a call's phases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To connect, TLS included.
    pub connect: Duration,
    /// From sending to the response's headers.
    pub first_byte: Duration,
    /// Between two pieces of the response's body.
    pub idle: Duration,
    /// The whole call: waiting, every attempt and the body.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(600),
            idle: Duration::from_secs(60),
            total: Duration::from_secs(600),
        }
    }
}

impl Settings {
    /// Settings from JSON text: a settings object, or the old module's constants, told apart by `OPEN_AI_KEYS`.
    pub fn parse(json: &str) -> Result<Self> {
        // What JSON cannot hold (undefined, a function) arrives as an empty text.
        let value = if json.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(json)
                .map_err(|_| Error::new(Code::Config, "the configuration is not valid JSON"))?
        };
        if value.get("OPEN_AI_KEYS").is_some() {
            constants::parse(&value)
        } else {
            parse_settings(&value)
        }
    }

    /// The defaults around a list of accounts, whose labels must differ.
    fn with_accounts(accounts: Vec<Account>, path: &str) -> Result<Self> {
        if accounts.is_empty() {
            return Err(Error::new(
                Code::Config,
                format!("`{path}` holds no account; give at least one label and key"),
            ));
        }
        for (index, account) in accounts.iter().enumerate() {
            if accounts[..index].iter().any(|a| a.label == account.label) {
                return Err(Error::new(
                    Code::Config,
                    format!(
                        "`{path}` holds the label \"{}\" twice; labels must be unique",
                        account.label
                    ),
                ));
            }
        }
        Ok(Settings {
            accounts,
            pool: DEFAULT_POOL.to_owned(),
            on_redis_down: OnRedisDown::default(),
            max_wait: Duration::from_secs(60),
            max_retries: None,
            timeouts: Timeouts::default(),
            model_aliases: HashMap::new(),
            model_groups: HashMap::new(),
            prices: HashMap::new(),
            budget: Budget::default(),
            tenant_weights: HashMap::new(),
            cache_affinity: true,
        })
    }

    /// The model that is sent for a requested one.
    pub fn sent_model<'a>(&'a self, requested: &'a str) -> &'a str {
        self.model_aliases
            .get(requested)
            .map_or(requested, String::as_str)
    }

    /// The group whose limits a model shares: as configured, else its name without the date.
    pub fn model_group<'a>(&'a self, model: &'a str) -> &'a str {
        let dateless = crate::models::without_date(model);
        self.model_groups
            .get(model)
            .or_else(|| self.model_groups.get(dateless))
            .map_or(dateless, String::as_str)
    }
}

fn parse_settings(value: &Value) -> Result<Settings> {
    let root = Field::root("config", value, Code::Config);
    let object = root.object(FIELDS)?;
    let base_url = match object.get("baseURL") {
        Some(url) => account::base_url_of(&url)?,
        None => DEFAULT_BASE_URL.to_owned(),
    };
    let accounts = parse_accounts(&object.required("accounts"), &base_url)?;
    let mut settings = Settings::with_accounts(accounts, "config.accounts")?;
    if let Some(pool) = object.get("pool") {
        settings.pool = pool_of(&pool)?;
    }
    if let Some(word) = object.get("onRedisDown") {
        settings.on_redis_down = match word.text()? {
            "degrade" => OnRedisDown::Degrade,
            "fail" => OnRedisDown::Fail,
            _ => return Err(word.must_be("'degrade' or 'fail'")),
        };
    }
    if let Some(wait) = object.get("maxWaitMs") {
        settings.max_wait = wait.milliseconds(0.0)?;
    }
    if let Some(retries) = object.get("maxRetries") {
        settings.max_retries = Some(retries.whole(0, options::MOST_RETRIES)?.unsigned_abs());
    }
    if let Some(timeouts) = object.get("timeoutsMs") {
        settings.timeouts = options::timeouts(&timeouts, Timeouts::default())?;
    }
    if let Some(aliases) = object.get("modelAliases") {
        settings.model_aliases = names(&aliases)?;
    }
    if let Some(groups) = object.get("modelGroups") {
        settings.model_groups = names(&groups)?;
    }
    if let Some(budget) = object.get("budget") {
        settings.budget = Budget::parse(&budget)?;
    }
    if let Some(weights) = object.get("tenantWeights") {
        for (tenant, weight) in weights
            .entries("an object of tenants and their weights")?
            .iter()
        {
            let weight = weight.positive()?;
            settings.tenant_weights.insert(tenant.to_owned(), weight);
        }
    }
    if let Some(affinity) = object.get("cacheAffinity") {
        settings.cache_affinity = affinity.flag()?;
    }
    if let Some(prices) = object.get("prices") {
        for (model, price) in prices
            .entries("an object of models and their prices")?
            .iter()
        {
            settings.prices.insert(model.to_owned(), price_of(&price)?);
        }
    }
    Ok(settings)
}

/// A list of accounts, or an object of labels and keys.
fn parse_accounts(field: &Field<'_>, base_url: &str) -> Result<Vec<Account>> {
    if field.is_array() {
        return field
            .elements()?
            .iter()
            .map(|account| Account::parse(account, base_url))
            .collect();
    }
    field
        .entries("an array of accounts or an object of labels and keys")?
        .iter()
        .map(|(name, key)| {
            let label = account::label(&key, Some(name))?;
            Ok(Account::bare(&label, key.secret()?, base_url))
        })
        .collect()
}

/// The name stands in Redis keys that people read.
fn pool_of(field: &Field<'_>) -> Result<String> {
    let name = field.text()?;
    match name.chars().count() <= LONGEST_POOL && !name.chars().any(char::is_control) {
        true => Ok(name.to_owned()),
        false => Err(field.must_be(format!(
            "at most {LONGEST_POOL} characters, none of them a control character"
        ))),
    }
}

fn names(field: &Field<'_>) -> Result<HashMap<String, String>> {
    field
        .entries("an object of model names")?
        .iter()
        .map(|(from, to)| Ok((from.to_owned(), to.text()?.to_owned())))
        .collect()
}

/// US dollars per million tokens.
fn price_of(field: &Field<'_>) -> Result<Price> {
    let object = field.object(&["input", "cachedInput", "output"])?;
    let optional = |name: &str| {
        object
            .get(name)
            .map(|field| field.zero_or_more())
            .transpose()
    };
    Ok(Price::new(
        object.required("input").zero_or_more()?,
        optional("cachedInput")?,
        optional("output")?,
    ))
}
