//! User settings become types that cannot be wrong.
//!
//! Three sources lead to the same [`Settings`]: a settings object, the old module's `constants.js` ([`constants`]) and the
//! environment ([`environment`]). Everything is checked here, once; the rooms above never ask again whether a number
//! is positive or a URL is one. A [`RedisTarget`] is read apart: it comes with a call, not with the settings.

mod account;
mod address;
mod budget;
mod changes;
mod constants;
mod environment;
mod kind;
mod limits;
mod options;
mod reader;
pub mod redis_target;
mod request_headers;
mod shared;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde_json::Value;

pub(crate) use self::reader::Field;
use self::reader::Object;
pub use self::{
    account::{Account, DEFAULT_BASE_URL},
    address::Address,
    budget::Budget,
    environment::Environment,
    kind::Kind,
    limits::{Limits, LimitsByModel},
    options::{CallOptions, Deadline, UpdateOptions},
    redis_target::RedisTarget,
    shared::SharedChanges,
};
use crate::{
    error::{Code, Error, Result},
    key::Key,
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
    "coalesce",
    "batchWindowMs",
];

/// The pool's name where none is given.
const DEFAULT_POOL: &str = "default";

/// The longest wait for room where none is given.
const DEFAULT_MAX_WAIT: Duration = Duration::from_secs(60);

/// Characters of a pool's name at most.
const LONGEST_POOL: usize = 64;

/// Everything that a manager needs to know.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// At least one, with different labels.
    pub accounts: Vec<Arc<Account>>,
    /// Where requests of accounts go that name no URL of their own.
    base_url: String,
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
    /// Whether calls that ask for the same at the same time share one.
    pub coalesce: bool,
    /// How long a call for embeddings waits for others to go with it; zero for none.
    pub batch_window: Duration,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    fn with_accounts(accounts: Vec<Account>, base_url: String, path: &str) -> Result<Self> {
        check_accounts(&accounts, path)?;
        Ok(Settings {
            accounts: accounts.into_iter().map(Arc::new).collect(),
            base_url,
            pool: DEFAULT_POOL.to_owned(),
            on_redis_down: OnRedisDown::default(),
            max_wait: DEFAULT_MAX_WAIT,
            max_retries: None,
            timeouts: Timeouts::default(),
            model_aliases: HashMap::new(),
            model_groups: HashMap::new(),
            prices: HashMap::new(),
            budget: Budget::default(),
            tenant_weights: HashMap::new(),
            cache_affinity: true,
            coalesce: false,
            batch_window: Duration::ZERO,
        })
    }

    /// The numbers of the functions that give its accounts' keys.
    pub fn key_functions(&self) -> Vec<u32> {
        let keys = self.accounts.iter().map(|account| &account.key);
        let numbers = keys.filter_map(|key| match key {
            Key::Text(_) => None,
            Key::Function(function) => Some(function.number()),
        });
        numbers.collect()
    }

    /// The account of a label that an argument names.
    pub fn account(&self, label: &str, argument: &str) -> Result<&Arc<Account>> {
        self.known(label).ok_or_else(|| {
            let known: Vec<&str> = self.accounts.iter().map(|account| &*account.label).collect();
            Error::new(
                Code::Argument,
                format!(
                    "`{argument}` names the account \"{}\", which is not configured; configured are: {}",
                    label.escape_debug(),
                    known.join(", ")
                ),
            )
        })
    }

    /// The account of this label, if there is one.
    pub fn known(&self, label: &str) -> Option<&Arc<Account>> {
        self.accounts
            .iter()
            .find(|account| &*account.label == label)
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
    let mut base_url = DEFAULT_BASE_URL.to_owned();
    set_base_url(&object, &mut base_url)?;
    let accounts = parse_accounts(&object.required("accounts"), &base_url)?;
    let mut settings = Settings::with_accounts(accounts, base_url, "config.accounts")?;
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
    settings.set(&object)?;
    Ok(settings)
}

fn set_base_url(object: &Object<'_>, base_url: &mut String) -> Result<()> {
    let default = DEFAULT_BASE_URL.to_owned();
    object.set("baseURL", base_url, default, account::base_url_of)
}

impl Settings {
    /// Takes over the fields that an object names and that stand for themselves; `null` is a field's default.
    fn set(&mut self, object: &Object<'_>) -> Result<()> {
        object.set("maxWaitMs", &mut self.max_wait, DEFAULT_MAX_WAIT, |wait| {
            wait.milliseconds(0.0)
        })?;
        object.set("maxRetries", &mut self.max_retries, None, |retries| {
            let retries = retries.whole(0, options::MOST_RETRIES)?;
            Ok(Some(retries.unsigned_abs()))
        })?;
        let timeouts = Timeouts::default();
        object.set("timeoutsMs", &mut self.timeouts, timeouts, |field| {
            options::timeouts(field, timeouts)
        })?;
        let none = HashMap::new;
        object.set("modelAliases", &mut self.model_aliases, none(), names)?;
        object.set("modelGroups", &mut self.model_groups, none(), names)?;
        object.set("budget", &mut self.budget, Budget::default(), Budget::parse)?;
        object.set(
            "tenantWeights",
            &mut self.tenant_weights,
            HashMap::new(),
            |weights| {
                by_name(
                    weights,
                    "an object of tenants and their weights",
                    Field::positive,
                )
            },
        )?;
        object.set("cacheAffinity", &mut self.cache_affinity, true, Field::flag)?;
        object.set("coalesce", &mut self.coalesce, false, Field::flag)?;
        let window = &mut self.batch_window;
        object.set("batchWindowMs", window, Duration::ZERO, |window| {
            window.milliseconds(0.0)
        })?;
        object.set("prices", &mut self.prices, HashMap::new(), |prices| {
            by_name(prices, "an object of models and their prices", price_of)
        })
    }
}

/// A list of accounts, or an object of labels and keys.
fn parse_accounts(field: &Field<'_>, base_url: &str) -> Result<Vec<Account>> {
    if field.is_array() {
        return field
            .elements()?
            .iter()
            .map(|account| Account::parse(&account.object(account::FIELDS)?, base_url))
            .collect();
    }
    keys_by_label(field)?
        .into_iter()
        .map(|(label, key)| Account::bare(&label, account::key_of(&key)?, base_url))
        .collect()
}

fn keys_by_label<'a>(field: &Field<'a>) -> Result<Vec<(String, Field<'a>)>> {
    field
        .entries("an array of accounts or an object of labels and keys")?
        .iter()
        .map(|(name, key)| Ok((account::label(&key, Some(name))?, key)))
        .collect()
}

/// There must be accounts, with different labels.
fn check_accounts(accounts: &[Account], path: &str) -> Result<()> {
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
    Ok(())
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
    by_name(field, "an object of model names", |to| {
        to.text().map(str::to_owned)
    })
}

fn by_name<'a, T>(
    field: &Field<'a>,
    accepted: &str,
    read: impl Fn(&Field<'a>) -> Result<T>,
) -> Result<HashMap<String, T>> {
    field
        .entries(accepted)?
        .iter()
        .map(|(name, value)| Ok((name.to_owned(), read(&value)?)))
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
