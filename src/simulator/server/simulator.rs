//! The running server: its listener, its connections, its end.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::AUTHORIZATION;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle, JoinSet};
use tokio::time::sleep;

use super::sending::{Sending, milliseconds};
use crate::simulator::service::{Answer, Request, Service};
use crate::simulator::settings::Settings;

/// Largest request body that is read: 64 MB, room for some large images. Our bound; OpenAI documents none.
pub(super) const LARGEST_BODY: usize = 64 << 20;

/// Pause after a failed accept. Such a failure is nearly always a lack of file descriptors, which only time heals.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// An OpenAI server on 127.0.0.1 that is running.
///
/// Dropping it ends it at once, with all connections; [`stop`](Simulator::stop) ends it in order.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use openai_request_manager::simulator::{Settings, Simulator};
///
/// let settings = Settings::parse(r#"{"accounts": [
///     {"apiKey": "sk-a", "limits": {"*": {"requestsPerMinute": 60, "tokensPerMinute": 20000}}}]}"#)?;
/// let simulator = Simulator::start(settings).await?;
/// println!("http://{}/v1", simulator.address());
/// simulator.stop().await;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Simulator {
    core: Arc<Core>,
    address: SocketAddr,
    /// Becomes `true` when the server shall end.
    ending: watch::Sender<bool>,
    /// The task that accepts connections and owns those of all connections; taken by the first `stop`.
    accepting: Mutex<Option<JoinHandle<()>>>,
    /// Ends that task, also where a `stop` was given up half-way.
    abort: AbortHandle,
}

/// What all connections share: the service and the moment 0 of its clock.
#[derive(Debug)]
struct Core {
    service: Service,
    started: Instant,
}

impl Core {
    fn now(&self) -> f64 {
        self.started.elapsed().as_secs_f64() * 1000.0
    }
}

impl Simulator {
    /// Starts a server on the settings' port, on the tokio runtime of the caller. Fails if the port is taken.
    pub async fn start(settings: Settings) -> io::Result<Simulator> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, settings.port)).await?;
        let address = listener.local_addr()?;
        let epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let core = Arc::new(Core {
            service: Service::new(settings, epoch.as_secs()),
            started: Instant::now(),
        });
        let (ending, ended) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, Arc::clone(&core), ended));
        Ok(Simulator {
            core,
            address,
            ending,
            abort: accepting.abort_handle(),
            accepting: Mutex::new(Some(accepting)),
        })
    }

    /// Where it listens; its port is a free one if the settings say 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What happened so far, as JSON: by account label and model group the requests `admitted` and `refused`,
    /// `chargedTokens`, and as `capacityRequests` and `capacityTokens` all that could have been admitted; answers by
    /// status; and the totals. The same as `GET /_simulator/stats`.
    pub fn stats(&self) -> String {
        self.core.service.stats(self.core.now())
    }

    /// Stops listening, lets the answers under way end, closes all connections, and returns when that is done: after
    /// the longest latency or stream under way. A second call returns at once.
    pub async fn stop(&self) {
        self.ending.send_replace(true);
        let accepting = self
            .accepting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(task) = accepting {
            // It ends by itself now; an error could only be a panic in a connection, which has already ended it.
            let _ = task.await;
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        // The task owns the tasks of all connections; they end with it. Aborting one that has ended does nothing.
        self.abort.abort();
    }
}

async fn accept(listener: TcpListener, core: Arc<Core>, mut ended: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let ended_too = ended.clone();
    loop {
        tokio::select! {
            () = end(&mut ended) => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, Arc::clone(&core), ended_too.clone()));
                }
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
            // Forgets connections that have ended.
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Returns when the server shall end, or is gone.
async fn end(ended: &mut watch::Receiver<bool>) {
    // An error means that the sender was dropped, which is an end too.
    let _ = ended.wait_for(|ended| *ended).await;
}

async fn serve(stream: TcpStream, core: Arc<Core>, mut ended: watch::Receiver<bool>) {
    // Without this, the last packet of an answer may wait for an acknowledgement. Failing costs only time.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let core = Arc::clone(&core);
        async move { Ok::<_, Infallible>(respond(&core, request).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .pipeline_flush(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    // Errors of a connection are the client's: it went away or spoke no HTTP.
    let over = tokio::select! {
        _ = connection.as_mut() => true,
        () = end(&mut ended) => false,
    };
    if !over {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}

async fn respond(core: &Core, request: hyper::Request<Incoming>) -> Response<Sending> {
    let (head, body) = request.into_parts();
    let answer = match Limited::new(body, LARGEST_BODY).collect().await {
        Ok(body) => {
            let request = Request {
                method: head.method.as_str(),
                path: head.uri.path(),
                authorization: head
                    .headers
                    .get(AUTHORIZATION)
                    .and_then(|value| value.to_str().ok()),
                body: &body.to_bytes(),
            };
            core.service.answer(&request, core.now())
        }
        Err(error) if error.is::<LengthLimitError>() => core.service.body_too_large(LARGEST_BODY),
        // The client went away while sending: nobody will read what we say.
        Err(_) => return Response::new(Sending::nothing()),
    };
    let Answer {
        status,
        headers,
        body,
        delay_ms,
    } = answer;
    if delay_ms > 0.0 {
        sleep(milliseconds(delay_ms)).await;
    }
    let mut response = Response::new(Sending::new(body));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.headers_mut() = headers;
    response
}
