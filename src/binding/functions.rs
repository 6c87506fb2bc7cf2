//! The user's functions for keys, which live on the JavaScript thread. They are asked when a key is missing or was refused, never on the
//! usual way of a request.

use std::{fmt, sync::Arc};

use futures_util::{FutureExt, future::BoxFuture};
use napi::{
    Status,
    bindgen_prelude::{Function, Promise, Result},
    threadsafe_function::ThreadsafeFunction,
};
use serde::Deserialize;

use crate::manager::KeyFunctions;

// Weak: it does not keep the process alive; index.js does that while calls are open.
type AskKey = ThreadsafeFunction<u32, Promise<String>, u32, Status, false, true>;

/// The functions of one pool.
pub(super) struct Functions(Arc<AskKey>);

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Functions(…)")
    }
}

impl Functions {
    pub(super) fn new(ask_key: &Function<'_, u32, Promise<String>>) -> Result<Self> {
        let ask_key = ask_key
            .build_threadsafe_function::<u32>()
            .weak::<true>()
            .callee_handled::<false>()
            .build()?;
        Ok(Functions(Arc::new(ask_key)))
    }
}

/// What came of asking.
#[derive(Deserialize)]
struct Told {
    key: Option<String>,
    failure: Option<String>,
}

impl KeyFunctions for Functions {
    fn ask(&self, number: u32) -> BoxFuture<'static, std::result::Result<String, String>> {
        let ask_key = self.0.clone();
        async move {
            // Both fail only when the JavaScript thread is gone, and then nobody waits.
            let gone = |_| "its thread has ended".to_owned();
            let told = ask_key.call_async_catch(number).await.map_err(gone)?;
            let told: Told = serde_json::from_str(&told.await.map_err(gone)?)
                .map_err(|_| "its answer cannot be read".to_owned())?;
            told.key.ok_or(told.failure.unwrap_or_default())
        }
        .boxed()
    }
}
