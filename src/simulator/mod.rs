//! An OpenAI server on loopback with exact limits: for our tests and benchmarks, and shipped for those of our users.
//!
//! HTTP mocks inside Node do not see a client that is written in Rust, and OpenAI itself cannot be asked for a 429 at
//! a given moment. The simulator can. It keeps for every organization and model the buckets that recorded headers and
//! 429 texts give away (continuous refill, one window's capacity), charges as OpenAI does, and says of itself what no
//! real server says: what each account admitted, refused, and could have admitted.
//!
//! # From the limit to the socket
//!
//! - [`Bucket`], [`Lane`], [`PromptCache`] and [`ChargingRule`] are pure arithmetic with time as an argument: benchmarks
//!   run them on a virtual clock, without the rest.
//! - `settings` is what the user wants, `faults` the script of troubles, `limits` all lanes with their buckets, `cache`
//!   all prompt caches.
//! - `work` reads a body and makes its answer, `replies` writes it, `errors` and `headers` what goes with it.
//! - `service` puts these together: one request and a moment in, one answer out. Nothing in it waits.
//! - [`Simulator`] is the socket, the real clock and the waiting.
//!
//! # What is the same in every run
//!
//! All chance (latency, length and words of answers, faults, ids) is drawn from the settings' seed, the account and the
//! number of the request on its account; an embedding, from its text. Time plays no part except in `created`, in the
//! limits, in the prompt caches, and where requests of one account overtake each other on their way here.

mod cache;
mod charging;
mod duration;
mod errors;
mod faults;
mod headers;
mod limits;
mod randomness;
mod replies;
mod server;
mod service;
mod settings;
mod work;

pub use cache::PromptCache;
pub use charging::{ChargingRule, Demand, Endpoint, estimate};
pub use limits::{Bucket, Lane, Limits, Metric, Reading, Readings, Refusal};
pub use server::Simulator;
pub use settings::{Latency, OutputTokens, Settings, SettingsError};
