//! What a caller may set for one call.

use std::time::Duration;

use serde_json::Value;

use super::{
    Settings, Timeouts,
    reader::{Field, LONGEST_MS},
};
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
    /// When the call must have ended, whatever the other bounds say.
    pub deadline: Option<Deadline>,
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
    /// Options from JSON text, with the settings for the timeouts that are not named. A deadline that has passed by now is an error.
    pub fn parse(json: &str, settings: &Settings, now_unix_ms: f64) -> Result<Self> {
        let value: Value = serde_json::from_str(json)
            .map_err(|_| Error::new(Code::Argument, "`options` is not valid JSON"))?;
        let object = Field::root("options", &value, Code::Argument).object(&[
            "maxWaitMs",
            "maxRetries",
            "timeoutsMs",
            "deadline",
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
            options.timeouts = Some(timeouts(&field, settings.timeouts)?);
        }
        if let Some(deadline) = object.get("deadline") {
            options.deadline = Some(Deadline::parse(&deadline, now_unix_ms)?);
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
            let labels = match field.is_array() {
                true => field.elements()?,
                false => vec![field.clone()],
            };
            if labels.is_empty() {
                return Err(field.must_be("an account's label, or a list of at least one"));
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

/// A moment, in whole Unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Deadline(u64);

impl Deadline {
    fn parse(field: &Field<'_>, now_unix_ms: f64) -> Result<Self> {
        let at_ms = field.zero_or_more()?;
        let left_ms = at_ms - now_unix_ms;
        if left_ms <= 0.0 {
            let message = format!(
                "the call's deadline passed {} ms ago; nothing was sent",
                (-left_ms).ceil()
            );
            return Err(Error::timeout("total", message));
        }
        // The year 292 million is late enough.
        Ok(Deadline(at_ms as u64))
    }

    /// The time until then; a day at most, as for all bounds of a call.
    fn left(self, now_unix_ms: f64) -> Duration {
        let left_ms = (self.0 as f64 - now_unix_ms).clamp(0.0, LONGEST_MS);
        Duration::from_secs_f64(left_ms / 1000.0)
    }
}

impl CallOptions {
    /// How long the call may take from now.
    pub fn total(&self, settings: &Settings, now_unix_ms: f64) -> Duration {
        let total = self.timeouts.unwrap_or(settings.timeouts).total;
        self.deadline
            .map_or(total, |deadline| total.min(deadline.left(now_unix_ms)))
    }

    /// How long it may wait for room from now.
    pub fn patience(&self, settings: &Settings, now_unix_ms: f64) -> Duration {
        let wait = self.max_wait.unwrap_or(settings.max_wait);
        self.deadline
            .map_or(wait, |deadline| wait.min(deadline.left(now_unix_ms)))
    }

    /// The end of the waiting that this call names itself: it makes the call urgent, which what is the same for all does not.
    pub fn named_patience(&self, now_unix_ms: f64) -> Option<Duration> {
        let left = self.deadline.map(|deadline| deadline.left(now_unix_ms));
        self.max_wait.into_iter().chain(left).min()
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
