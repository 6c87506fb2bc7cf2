//! Where a Redis is, and how to get in.
//!
//! The JavaScript side (`js/redis-source.js`) reads the caller's client, URL or options and writes JSON; here it becomes a
//! [`RedisTarget`] that cannot be wrong. The two agree on the examples in `__test__/fixtures/redis-targets.json`, which the tests of
//! both read.

mod parse;
#[cfg(test)]
mod tests;
mod tls;

use std::{fmt, path::PathBuf, sync::Arc};

pub use self::tls::{PrivateKey, ServerCheck, Tls};

/// A Redis of any kind. Equal targets can share one connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RedisTarget {
    /// Which servers, and how they are found.
    pub place: Place,
    /// As whom to log in there.
    pub login: Login,
    /// The database's number; always 0 on a cluster.
    pub database: u32,
    /// How connections are encrypted; `None` for plain ones.
    pub tls: Option<Tls>,
    /// Put before the keys that other programs read; empty for none.
    pub key_prefix: Arc<str>,
}

/// Which servers, and how they are found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// One server.
    Tcp(Address),
    /// One server on this machine.
    Unix(PathBuf),
    /// The master that Sentinels name.
    Sentinel(Sentinels),
    /// Servers that know the rest of their cluster; at least one, in the order of their addresses.
    Cluster(Vec<Address>),
}

/// Who knows which server is the master.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sentinels {
    /// At least one, in the order of their addresses.
    pub addresses: Vec<Address>,
    /// The name under which they watch the master.
    pub master: String,
    /// As whom to log in to the Sentinels themselves.
    pub login: Login,
    /// How connections to the Sentinels are encrypted.
    pub tls: Option<Tls>,
}

/// Host and port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// A name or an IP address, an IPv6 one without brackets.
    pub host: String,
    /// Above 0.
    pub port: u16,
}

/// As whom to log in; with neither, nobody does.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Login {
    /// The user; without one, Redis takes the password for its default user.
    pub username: Option<String>,
    /// The password.
    pub password: Option<Secret>,
}

/// A password that shows itself to nobody but the connection.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(Arc<str>);

impl Secret {
    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl RedisTarget {
    /// Where it is, for messages and the status: no user, no password.
    pub fn describe(&self) -> String {
        let place = match &self.place {
            Place::Tcp(address) => format!("redis at {address}"),
            Place::Unix(path) => format!("redis at {}", path.display()),
            Place::Sentinel(sentinels) => format!(
                "redis master \"{}\" of the sentinels at {}",
                sentinels.master,
                some(&sentinels.addresses)
            ),
            Place::Cluster(nodes) => format!("redis cluster at {}", some(nodes)),
        };
        let database = match self.database {
            0 => String::new(),
            number => format!(", database {number}"),
        };
        let tls = if self.tls.is_some() { ", TLS" } else { "" };
        format!("{place}{database}{tls}")
    }
}

/// The first addresses of a list: a cluster can have hundreds.
fn some(addresses: &[Address]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<String> = addresses
        .iter()
        .take(SHOWN)
        .map(Address::to_string)
        .collect();
    match addresses.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
