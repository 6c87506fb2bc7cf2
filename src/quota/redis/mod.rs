//! The lanes in Redis: the store that all processes of a pool share.
//!
//! ```text
//! store        bookings and settlements of callers → batches
//!   batch        what gathers for a model group while a round trip is under way
//!   keys         the names of lanes
//!   wire         operations and answers as bytes
//!   script       runs script.lua, the arithmetic of the lanes
//! ```

mod batch;
mod keys;
mod script;
mod store;
#[cfg(test)]
mod tests;
mod wire;

pub use self::{keys::settings_key, store::RedisStore};
