//! Calls for embeddings that go together in one request, because they begin at about the same time.
//!
//! The first one opens a batch, which is sent when its window is over or it is full. Whoever goes before that takes its inputs along; who
//! goes later harms nobody; with the last one the request is cancelled.

use std::{
    collections::HashMap,
    future::Future,
    mem,
    ops::Range,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::{FutureExt, Shared, WeakShared};
use tokio::{sync::Notify, time::sleep};

use super::{
    Embedded,
    inputs::{self, Inputs, Kin},
    packing::OPENAI,
};
use crate::{
    config::CallOptions,
    error::Result,
    manager::{Manager, Request},
};

type Sending = Shared<Pin<Box<dyn Future<Output = Result<Arc<Sent>>> + Send>>>;
type WeakSending = WeakShared<Pin<Box<dyn Future<Output = Result<Arc<Sent>>> + Send>>>;

/// What calls must have in common to go together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    kin: Kin,
    /// Its price may be configured.
    requested_model: String,
    options: CallOptions,
}

/// The batches that wait for more.
#[derive(Debug, Default)]
pub(in crate::manager) struct Batches(Mutex<HashMap<Key, Open>>);

#[derive(Debug)]
struct Open {
    batch: Arc<Batch>,
    sending: WeakSending,
}

/// Calls that go together, while they wait.
#[derive(Debug, Default)]
struct Batch {
    members: Mutex<Members>,
    /// It holds what one request can hold.
    full: Notify,
}

#[derive(Debug, Default)]
struct Members {
    last: u64,
    waiting: Vec<(u64, Inputs)>,
}

/// The answer to a batch, and which inputs were whose.
#[derive(Debug)]
struct Sent {
    embedded: Embedded,
    /// Of each member: its number, its inputs, its share of the usage.
    shares: Vec<(u64, Range<usize>, u64)>,
}

/// A batch that is open until this is dropped.
struct Opened {
    manager: Arc<Manager>,
    batch: Arc<Batch>,
    key: Key,
}

/// Takes a call out of its batch where it goes before that is sent.
struct Member {
    batch: Arc<Batch>,
    number: u64,
}

impl Manager {
    /// Embeds all inputs of a request, together with others where that is wished for.
    pub(in crate::manager) async fn embed_soon(
        self: &Arc<Self>,
        request: Request,
    ) -> Result<Embedded> {
        let window = self.settings().batch_window;
        if window.is_zero() {
            return self.embed_one(request).await;
        }
        let inputs = inputs::read(request).await?;
        let Some(key) = Key::of(&inputs) else {
            return self.embed_inputs(&inputs).await;
        };
        let (sending, member) = self.batches.join(key, inputs, |batch, key| {
            let manager = self.clone();
            let open = Opened {
                manager,
                batch,
                key,
            };
            Self::send_batch(open, window)
        });
        match sending.await {
            Ok(sent) => sent.share_of(member.number),
            // The events of all are told once.
            Err(error) if member.number > 1 => Err(error.without_warnings()),
            Err(error) => Err(error),
        }
    }

    /// Waits for the end of a batch's window, and sends it.
    async fn send_batch(open: Opened, window: Duration) -> Result<Arc<Sent>> {
        tokio::select! {
            () = sleep(window) => {}
            () = open.batch.full.notified() => {}
        }
        let (numbers, members): (Vec<u64>, Vec<Inputs>) = open.close().into_iter().unzip();
        let mut at = 0;
        let shares = numbers.into_iter().zip(&members).map(|(number, inputs)| {
            let range = at..at + inputs.len();
            at = range.end;
            (number, range, inputs.prompt_tokens())
        });
        let shares = shares.collect();
        let merged = Inputs::merged(members);
        let embedded = open.manager.embed_inputs(&merged).await?;
        Ok(Arc::new(Sent { embedded, shares }))
    }
}

impl Sent {
    /// What belongs to a member.
    fn share_of(&self, number: u64) -> Result<Embedded> {
        let weights: Vec<u64> = self.shares.iter().map(|(_, _, weight)| *weight).collect();
        let place = self.shares.iter().position(|(known, ..)| *known == number);
        // Whoever waits for the answer was in the batch when that was sent.
        let place = place.unwrap_or_default();
        self.embedded.share(place, &self.shares[place].1, &weights)
    }
}

impl Key {
    /// `None` where a call goes alone: OpenAI will not take its inputs, or it is full by itself.
    fn of(inputs: &Inputs) -> Option<Self> {
        if are_full(std::iter::once(inputs)) {
            return None;
        }
        let request = inputs.request();
        Some(Key {
            kin: inputs.kin()?,
            requested_model: request.requested_model.clone(),
            options: request.options.clone(),
        })
    }
}

impl Batches {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Open>> {
        // Entries come and go whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a call to the batch of its key, or to a new one.
    fn join<F>(
        &self,
        key: Key,
        inputs: Inputs,
        make: impl FnOnce(Arc<Batch>, Key) -> F,
    ) -> (Sending, Member)
    where
        F: Future<Output = Result<Arc<Sent>>> + Send + 'static,
    {
        let mut open = self.lock();
        // A batch whose last member has gone is cancelled.
        let known = open.get(&key);
        let known = known.and_then(|open| Some((open.sending.upgrade()?, open.batch.clone())));
        let (sending, batch) = known.unwrap_or_else(|| {
            let batch = Arc::new(Batch::default());
            let sending = make(batch.clone(), key.clone()).boxed().shared();
            // It was not polled yet, so it can be downgraded.
            if let Some(weak) = sending.downgrade() {
                let batch = batch.clone();
                let sending = weak;
                open.insert(key, Open { batch, sending });
            }
            (sending, batch)
        });
        // It is not closed: that needs the lock.
        let number = batch.add(inputs);
        (sending, Member { batch, number })
    }
}

impl Batch {
    fn lock(&self) -> MutexGuard<'_, Members> {
        // Members come and go whole.
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, inputs: Inputs) -> u64 {
        let mut members = self.lock();
        members.last += 1;
        let number = members.last;
        members.waiting.push((number, inputs));
        if are_full(members.waiting.iter().map(|(_, inputs)| inputs)) {
            self.full.notify_one();
        }
        number
    }
}

impl Opened {
    /// Ends the waiting, and returns who goes with the batch.
    fn close(&self) -> Vec<(u64, Inputs)> {
        let mut open = self.manager.batches.lock();
        let is_own = |open: &Open| Arc::ptr_eq(&open.batch, &self.batch);
        if open.get(&self.key).is_some_and(is_own) {
            open.remove(&self.key);
        }
        mem::take(&mut self.batch.lock().waiting)
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        // Of a batch that was sent, nobody waits any more.
        self.close();
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut members = self.batch.lock();
        members.waiting.retain(|(number, _)| *number != self.number);
    }
}

/// Whether one request holds no more.
fn are_full<'a>(inputs: impl Iterator<Item = &'a Inputs> + Clone) -> bool {
    let count: usize = inputs.clone().map(Inputs::len).sum();
    let tokens: u64 = inputs.flat_map(Inputs::tokens).sum();
    count >= OPENAI.inputs || tokens >= OPENAI.tokens
}
