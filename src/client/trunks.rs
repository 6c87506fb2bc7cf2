//! Connections, and how many requests one of them carries.
//!
//! A server that offers HTTP/2, as all of OpenAI's do, gets many requests on one connection: a burst then needs no handshakes. Others
//! get HTTP/1.1 and a connection for each request that is under way. A *trunk* is an HTTP client of its own, with one connection of
//! HTTP/2 to each server, and a bound on what is under way on it.
//!
//! Two things the HTTP client gives no choice in. Requests that find no connection, as in the first burst and after a loss, connect each
//! for itself; when one is through they share it, and drop what they have opened. And it knows fifty answers that were given up, each for
//! a second: after a thousand frames of others that still came in, it ends the connection (h2 0.4, `max_concurrent_reset_streams` and
//! `max_local_error_reset_streams`).

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use reqwest::{Url, redirect};
use rustls::{ClientConfig, crypto::ring};
use tokio::time::Instant;

use super::Failure;
use crate::{attempt::Loss, trust};

/// Requests under way on one trunk: servers are asked to allow no fewer on a connection (RFC 9113, 6.5.2). The HTTP client tells
/// nobody what a server does allow; above that it lets requests wait without a word.
const LARGEST_LOAD: usize = 100;

/// What a server may send of one answer before its reader has taken it. At 100 ms of round trip it lets 10 MB/s through.
const ANSWER_WINDOW: u32 = 1024 * 1024;

/// So much that readers who stand still, each with a full window, hold up nobody else's answer.
const CONNECTION_WINDOW: u32 = LARGEST_LOAD as u32 * ANSWER_WINDOW;

/// A connection that has gone without a word is found out by a ping, at the latest after the sum of these. Without that, all
/// requests would go to it for the minutes that TCP takes to give up.
const PING_INTERVAL: Duration = Duration::from_secs(15);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// The trunks of one manager. There are never more than the most requests under way at once, in hundreds, have needed; a trunk that
/// is not used has no connections after a while.
pub(super) struct Trunks {
    connect: Duration,
    // Made at the first call: a manager that only counts or chooses needs no TLS roots.
    tls: OnceLock<ClientConfig>,
    trunks: Mutex<Vec<Arc<Trunk>>>,
    sharing: Arc<Mutex<Vec<Sharing>>>,
}

struct Trunk {
    http: reqwest::Client,
    under_way: AtomicUsize,
    sharing: Arc<Mutex<Vec<Sharing>>>,
}

/// A server that has answered by HTTP/2: a connection to it is for many requests.
struct Sharing {
    host: Box<str>,
    port: Option<u16>,
    /// The last loss of connections to it, and when the first request told of it. Of one trunk or of several: a server that goes away
    /// takes all of them along.
    lost: Option<(Loss, Instant)>,
}

/// The place of one request on a trunk, given back when dropped.
pub(super) struct Place {
    trunk: Arc<Trunk>,
    /// When it was taken.
    since: Instant,
}

impl Trunks {
    /// Trunks that give up connecting after `connect`.
    pub(super) fn new(connect: Duration) -> Self {
        Trunks {
            connect,
            tls: OnceLock::new(),
            trunks: Mutex::default(),
            sharing: Arc::default(),
        }
    }

    /// A place on the first trunk that has one, so that the later ones fall idle when there is less to do.
    pub(super) fn place(&self) -> Result<Place, Failure> {
        let mut trunks = lock(&self.trunks);
        let free = trunks
            .iter()
            .find(|trunk| trunk.under_way.load(Ordering::Relaxed) < LARGEST_LOAD);
        let trunk = match free {
            Some(trunk) => trunk.clone(),
            None => {
                let trunk = Arc::new(Trunk {
                    http: self.client()?,
                    under_way: AtomicUsize::new(0),
                    sharing: self.sharing.clone(),
                });
                trunks.push(trunk.clone());
                trunk
            }
        };
        // Only here, under the lock, does it grow.
        trunk.under_way.fetch_add(1, Ordering::Relaxed);
        Ok(Place {
            trunk,
            since: Instant::now(),
        })
    }

    /// The time within which there must be a connection.
    pub(super) fn connect(&self) -> Duration {
        self.connect
    }

