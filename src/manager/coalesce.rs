//! Calls that share one that is under way, because they ask for the same.
//!
//! Whoever asks first makes the call, and is no more important to it than the others: it goes on for as long as one of them wants it, and
//! is cancelled with the last one.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use futures_util::future::{FutureExt, Shared, WeakShared};

use super::{InFlight, Manager, Reply, Request, Served, embedding::Embedded};
use crate::{body::Body, config::CallOptions, error::Result, tokens::Endpoint};

type Call<T> = Shared<Pin<Box<dyn Future<Output = Result<T>> + Send>>>;
type WeakCall<T> = WeakShared<Pin<Box<dyn Future<Output = Result<T>> + Send>>>;

/// What makes two calls the same: they would be sent alike, to the same accounts, with the same patience.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    endpoint: Endpoint,
    /// Its price may be configured.
    requested_model: String,
    body: Bytes,
    options: CallOptions,
}

/// Calls under way that others may join.
#[derive(Debug)]
pub(super) struct UnderWay<T>(Mutex<Numbered<T>>);

#[derive(Debug)]
struct Numbered<T> {
    last: u64,
    calls: HashMap<Key, (u64, WeakCall<T>)>,
}

/// Takes a call out of the list at its end, served or cancelled. A later call of the same key has another number.
struct Listed<T> {
    list: Arc<UnderWay<T>>,
    key: Key,
    number: u64,
}

impl<T> Default for UnderWay<T> {
    fn default() -> Self {
        UnderWay(Mutex::new(Numbered {
            last: 0,
            calls: HashMap::new(),
        }))
    }
}

impl<T> UnderWay<T> {
    fn lock(&self) -> MutexGuard<'_, Numbered<T>> {
        // Entries come and go whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone + Send + Sync + 'static> UnderWay<T> {
    /// The call of this key, and whether another one has made it.
    fn join<F>(self: &Arc<Self>, key: Key, make: impl FnOnce() -> F) -> (Call<T>, bool)
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let mut numbered = self.lock();
        let known = numbered.calls.get(&key);
        if let Some(call) = known.and_then(|(_, call)| call.upgrade()) {
            return (call, true);
        }
        numbered.last += 1;
        let listed = Listed {
            list: self.clone(),
            key: key.clone(),
            number: numbered.last,
        };
        let future = make();
        let call = async move {
            let _listed = listed;
            future.await
        };
        let call = call.boxed().shared();
        let number = numbered.last;
        // It was not polled yet, so it can be downgraded.
        if let Some(weak) = call.downgrade() {
            numbered.calls.insert(key, (number, weak));
        }
        (call, false)
    }
}

impl<T> Drop for Listed<T> {
    fn drop(&mut self) {
        let mut numbered = self.list.lock();
        if matches!(numbered.calls.get(&self.key), Some((number, _)) if *number == self.number) {
            numbered.calls.remove(&self.key);
        }
    }
}

impl Manager {
    /// Serves a chat or completion; where that is wished for, once for all that ask for the same at the same time.
    pub async fn complete(self: &Arc<Self>, request: Request) -> Result<Served> {
        if !self.settings().coalesce || request.streams || !has_one_answer(&request) {
            return self.serve(&request).await;
        }
        let _in_flight = InFlight::enter(self)?;
        let manager = self.clone();
        let (call, is_joined) = self.chats.join(Key::of(&request), || async move {
            manager.serve(&request).await?.into_reply()
        });
        match (call.await, is_joined) {
            (served, false) => served.map(Served::Reply),
            // The events of a call are told once, by whoever made it.
            (Ok(reply), true) => Ok(Served::Reply(Reply {
                coalesced: true,
                warnings: None,
                ..reply
            })),
            (Err(error), true) => Err(error.without_warnings()),
        }
    }

    /// Embeds all inputs of a request; where that is wished for, once for all that ask for the same at the same time.
    pub async fn embed(self: &Arc<Self>, request: Request) -> Result<Embedded> {
        let _in_flight = InFlight::enter(self)?;
        if !self.settings().coalesce {
            return self.embed_soon(request).await;
        }
        let manager = self.clone();
        let (call, is_joined) = self.embeds.join(Key::of(&request), || async move {
            manager.embed_soon(request).await
        });
        match (call.await, is_joined) {
            (embedded, false) => embedded,
            (Ok(embedded), true) => Ok(embedded.coalesced()),
            (Err(error), true) => Err(error.without_warnings()),
        }
    }
}

impl Key {
    fn of(request: &Request) -> Self {
        Key {
            endpoint: request.endpoint,
            requested_model: request.requested_model.clone(),
            body: request.body.clone(),
            options: request.options.clone(),
        }
    }
}

/// Whether the model is to give the most probable answer: any other is drawn anew for each call.
fn has_one_answer(request: &Request) -> bool {
    let json = std::str::from_utf8(&request.body).unwrap_or_default();
    let temperature = Body::parse(json).ok();
    temperature.and_then(|body| body.get::<f64>("temperature")) == Some(0.0)
}
