//! The way to Redis: one server, the master of Sentinels, or a cluster.
//!
//! A [`Connection`] may be used by any number of callers at once; they share its sockets. It connects when it is first needed and
//! again when it was lost. Nothing waits longer than its [`TimeLimits`] say.
//!
//! No command is ever sent twice unless Redis itself said that it did not run it (`MOVED`, `ASK`): what the connection carries are
//! bookings and counts, and a count that is sent twice is wrong. So every [`Failure`] tells whether the command may have run.
//!
//! ```text
//! connection   the commands of callers → one round trip each
//!   cluster      which server has the key's slot (slots), and what to do when it has moved
//!     line         one server: connected, lost, connected again after a growing pause
//!       server       which server that is: an address, or the master that Sentinels name
//!         dial         TCP, Unix socket, TLS (tls), login
//! sharing      one connection for all in this process that lead to the same place
//! failure      what went wrong, in one of a few kinds
//! script       a script and how it is run: by its hash, and by its text where Redis does not know it
//! ```

mod cluster;
mod connection;
mod dial;
mod failure;
mod line;
mod script;
mod server;
mod sharing;
mod slots;
#[cfg(test)]
pub(crate) mod tests;
mod tls;

pub use redis::{Cmd, Value, cmd, from_redis_value};

pub use self::{
    connection::Connection,
    dial::TimeLimits,
    failure::{Failure, FailureKind},
    script::Script,
    sharing::shared,
    slots::tag_of,
};
