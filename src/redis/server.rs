//! Which server a line leads to: an address, or whoever the Sentinels say is the master.

use std::{fmt, path::PathBuf, sync::Arc};

use redis::{Value, cmd, pipe};

use super::{
    dial::{Dialer, Link, TimeLimits},
    failure::{Failure, FailureKind},
};
use crate::config::redis_target::{Address, Sentinels};

/// Which server.
#[derive(Debug)]
pub(super) enum Server {
    /// One that stays where it is.
    Tcp(Arc<Dialer>, Address),
    /// One on this machine.
    Unix(Dialer, PathBuf),
    /// The master, wherever it is now.
    Master(Box<Master>),
}

/// The master that Sentinels name.
#[derive(Debug)]
pub(super) struct Master {
    pub(super) sentinels: Sentinels,
    pub(super) to_sentinel: Dialer,
    pub(super) to_master: Dialer,
    pub(super) limits: TimeLimits,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Server::Tcp(_, address) => write!(f, "redis at {address}"),
            Server::Unix(_, path) => write!(f, "redis at {}", path.display()),
            Server::Master(master) => write!(f, "redis master \"{}\"", master.sentinels.master),
        }
    }
}

impl Server {
    pub(super) async fn connect(&self) -> Result<Link, Failure> {
        match self {
            Server::Tcp(dialer, address) => dialer.dial(address).await,
            Server::Unix(dialer, path) => dialer.dial_unix(path).await,
            Server::Master(master) => master.connect().await,
        }
    }
}

impl Master {
    /// Asks one Sentinel after the other until one names a server that is the master indeed: right after a failover, one
    /// that was cut off still names the old one.
    async fn connect(&self) -> Result<Link, Failure> {
        let mut last = None;
        for sentinel in &self.sentinels.addresses {
            match self.connect_by(sentinel).await {
                Ok(link) => return Ok(link),
                Err(failure) => last = Some(failure),
            }
        }
        Err(last.unwrap_or_else(|| self.nowhere("no sentinel is known")))
    }

    async fn connect_by(&self, sentinel: &Address) -> Result<Link, Failure> {
        let address = self.ask(sentinel).await?;
        let link = self.to_master.dial(&address).await?;
        let mut role = pipe();
        role.add_command(cmd("ROLE"));
        let answers = link.exchange(&role, self.limits.round_trip).await?;
        match answers.first() {
            Some(Value::Array(role))
                if role.first().and_then(text).as_deref() != Some("master") =>
            {
                Err(self.nowhere(format!("{address}, which {sentinel} names, is no master")))
            }
            // A user that may not ask for the role is told by the first write.
            _ => Ok(link),
        }
    }

    async fn ask(&self, sentinel: &Address) -> Result<Address, Failure> {
        let link = self.to_sentinel.dial(sentinel).await?;
        let mut question = pipe();
        question
            .cmd("SENTINEL")
            .arg("get-master-addr-by-name")
            .arg(&self.sentinels.master);
        let answers = link.exchange(&question, self.limits.round_trip).await?;
        match answers.first() {
            Some(Value::ServerError(error)) => Err(Failure::of_answer(
                &format!("sentinel at {sentinel}"),
                error,
            )),
            Some(Value::Array(address)) => address_of(address)
                .ok_or_else(|| self.nowhere(format!("{sentinel} names no address"))),
            _ => Err(self.nowhere(format!("{sentinel} does not know it"))),
        }
    }

    fn nowhere(&self, detail: impl Into<String>) -> Failure {
        let server = format!("redis master \"{}\"", self.sentinels.master);
        Failure::unsent(FailureKind::Unreachable, server, detail)
    }
}

/// A host and a port, as Sentinels and clusters tell them.
pub(super) fn address_of(answer: &[Value]) -> Option<Address> {
    let [host, port, ..] = answer else {
        return None;
    };
    Some(Address {
        host: text(host)?,
        port: match port {
            Value::Int(port) => u16::try_from(*port).ok()?,
            port => text(port)?.parse().ok()?,
        },
    })
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::SimpleString(text) => Some(text.clone()),
        _ => None,
    }
}
