//! Which account has made what later requests name: a response, a file, a batch is known to its own organization alone.
//!
//! Ids are remembered in this process, and in Redis for all processes of the pool. One that nobody remembers is sent anywhere.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use serde::Deserialize;
use tokio::runtime::Handle;

use super::{
    Manager, Request,
    named::{can_make, is_lasting},
};
use crate::{
    config::Settings,
    quota::redis::made_key,
    redis::{Connection, cmd, from_redis_value},
};

/// Ids remembered in this process; the oldest goes.
const MOST: usize = 10_000;

/// Redis is asked for so many of the ids that a request names: what belongs together was made by one account.
const MOST_ASKED: usize = 16;

/// How long Redis remembers an id, in seconds: as long as OpenAI keeps responses.
const KEPT_S: u64 = 30 * 86_400;

/// The makers of what is remembered.
#[derive(Debug)]
pub(super) struct Made {
    here: Mutex<Here>,
    everywhere: Option<(Arc<Connection>, String)>,
}

#[derive(Debug, Default)]
struct Here {
    labels: HashMap<Arc<str>, Arc<str>>,
    /// Oldest first.
    order: VecDeque<Arc<str>>,
}

impl Made {
    /// Remembers for this process; in a Redis also for all others of a pool.
    pub(super) fn new(everywhere: Option<(Arc<Connection>, String)>) -> Self {
        Made {
            here: Mutex::default(),
            everywhere,
        }
    }

    /// The label of the account that made one of these, if anybody remembers: first here, then in Redis, in one round trip.
    pub(super) async fn by(
        &self,
        ids: &[String],
        is_known: impl Fn(&Arc<str>) -> bool,
    ) -> Option<Arc<str>> {
        if ids.is_empty() {
            return None;
        }
        let here = {
            let here = self.here();
            let mut makers = ids.iter().filter_map(|id| here.labels.get(id.as_str()));
            makers.find(|maker| is_known(maker)).cloned()
        };
        let everywhere = self.everywhere.as_ref().filter(|_| here.is_none());
        let Some((connection, pool)) = everywhere else {
            return here;
        };
        let asked = &ids[..ids.len().min(MOST_ASKED)];
        let questions: Vec<_> = asked
            .iter()
            .map(|id| {
                let mut get = cmd("GET");
                get.arg(made_key(pool, id));
                get
            })
            .collect();
        let answers = connection.run_all(&questions).await;
        asked.iter().zip(answers).find_map(|(id, told)| {
            let label: Option<String> = from_redis_value(told.ok()?).ok()?;
            let label: Arc<str> = label?.into();
            self.remember(id, &label);
            is_known(&label).then_some(label)
        })
    }

    /// An account's answer to a request names what it has made.
    pub(super) fn note(&self, request: &Request, body: &Bytes, label: &Arc<str>) {
        #[derive(Deserialize)]
        struct Named {
            #[serde(default)]
            id: Option<String>,
        }
        if !can_make(request.endpoint) {
            return;
        }
        let named: Option<Named> = serde_json::from_slice(body).ok();
        if let Some(id) = named.and_then(|named| named.id) {
            self.note_id(&id, label);
        }
    }

    /// An account has made this.
    pub(super) fn note_id(&self, id: &str, label: &Arc<str>) {
        if !is_lasting(id) || !self.remember(id, label) {
            return;
        }
        // Nobody waits for Redis: without it the id is known here.
        let (Some((connection, pool)), Ok(runtime)) = (&self.everywhere, Handle::try_current())
        else {
            return;
        };
        let mut set = cmd("SET");
        set.arg(made_key(pool, id))
            .arg(&**label)
            .arg("EX")
            .arg(KEPT_S);
        let connection = connection.clone();
        runtime.spawn(async move { connection.run(&set).await.map(drop) });
    }

    /// Whether it is new.
    fn remember(&self, id: &str, label: &Arc<str>) -> bool {
        let mut here = self.here();
        let id: Arc<str> = id.into();
        if here.labels.insert(id.clone(), label.clone()).is_some() {
            return false;
        }
        here.order.push_back(id);
        if here.order.len() > MOST
            && let Some(oldest) = here.order.pop_front()
        {
            here.labels.remove(&oldest);
        }
        true
    }

    fn here(&self) -> MutexGuard<'_, Here> {
        // A panic between two changes leaves an id that goes a little later or earlier.
        self.here.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Manager {
    /// The account that has made what a request names, where the caller did not choose one.
    pub(super) async fn maker_of(
        &self,
        request: &Request,
        settings: &Settings,
    ) -> Option<Arc<str>> {
        if request.options.accounts.is_some() {
            return None;
        }
        // One that is not configured any more cannot be asked.
        let is_known = |label: &Arc<str>| settings.known(label).is_some();
        self.made.by(&request.names, is_known).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_goes() {
        let made = Made::new(None);
        for number in 0..=MOST {
            made.note_id(&format!("resp_{number}"), &"a".into());
        }
        made.note_id("chatcmpl-1", &"a".into());
        let by = async |ids: &[&str], known: &str| {
            let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
            made.by(&ids, |label| &**label == known).await
        };
        assert_eq!(by(&["resp_0"], "a").await, None);
        assert_eq!(by(&["resp_1"], "a").await.as_deref(), Some("a"));
        assert_eq!(by(&["resp_0", "resp_2"], "a").await.as_deref(), Some("a"));
        assert_eq!(by(&["resp_1"], "b").await, None);
        assert_eq!(by(&["chatcmpl-1"], "a").await, None);
    }
}
