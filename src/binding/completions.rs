//! The ends of calls, gathered for one wake-up of the JavaScript thread.

use std::{
    collections::HashMap,
    future::Future,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use napi::{
    Status,
    bindgen_prelude::{Float32Array, FnArgs, Function, Result, spawn},
    threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode},
};
use napi_derive::napi;
use tokio::task::AbortHandle;

use super::wake::{self, Waiting};
use crate::{
    error::{self, Code, Error},
    manager::{End, Streaming, error_json},
    models,
    tokens::{self, ChatRequest},
};

/// Numbers of ended calls (below zero: failed), their texts, and the floats beside these; the last is null where none has any.
type Batch = FnArgs<(Vec<i32>, Vec<String>, Option<Vec<Option<Float32Array>>>)>;
type Wake = ThreadsafeFunction<(), (), Batch, Status, false, true>;

/// What is counted between other work, in bytes: it takes a fraction of a millisecond.
const SHORT: usize = 32 * 1024;

/// Where calls of one JavaScript thread end.
#[napi]
pub struct Completions {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    ended: Arc<Mutex<Ended>>,
    /// How many calls have not ended.
    open: AtomicUsize,
    // Weak: it does not keep the process alive; index.js does that while calls are open.
    wake: Wake,
    running: Mutex<HashMap<i32, AbortHandle>>,
    /// Streams that are read, by the number of the call that they began with. Each is read by one caller at a time.
    streams: Mutex<HashMap<i32, Arc<tokio::sync::Mutex<Streaming>>>>,
}

#[derive(Default)]
struct Ended {
    numbers: Vec<i32>,
    texts: Vec<String>,
    /// Of the calls at these places, which rise.
    floats: Vec<(usize, Vec<f32>)>,
    /// Whether the JavaScript thread is on its way to take them.
    is_woken: bool,
}

/// The obligation to end one call. Dropped without an end, as after a panic, it ends with an error, so that no promise stays
/// open; of a cancelled call nobody waits for an end.
struct Open {
    number: i32,
    shared: Arc<Shared>,
    cancellable: bool,
    ended: bool,
}

#[napi]
impl Completions {
    /// `deliver(numbers, texts, floats)` is called on this thread with the ends of calls: a number above zero with a result's JSON text,
    /// a number below zero with an error's. Floats are where they were made: no copy is taken.
    #[napi(constructor)]
    pub fn new(deliver: Function<'_, Batch, ()>) -> Result<Self> {
        let ended = Arc::new(Mutex::new(Ended::default()));
        let source = ended.clone();
        let wake = deliver
            .build_threadsafe_function::<()>()
            .weak::<true>()
            .callee_handled::<false>()
            .build_callback(move |_| {
                let ended = mem::take(&mut *lock(&source));
                Ok(FnArgs::from(ended.into_batch()))
            })?;
        Ok(Completions {
            shared: Arc::new(Shared {
                ended,
                open: AtomicUsize::new(0),
                wake,
                running: Mutex::default(),
                streams: Mutex::default(),
            }),
        })
    }

    /// Stops a call that was started as cancellable; nothing is delivered for it any more.
    #[napi]
    pub fn cancel(&self, number: i32) {
        // A statement of its own, so that the lock is not held while the call is dropped.
        let running = lock(&self.shared.running).remove(&number);
        if let Some(running) = running {
            running.abort();
        }
        // It can have ended with a stream that nobody will hear of.
        self.close_stream(number);
    }

    /// Reads on in a stream; ends with its next events under `number`, which can be cancelled.
    #[napi]
    pub fn read_stream(&self, stream: i32, number: i32) {
        let shared = self.shared.clone();
        let reading = lock(&self.shared.streams).get(&stream).cloned();
        self.shared.run(number, true, move || async move {
            let Some(reading) = reading else {
                return Err(Error::new(Code::Closed, "the stream is closed"));
            };
            let read = reading.lock().await.next().await;
            if !matches!(&read, Ok(events) if !events.is_last) {
                lock(&shared.streams).remove(&stream);
            }
            Ok(End::from(read?.json))
        });
    }

    /// Stops a stream that nobody reads any more.
    #[napi]
    pub fn close_stream(&self, stream: i32) {
        // A statement of its own, so that the lock is not held while the stream is dropped.
        let closed = lock(&self.shared.streams).remove(&stream);
        drop(closed);
    }

    /// Counts the tokens of a text; ends with the count.
    #[napi]
    pub fn count_text(&self, number: i32, text: String, model: String) {
        self.count(number, text.len(), move || {
            Ok(tokens::count_text(&text, models::encoding(&model)).to_string())
        });
    }