    fn client(&self) -> Result<reqwest::Client, Failure> {
        reqwest::Client::builder()
            .tls_backend_preconfigured(self.tls()?)
            .user_agent(concat!(
                "openai-request-manager/",
                env!("CARGO_PKG_VERSION")
            ))
            .connect_timeout(self.connect)
            .tcp_nodelay(true)
            .http2_initial_stream_window_size(ANSWER_WINDOW)
            .http2_initial_connection_window_size(CONNECTION_WINDOW)
            .http2_keep_alive_interval(PING_INTERVAL)
            .http2_keep_alive_timeout(PING_TIMEOUT)
            .http2_keep_alive_while_idle(true)
            // A key must not follow a redirect to another host, and retrying is decided in one place.
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .build()
            .map_err(no_tls)
    }

    /// One for all trunks: a second connection to a server then resumes the session of the first.
    fn tls(&self) -> Result<ClientConfig, Failure> {
        if let Some(tls) = self.tls.get() {
            return Ok(tls.clone());
        }
        let mut tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(no_tls)?
            .with_root_certificates(trust::roots())
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(self.tls.get_or_init(|| tls).clone())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn no_tls(error: impl fmt::Display) -> Failure {
    Failure::Connect(format!("TLS cannot be set up: {error}"))
}

impl Place {
    pub(super) fn http(&self) -> &reqwest::Client {
        &self.trunk.http
    }

    /// The server has answered by HTTP/2.
    pub(super) fn shares(&self, server: &Url) {
        let mut sharing = lock(&self.trunk.sharing);
        if !sharing.iter().any(|known| known.is_at(server)) {
            sharing.push(Sharing {
                host: server.host_str().unwrap_or_default().into(),
                port: server.port(),
                lost: None,
            });
        }
    }

    /// Which loss this request tells of, whose connection to the server is gone, where others share that: the last one, if it was under
    /// way when that came to light, however late it notices. `None` also before the server's first answer, when that is not known yet.
    pub(super) fn loss(&self, server: &Url) -> Option<Loss> {
        let mut sharing = lock(&self.trunk.sharing);
        let known = sharing.iter_mut().find(|known| known.is_at(server))?;
        let lost = known.lost.take_if(|(_, told)| self.since <= *told);
        let (loss, told) = lost.unwrap_or_else(|| (Loss::new(), Instant::now()));
        known.lost = Some((loss.clone(), told));
        Some(loss)
    }
}

impl Sharing {
    fn is_at(&self, server: &Url) -> bool {
        Some(&*self.host) == server.host_str() && self.port == server.port()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.trunk.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Trunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trunks = lock(&self.trunks);
        let loads = trunks
            .iter()
            .map(|trunk| trunk.under_way.load(Ordering::Relaxed));
        f.debug_list().entries(loads).finish()
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trunk_takes_a_hundred_and_the_first_with_room_is_used_again() {
        let trunks = Trunks::new(Duration::from_secs(1));
        let mut places: Vec<_> = (0..=LARGEST_LOAD)
            .map(|_| trunks.place().expect("a place"))
            .collect();
        assert_eq!(format!("{trunks:?}"), "[100, 1]");
        places.drain(..3);
        places.push(trunks.place().expect("a place"));
        assert_eq!(format!("{trunks:?}"), "[98, 1]");
        drop(places);
        assert_eq!(format!("{trunks:?}"), "[0, 0]");
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_was_under_way_tells_of_the_same_loss() {
        let trunks = Trunks::new(Duration::from_secs(1));
        let [one, other] =
            ["https://one.test/v1", "https://other.test/v1"].map(|url| Url::parse(url).unwrap());
        let passing = || tokio::time::advance(Duration::from_secs(5));

        let [first, second] = [trunks.place().unwrap(), trunks.place().unwrap()];
        assert_eq!(first.loss(&one), None, "nobody shares it");
        first.shares(&one);
        second.shares(&one);
        second.shares(&other);
        passing().await;
        let lost = first.loss(&one);
        passing().await;
        assert!(lost.is_some());
        assert_eq!(second.loss(&one), lost, "however late it notices");
        assert_ne!(second.loss(&other), lost, "of another server");

        let third = trunks.place().unwrap();
        let lost_again = third.loss(&one);
        assert_ne!(lost_again, lost, "it began after that one");
        assert_eq!(first.loss(&one), lost_again);

        let mut crowd: Vec<_> = (0..LARGEST_LOAD).map(|_| trunks.place().unwrap()).collect();
        let on_another_trunk = crowd.pop().unwrap();
        assert!(!Arc::ptr_eq(&on_another_trunk.trunk, &first.trunk));
        assert_eq!(on_another_trunk.loss(&one), crowd[0].loss(&one));
    }
}
