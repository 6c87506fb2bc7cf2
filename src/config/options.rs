//! What a caller may set for one call.

use std::time::Duration;

use serde_json::Value;

use super::{Timeouts, reader::Field};
use crate::error::{Code, Error, Result};

/// More further attempts than this are a mistake.
pub(super) const MOST_RETRIES: i32 = 100;

/// Priorities lie between this and its negative.
const HIGHEST_PRIORITY: i32 = 1_000;

/// The options of one call; what is `None` comes from the settings.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct CallOptions {
    /// Longest time to wait for room.
    pub max_wait: Option<Duration>,
    /// Further attempts after the first: a hard bound.
    pub max_retries: Option<u32>,
    /// Bounds of the call's phases.
    pub timeouts: Option<Timeouts>,
    /// Labels of the accounts that may serve it.
    pub accounts: Option<Vec<String>>,
    /// Higher goes first.
    pub priority: i32,
    /// Callers that share fairly.
    pub tenant: Option<String>,
    /// Whether its prompt goes where its prefix is probably cached.
    pub cache_affinity: Option<bool>,
    /// Send now, even where the books say that nothing is left.
    pub force: bool,
    /// Somebody listens to events: the call's end tells what they publish.
    pub observed: bool,
}

impl CallOptions {
    /// Options from JSON text; `defaults` fills in the timeouts that are not named.
    pub fn parse(json: &str, defaults: Timeouts) -> Result<Self> {
        let value: Value = serde_json::from_str(json)
            .map_err(|_| Error::new(Code::Argument, "`options` is not valid JSON"))?;
        let object = Field::root("options", &value, Code::Argument).object(&[
            "maxWaitMs",
            "maxRetries",
            "timeoutsMs",
            "accounts",
            "priority",
            "tenant",
            "cacheAffinity",
        ])?;
        let mut options = CallOptions::default();
        if let Some(wait) = object.get("maxWaitMs") {
            options.max_wait = Some(wait.milliseconds(0.0)?);
        }
        if let Some(retries) = object.get("maxRetries") {
            options.max_retries = Some(retries.whole(0, MOST_RETRIES)?.unsigned_abs());
        }
        if let Some(field) = object.get("timeoutsMs") {
            options.timeouts = Some(timeouts(&field, defaults)?);
        }
        if let Some(priority) = object.get("priority") {
            options.priority = priority.whole(-HIGHEST_PRIORITY, HIGHEST_PRIORITY)?;
        }
        if let Some(tenant) = object.get("tenant") {
            options.tenant = Some(tenant.text()?.to_owned());
        }
        if let Some(affinity) = object.get("cacheAffinity") {
            options.cache_affinity = Some(affinity.flag()?);
        }
        if let Some(field) = object.get("accounts") {
            let labels = field.elements()?;
            if labels.is_empty() {
                return Err(field.must_be("a list of at least one account label"));
            }
            let labels = labels.iter().map(|label| Ok(label.text()?.to_owned()));
            options.accounts = Some(labels.collect::<Result<_>>()?);
        }
        Ok(options)
    }
}

impl CallOptions {
    /// The drop-in functions' two arguments, from JSON text with their names.
    pub fn parse_drop_in(json: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(json)
            .map_err(|_| Error::new(Code::Argument, "the arguments are not valid JSON"))?;
        let object = Field::root("", &value, Code::Argument).object(&["force", "retryCount"])?;
        let retries = object.get("retryCount");
        let force = object
            .get("force")
            .map(|field| field.whole(0, 1))
            .transpose()?;
        Ok(CallOptions {
            max_retries: retries
                .map(|field| field.whole(0, MOST_RETRIES).map(i32::unsigned_abs))
                .transpose()?,
            force: force == Some(1),
            ..CallOptions::default()
        })
    }
}

/// What a caller may set for a change of settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UpdateOptions {
    /// Also in all other processes of the pool, and those that start later.
    pub everywhere: bool,
}

impl UpdateOptions {
    /// Options from JSON text.
    pub fn parse(json: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(json)
            .map_err(|_| Error::new(Code::Argument, "`options` is not valid JSON"))?;
        let object = Field::root("options", &value, Code::Argument).object(&["everywhere"])?;
        let mut options = UpdateOptions::default();
        object.set("everywhere", &mut options.everywhere, false, Field::flag)?;
        Ok(options)
    }
}

/// Timeouts by phase, each at least a millisecond.
pub(super) fn timeouts(field: &Field<'_>, defaults: Timeouts) -> Result<Timeouts> {
    let object = field.object(&["connect", "firstByte", "idle", "total"])?;
    let phase = |name: &str, default| match object.get(name) {
        Some(field) => field.milliseconds(1.0),
        None => Ok(default),
    };
    Ok(Timeouts {
        connect: phase("connect", defaults.connect)?,
        first_byte: phase("firstByte", defaults.first_byte)?,
        idle: phase("idle", defaults.idle)?,
        total: phase("total", defaults.total)?,
    })
}
