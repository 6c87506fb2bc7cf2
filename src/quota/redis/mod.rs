//! The lanes in Redis: the store that all processes of a pool share.
//!
//! ```text
//! store        bookings and settlements of callers → batches
//!   away         why Redis did not do it
//!   carrier      tasks that carry batches
//!   batch        what gathers for a model group while a round trip is under way
//!   company      when a batch leaves
//!   keys         the names of lanes
//!   processes    how many share a model group's lanes
//!   wire         operations and answers as bytes
//!   script       runs script.lua, the arithmetic of the lanes
//! ```

mod away;
mod batch;
mod carrier;
mod company;
mod keys;
mod processes;
mod script;
mod store;
#[cfg(test)]
pub(super) mod tests;
mod wire;

pub(super) use self::batch::Charge;
pub use self::{
    away::Away,
    keys::{made_key, settings_key},
    store::RedisStore,
};