    /// Counts the prompt tokens of a chat request, given as JSON; ends with the count.
    #[napi]
    pub fn count_chat(&self, number: i32, json: String) {
        self.count(number, json.len(), move || {
            let request = ChatRequest::parse(&json).map_err(|error| {
                Error::new(Code::Argument, format!("`request` cannot be read: {error}"))
            })?;
            let encoding = models::encoding(request.model());
            Ok(tokens::count_chat(&request, encoding).to_string())
        });
    }

    /// Counts what is of so many bytes; much of it on a thread of its own, so that no request waits behind it.
    fn count(
        &self,
        number: i32,
        length: usize,
        count: impl FnOnce() -> error::Result<String> + Send + 'static,
    ) {
        self.shared.run(number, false, move || async move {
            if length <= SHORT {
                return count();
            }
            tokio::task::spawn_blocking(count)
                .await
                .unwrap_or_else(|_| Err(dropped()))
        });
    }

    pub(super) fn shared(&self) -> Arc<Shared> {
        self.shared.clone()
    }
}

/// Counts the tokens of a short text on the calling thread.
#[napi]
pub fn count_text_sync(text: String, model: String) -> u32 {
    let count = tokens::count_text(&text, models::encoding(&model));
    // index.js bounds the text, so the count is far below 2^32.
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl Ended {
    fn into_batch(self) -> (Vec<i32>, Vec<String>, Option<Vec<Option<Float32Array>>>) {
        let Ended {
            numbers,
            texts,
            floats,
            is_woken: _,
        } = self;
        let floats = (!floats.is_empty()).then(|| {
            let mut places = Vec::new();
            places.resize_with(numbers.len(), || None);
            for (place, floats) in floats {
                places[place] = Some(Float32Array::from(floats));
            }
            places
        });
        (numbers, texts, floats)
    }
}

impl Shared {
    /// Runs a call on the shared runtime and ends it under its number.
    ///
    /// The call's future, of some kilobytes, is made there: on the JavaScript thread it would be moved about, and its memory would be
    /// given back by another thread than asked for it.
    pub(super) fn run<E: Into<End>, F: Future<Output = error::Result<E>> + Send>(
        self: &Arc<Self>,
        number: i32,
        cancellable: bool,
        call: impl FnOnce() -> F + Send + 'static,
    ) {
        self.open.fetch_add(1, Ordering::Relaxed);
        let open = Open {
            number,
            shared: self.clone(),
            cancellable,
            ended: false,
        };
        // Held while spawning, so that a call that ends at once is not noted as running afterwards.
        let mut running = cancellable.then(|| lock(&self.running));
        let task = spawn(async move {
            let end = Box::pin(call()).await;
            open.end(end.map(Into::into));
        });
        if let Some(running) = &mut running {
            running.insert(number, task.abort_handle());
        }
    }

    fn push(self: &Arc<Self>, number: i32, End { text, floats, .. }: End) {
        let mut ended = lock(&self.ended);
        let place = ended.numbers.len();
        if let Some(floats) = floats {
            ended.floats.push((place, floats));
        }
        ended.numbers.push(number);
        ended.texts.push(text);
        let open = self.open.load(Ordering::Relaxed);
        let (is_woken, is_due) = (ended.is_woken, wake::is_due(place + 1, open));
        drop(ended);
        match (is_woken, is_due) {
            (true, _) => {}
            (false, true) => self.wake(),
            (false, false) => wake::soon(self),
        }
        wake::one_more_ended();
    }
}

impl wake::Waiting for Shared {
    fn wake(&self) {
        let mut ended = lock(&self.ended);
        if ended.is_woken || ended.numbers.is_empty() {
            return;
        }
        ended.is_woken = true;
        drop(ended);
        // Fails only when the JavaScript thread is gone, and then nobody waits.
        self.wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
    }
}

impl Open {
    fn end(mut self, end: error::Result<End>) {
        self.deliver(end);
    }

    fn deliver(&mut self, end: error::Result<End>) {
        self.ended = true;
        let is_cancelled =
            self.cancellable && lock(&self.shared.running).remove(&self.number).is_none();
        if is_cancelled {
            return;
        }
        match end {
            Ok(End {
                stream: Some(stream),
                text,
                ..
            }) => {
                let stream = Arc::new(tokio::sync::Mutex::new(*stream));
                lock(&self.shared.streams).insert(self.number, stream);
                // The head is an object with fields.
                let head = format!(r#"{{"stream":{},{}"#, self.number, &text[1..]);
                self.shared.push(self.number, head.into());
            }
            Ok(end) => self.shared.push(self.number, end),
            Err(error) => self.shared.push(-self.number, error_json(&error).into()),
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.ended {
            self.deliver(Err(dropped()));
        }
        self.shared.open.fetch_sub(1, Ordering::Relaxed);
    }
}

fn dropped() -> Error {
    Error::new(Code::Closed, "the call was dropped before it ended")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is locked here is only pushed to and taken from, so it is whole even after a panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
