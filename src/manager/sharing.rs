//! Settings that all processes of a pool take over from each other, through Redis.
//!
//! They stand in one hash: `version`, which counts the changes, and for each setting that was ever shared the number of its latest
//! change, a space and its JSON. A process looks at the version once a second, and takes over the fields whose text is not the one that
//! it has seen: so what it has changed for itself since stays.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, OnceLock},
    time::Duration,
};

use tokio::{runtime::Handle, sync::Mutex, task::AbortHandle, time::sleep};

use super::live::Live;
use crate::{
    config::SharedChanges,
    error::{Code, Error, Result},
    quota::redis::settings_key,
    redis::{Cmd, Connection, Failure, Script, Value, cmd, from_redis_value},
};

/// How often a process looks whether others have shared something.
const PAUSE: Duration = Duration::from_secs(1);

/// The field that counts the changes.
const VERSION: &str = "version";

/// One step, so that no process sees half of a change. Arguments: names and JSON texts. Returns the number of the change.
static SHARE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local version = redis.call('HINCRBY', KEYS[1], 'version', 1)
for index = 1, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[index], version .. ' ' .. ARGV[index + 1])
end
return version"
            .to_owned(),
    )
});

/// What this process has of the settings that are shared.
#[derive(Debug)]
pub(super) struct Sharing {
    place: Arc<Place>,
    /// Looks for what others have shared, from the first call on.
    follower: OnceLock<AbortHandle>,
}

/// Where they are kept, and what was seen there.
#[derive(Debug)]
struct Place {
    connection: Arc<Connection>,
    key: String,
    // Locked over a round trip and what follows from it: what is shared and what is taken over goes one after the other.
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    version: Option<String>,
    fields: HashMap<String, String>,
}

impl Sharing {
    pub(super) fn new(connection: Arc<Connection>, pool: &str) -> Self {
        Sharing {
            place: Arc::new(Place {
                connection,
                key: settings_key(pool),
                seen: Mutex::default(),
            }),
            follower: OnceLock::new(),
        }
    }

    /// From now on `live` takes over what others share, until this is dropped. It begins within a runtime: a manager is made outside
    /// of one.
    pub(super) fn follow(&self, live: &Arc<Live>) {
        if self.follower.get().is_some() {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        self.follower.get_or_init(|| {
            let following = follow(self.place.clone(), live.clone());
            runtime.spawn(following).abort_handle()
        });
    }

    /// Nothing is taken over any more.
    pub(super) fn end(&self) {
        if let Some(follower) = self.follower.get() {
            follower.abort();
        }
    }

    /// Has all processes take over changes, this one at once. Where Redis fails, nothing is changed.
    pub(super) async fn share(&self, changes: &SharedChanges, live: &Live) -> Result<()> {
        let place = &self.place;
        let mut seen = place.seen.lock().await;
        let version = place.write(changes).await?;
        live.take_over(changes.fields());
        let fields = changes.fields();
        let fields = fields.map(|(name, json)| (name.to_owned(), format!("{version} {json}")));
        seen.fields.extend(fields);
        Ok(())
    }
}

impl Drop for Sharing {
    fn drop(&mut self) {
        self.end();
    }
}

async fn follow(place: Arc<Place>, live: Arc<Live>) {
    loop {
        // Redis can be away for a while: everything goes on under the settings that were seen last.
        let _ = place.look(&live).await;
        sleep(PAUSE).await;
    }
}

impl Place {
    async fn write(&self, changes: &SharedChanges) -> Result<i64> {
        let words = |command: &mut Cmd| {
            command.arg(1).arg(&self.key);
            for (name, json) in changes.fields() {
                command.arg(name).arg(json);
            }
        };
        let written = SHARE.run(&self.connection, words).await;
        match written.map(from_redis_value) {
            Ok(Ok(version)) => Ok(version),
            Ok(Err(_)) => Err(self.error("its answer makes no sense", true)),
            Err(failure) => Err(self.error(&failure.to_string(), failure.may_have_run())),
        }
    }

    fn error(&self, what: &str, may_have_run: bool) -> Error {
        let server = self.connection.describe();
        // Most failures begin with the server; one of many servers is named beside the whole.
        let what = match what.starts_with(server) {
            true => what.to_owned(),
            false => format!("{server}: {what}"),
        };
        let elsewhere = match may_have_run {
            true => "; it is not known whether other processes will take the changes over",
            false => "",
        };
        Error::new(
            Code::Store,
            format!(
                "The changes were not shared, and nothing is changed here: {what}{elsewhere}. Check that it runs and can be reached from here, and call update again."
            ),
        )
    }

    /// Takes over what is new.
    async fn look(&self, live: &Live) -> Result<(), Failure> {
        let mut seen = self.seen.lock().await;
        let version = text(self.read(cmd("HGET").arg(&self.key).arg(VERSION)).await?);
        if version == seen.version {
            return Ok(());
        }
        let fields = texts(self.read(cmd("HGETALL").arg(&self.key)).await?);
        let settings = fields.iter().filter(|(name, _)| *name != VERSION);
        let new = settings.filter(|(name, text)| seen.fields.get(*name) != Some(text));
        // Behind the number of the change.
        live.take_over(new.filter_map(|(name, text)| Some((&**name, text.split_once(' ')?.1))));
        seen.version = fields.get(VERSION).cloned();
        seen.fields = fields;
        Ok(())
    }

    async fn read(&self, command: &Cmd) -> Result<Value, Failure> {
        self.connection.run(command).await
    }
}

/// A text; `None` for anything else.
fn text(value: Value) -> Option<String> {
    from_redis_value(value).ok()
}

/// The fields of a hash that are texts.
fn texts(value: Value) -> HashMap<String, String> {
    let fields: HashMap<Vec<u8>, Vec<u8>> = from_redis_value(value).unwrap_or_default();
    let fields = fields.into_iter().filter_map(|(name, text)| {
        let name = String::from_utf8(name).ok()?;
        Some((name, String::from_utf8(text).ok()?))
    });
    fields.collect()
}
