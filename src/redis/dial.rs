//! Opens one connection to one server: TCP or Unix socket, TLS, login.

use std::{future::Future, io, path::Path, sync::Arc, time::Duration};

use redis::{
    AsyncConnectionConfig, Pipeline, RedisConnectionInfo, Value, aio::MultiplexedConnection,
};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{
    failure::{Failure, FailureKind, within},
    tls,
};
use crate::{
    config::redis_target::{Address, Login, Tls},
    error::Result,
};

/// The longest times that the connection takes for its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeLimits {
    /// To connect to one server, TLS and login included.
    pub connect: Duration,
    /// From sending commands to their answers.
    pub round_trip: Duration,
}

impl Default for TimeLimits {
    fn default() -> Self {
        TimeLimits {
            connect: Duration::from_secs(2),
            round_trip: Duration::from_secs(1),
        }
    }
}

/// Opens connections with one login.
#[derive(Debug)]
pub(super) struct Dialer {
    /// What answers there, for messages: `redis` or `sentinel`.
    what: &'static str,
    login: RedisConnectionInfo,
    tls: Option<(Arc<ClientConfig>, Option<ServerName<'static>>)>,
    limit: Duration,
}

/// An open connection that many callers share; closed when the last of them lets it go.
#[derive(Debug)]
pub(super) struct Link {
    /// Where it leads, for messages.
    pub(super) server: String,
    connection: MultiplexedConnection,
    // Reads and writes the socket. It ends with the connection, or with the runtime of the thread that made it.
    driver: JoinHandle<()>,
}

/// Any kind of socket.
trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Socket for S {}

impl Dialer {
    pub(super) fn new(
        what: &'static str,
        (login, database, tls): (&Login, u32, Option<&Tls>),
        limit: Duration,
    ) -> Result<Self> {
        let mut info = RedisConnectionInfo::default()
            .set_db(i64::from(database))
            .set_lib_name(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        if let Some(username) = &login.username {
            // A user without a password logs in with an empty one.
            info = info.set_username(username).set_password("");
        }
        if let Some(password) = &login.password {
            info = info.set_password(password.expose());
        }
        let tls = match tls {
            Some(tls) => Some((tls::client_config(tls)?, tls.server_name.clone())),
            None => None,
        };
        Ok(Dialer {
            what,
            login: info,
            tls,
            limit,
        })
    }

    /// Connects to a host and port.
    pub(super) async fn dial(&self, address: &Address) -> Result<Link, Failure> {
        let server = format!("{} at {address}", self.what);
        self.open(server, self.tcp(address)).await
    }

    /// Connects to a server on this machine.
    pub(super) async fn dial_unix(&self, path: &Path) -> Result<Link, Failure> {
        let server = format!("{} at {}", self.what, path.display());
        self.open(server, unix(path)).await
    }

    async fn open(
        &self,
        server: String,
        socket: impl Future<Output = io::Result<Box<dyn Socket>>>,
    ) -> Result<Link, Failure> {
        let opening = async {
            let socket = socket.await.map_err(|error| {
                Failure::unsent(FailureKind::Unreachable, &server, error.to_string())
            })?;
            // Limits of time are kept by whoever waits.
            let config = AsyncConnectionConfig::new().set_response_timeout(None);
            MultiplexedConnection::new_with_config(&self.login, socket, config)
                .await
                .map_err(|error| Failure::of_login(&server, &error))
        };
        match timeout(self.limit, opening).await {
            Ok(Ok((connection, driver))) => Ok(Link {
                server,
                connection,
                driver: tokio::spawn(driver),
            }),
            Ok(Err(failure)) => Err(failure),
            Err(_) => Err(Failure::unsent(
                FailureKind::TimedOut,
                server,
                format!("no connection {}", within(self.limit)),
            )),
        }
    }

    async fn tcp(&self, address: &Address) -> io::Result<Box<dyn Socket>> {
        let socket = TcpStream::connect((address.host.as_str(), address.port)).await?;
        socket.set_nodelay(true)?;
        let Some((config, server_name)) = &self.tls else {
            return Ok(Box::new(socket));
        };
        let name = match server_name {
            Some(name) => name.clone(),
            None => ServerName::try_from(address.host.clone()).map_err(io::Error::other)?,
        };
        let connector = TlsConnector::from(config.clone());
        Ok(Box::new(connector.connect(name, socket).await?))
    }
}

#[cfg(unix)]
async fn unix(path: &Path) -> io::Result<Box<dyn Socket>> {
    Ok(Box::new(tokio::net::UnixStream::connect(path).await?))
}

#[cfg(not(unix))]
async fn unix(_: &Path) -> io::Result<Box<dyn Socket>> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

impl Link {
    /// Whether it still leads somewhere, as far as is known.
    pub(super) fn is_open(&self) -> bool {
        !self.driver.is_finished()
    }

    /// Sends commands and takes in their answers, error answers among them.
    pub(super) async fn exchange(
        &self,
        commands: &Pipeline,
        limit: Duration,
    ) -> Result<Vec<Value>, Failure> {
        // A clone is a handle on the same socket.
        let mut connection = self.connection.clone();
        match timeout(
            limit,
            connection.send_packed_commands(commands, 0, commands.len()),
        )
        .await
        {
            Ok(answers) => answers.map_err(|error| Failure::broken(&self.server, &error)),
            Err(_) => Err(Failure::no_answer(&self.server, limit)),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
