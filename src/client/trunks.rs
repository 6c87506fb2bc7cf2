//! Connections, and how many requests one of them carries.
//!
//! A server that offers HTTP/2, as all of OpenAI's do, gets many requests on one connection: a burst then needs no handshakes. Others
//! get HTTP/1.1 and a connection for each request that is under way. A *trunk* is an HTTP client of its own, with at most one connection
//! of HTTP/2 to each server, and a bound on what is under way on it.

use std::{
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use reqwest::redirect;
use rustls::{ClientConfig, crypto::ring};
use tokio::time::Instant;

use super::Failure;
use crate::trust;

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

/// All requests on a connection hear of its loss at once: what comes within this time is still the same one.
const ONE_LOSS: Duration = Duration::from_secs(1);

/// The trunks of one manager. There are never more than the most requests under way at once, in hundreds, have needed; a trunk that
/// is not used has no connections after a while.
pub(super) struct Trunks {
    connect: Duration,
    // Made at the first call: a manager that only counts or chooses needs no TLS roots.
    tls: OnceLock<ClientConfig>,
    trunks: Mutex<Vec<Arc<Trunk>>>,
}

struct Trunk {
    http: reqwest::Client,
    under_way: AtomicUsize,
    /// Whether an answer has come by HTTP/2.
    is_shared: AtomicBool,
    /// When a shared connection was last known to be lost.
    lost: Mutex<Option<Instant>>,
}

/// The place of one request on a trunk, given back when dropped.
pub(super) struct Place(Arc<Trunk>);

impl Trunks {
    /// Trunks that give up connecting after `connect`.
    pub(super) fn new(connect: Duration) -> Self {
        Trunks {
            connect,
            tls: OnceLock::new(),
            trunks: Mutex::default(),
        }
    }

    /// A place on the first trunk that has one, so that the later ones fall idle when there is less to do.
    pub(super) fn place(&self) -> Result<Place, Failure> {
        let mut trunks = self.trunks.lock().unwrap_or_else(PoisonError::into_inner);
        let free = trunks
            .iter()
            .find(|trunk| trunk.under_way.load(Ordering::Relaxed) < LARGEST_LOAD);
        let trunk = match free {
            Some(trunk) => trunk.clone(),
            None => {
                let trunk = Arc::new(Trunk {
                    http: self.client()?,
                    under_way: AtomicUsize::new(0),
                    is_shared: AtomicBool::new(false),
                    lost: Mutex::default(),
                });
                trunks.push(trunk.clone());
                trunk
            }
        };
        // Only here, under the lock, does it grow.
        trunk.under_way.fetch_add(1, Ordering::Relaxed);
        Ok(Place(trunk))
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

fn no_tls(error: impl fmt::Display) -> Failure {
    Failure::Connect(format!("TLS cannot be set up: {error}"))
}

impl Place {
    pub(super) fn http(&self) -> &reqwest::Client {
        &self.0.http
    }

    /// Others may be on the connection as well.
    pub(super) fn shared(&self) {
        self.0.is_shared.store(true, Ordering::Relaxed);
    }

    /// A failure as others are to hear of it: of all requests that go down with a connection, the first alone brings news.
    pub(super) fn tell(&self, failure: Failure) -> Failure {
        let is_of_all = matches!(failure, Failure::Cut(_) | Failure::NotBegun(_));
        if !is_of_all || !self.0.is_shared.load(Ordering::Relaxed) {
            return failure;
        }
        let now = Instant::now();
        let mut lost = self.0.lost.lock().unwrap_or_else(PoisonError::into_inner);
        if lost.is_some_and(|lost| now.duration_since(lost) < ONE_LOSS) {
            return Failure::Again(Box::new(failure));
        }
        *lost = Some(now);
        failure
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Trunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trunks = self.trunks.lock().unwrap_or_else(PoisonError::into_inner);
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
    async fn of_a_shared_connection_that_is_lost_the_first_brings_news() {
        let trunks = Trunks::new(Duration::from_secs(1));
        let place = trunks.place().expect("a place");
        let is_news = |failure| place.tell(failure).is_news();
        let cut = || Failure::Cut("reset by peer".to_owned());
        let not_begun = || Failure::NotBegun("closing".to_owned());
        assert!(is_news(cut()) && is_news(cut()));
        place.shared();
        assert!(is_news(cut()));
        assert!(!is_news(cut()) && !is_news(not_begun()));
        assert!(is_news(Failure::Reset("this alone".to_owned())));
        tokio::time::advance(ONE_LOSS).await;
        assert!(is_news(not_begun()) && !is_news(cut()));
        let again = place.tell(not_begun());
        assert!(again.is_before_work());
        assert_eq!(again.to_string(), not_begun().to_string());
    }
}
