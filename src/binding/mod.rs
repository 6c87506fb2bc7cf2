//! The boundary to JavaScript. Converts, decides nothing.
//!
//! Requests come in as JSON text with a number; their ends go back through one [`Completions`] queue for each JavaScript thread,
//! which wakes that thread for many at a time ([`wake`]). A promise of napi's own would need a threadsafe function each.
//!
//! No state is global but who is to be woken: a worker thread that ends takes away only what it made. The tokio runtime is napi's, shared by all
//! threads of the process. What runs on it holds `Arc`s of its own, never a borrow of a JavaScript object, which may be
//! freed while the process exits.

// napi finds exports by macro, not by path, and its classes live on the JavaScript side, where Debug means nothing.
#![allow(unreachable_pub, missing_debug_implementations)]
// Under test nothing is registered with Node, so nothing calls these.
#![cfg_attr(test, allow(dead_code))]

mod completions;
mod functions;
mod pool;
mod simulation;
mod wake;

use napi_derive::module_init;

/// What a request asks for on one thread is given back on another. With glibc's allocator the two wait for each other's lock: 0.9 futex
/// calls a request at 64 callers, and a tenth to a fifth of its CPU (November 2026).
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// One worker serves as many requests as two and wakes fewer threads for each; long texts are counted on threads of their own.
const WORKER_THREADS: usize = 1;

#[module_init]
fn init() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .thread_name("openai-requests")
        .on_thread_park(wake::going_to_sleep)
        .enable_all()
        .build();
    // Without threads to be had, napi's own runtime reports it at the first call.
    if let Ok(runtime) = runtime {
        napi::bindgen_prelude::create_custom_tokio_runtime(runtime);
    }
}
