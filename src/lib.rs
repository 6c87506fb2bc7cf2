//! Several OpenAI accounts used as one, as a native addon for Node.js.
//!
//! # The way of a request
//!
//! ```text
//! index.js     one JSON.stringify, one native call
//! binding      JSON text → Request
//! manager      counts it, then, until done:
//!   scheduler    waits in line and asks the store: which account, from when?
//!     quota        chooses the lane and takes the room, in one step
//!   books        reserves what it may cost, where a budget bounds that
//!   client       one HTTP call
//!   outcome      what the answer means
//!   quota        settles: what was not counted flows back, what was learned is kept
//!   books        counts what it used
//! binding      Reply → JSON text
//! ```
//!
//! # The rooms
//!
//! A room uses only rooms of a smaller number (a test holds this). Decisions below layer 5 take the time as an argument.
//!
//! | | room | what it is for |
//! |-|-|-|
//! | 7 | `binding` | the boundary to JavaScript; the only room that knows napi; converts, decides nothing |
//! | 6 | [`manager`] | the life of one request: count, book, send, judge, settle, again or done |
//! | 5 | [`scheduler`] | waiting callers, and which account serves them; the permit that gives its room back |
//! | 5 | [`client`] | one HTTP call to one account; the only room that knows the HTTP client |
//! | 5 | [`simulator`] | an OpenAI server on loopback with exact limits, for users' tests and ours |
//! | 4 | [`books`] | what was used, by day, account, model and type; keys that other programs read; budgets |
//! | 4 | [`quota`] | lanes and buckets; the store trait, the store in memory, and the one in Redis |
//! | 3 | [`redis`] | the connection to a Redis of any kind; the only room that knows its library |
//! | 3 | [`tokens`] | token counts of texts, chats, tools and images; the only room that knows the vocabularies |
//! | 2 | [`config`] | user settings become types that cannot be wrong |
//! | 2 | [`outcome`] | (status, headers, body) → what an answer means |
//! | 1 | [`error`] | the one error: a stable code, a message, the facts |
//! | 1 | [`key`] | the secret of an account: a text, or a function that gives it, asked once for all |
//! | 1 | [`headers`] | what response headers say: limits, what is left, when to come back |
//! | 1 | [`models`] | encoding, prices, windows and last day of every model |
//! | 1 | [`sse`] | server-sent events: bytes → events |
//! | 1 | [`trust`] | whose TLS certificates are taken |
//! | 0 | [`attempt`], [`warning`], [`usage`], [`body`] | the words that all rooms share |

pub mod attempt;
mod binding;
pub mod body;
pub mod books;
pub mod client;
pub mod config;
pub mod error;
pub mod headers;
pub mod key;
pub mod manager;
pub mod models;
pub mod outcome;
pub mod quota;
pub mod redis;
pub mod scheduler;
pub mod simulator;
pub mod sse;
#[cfg(test)]
mod tests;
pub mod tokens;
pub mod trust;
pub mod usage;
pub mod warning;
