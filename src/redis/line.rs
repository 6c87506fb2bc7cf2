//! A line to one server: connected when it is needed, and again when it was lost.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use redis::{Pipeline, Value};
use tokio::time::{Instant, timeout};

use super::{
    dial::{Link, TimeLimits},
    failure::{Failure, FailureKind, within},
    server::Server,
};

/// The pause after the first failure in a row; it doubles with each further one.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause: Redis is found again this long after it is back.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A line to one server.
#[derive(Debug)]
pub(super) struct Line {
    server: Arc<Server>,
    limits: TimeLimits,
    // Locked for a few instructions, never over an await.
    state: Mutex<State>,
}

/// An attempt to connect that all callers wait for. It goes on when they have stopped waiting.
type Attempt = Shared<BoxFuture<'static, Result<Arc<Link>, Failure>>>;

#[derive(Default)]
struct State {
    link: Option<Arc<Link>>,
    attempt: Option<Attempt>,
    /// Failures since the last good answer.
    failures: u32,
    /// The last failure, which callers are told until this moment.
    pause: Option<(Instant, Failure)>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("link", &self.link)
            .field("failures", &self.failures)
            .finish_non_exhaustive()
    }
}

impl Line {
    pub(super) fn new(server: Server, limits: TimeLimits) -> Self {
        Line {
            server: Arc::new(server),
            limits,
            state: Mutex::default(),
        }
    }

    /// One round trip. Connects first if need be; while the server is known to be away, fails at once.
    pub(super) async fn exchange(&self, commands: &Pipeline) -> Result<Vec<Value>, Failure> {
        let link = self.link().await?;
        let answers = link.exchange(commands, self.limits.round_trip).await;
        match &answers {
            Ok(answers) => match read_only(answers, &link.server) {
                // It was a master once. Whoever is now is found by connecting anew.
                Some(failure) => self.lose(&link, Some(failure)),
                None => self.state().failures = 0,
            },
            // The next one connects at once: most connections break because the server was restarted.
            Err(_) => self.lose(&link, None),
        }
        answers
    }

    /// An answer with its failure, if it is one.
    pub(super) fn answer(&self, answer: Value) -> Result<Value, Failure> {
        match answer {
            Value::ServerError(error) => Err(Failure::of_answer(&self.server.to_string(), &error)),
            answer => Ok(answer),
        }
    }

    /// The open connection, or a new one.
    pub(super) async fn link(&self) -> Result<Arc<Link>, Failure> {
        let attempt = {
            let mut state = self.state();
            if let Some(link) = state.link.as_ref().filter(|link| link.is_open()) {
                return Ok(link.clone());
            }
            match (&state.attempt, &state.pause) {
                (Some(attempt), _) => attempt.clone(),
                (None, Some((until, failure))) if Instant::now() < *until => {
                    return Err(failure.clone());
                }
                _ => state.attempt.insert(self.attempt()).clone(),
            }
        };
        let Ok(connected) = timeout(self.limits.connect, attempt.clone()).await else {
            let detail = format!("no connection {}", within(self.limits.connect));
            return Err(Failure::unsent(
                FailureKind::TimedOut,
                self.server.to_string(),
                detail,
            ));
        };
        let link = self.end(&attempt, connected)?;
        if link.is_open() {
            return Ok(link);
        }
        // It was made for callers that did not wait for it, and has been closed since.
        self.lose(&link, None);
        let detail = "the connection was closed again";
        Err(Failure::unsent(
            FailureKind::Unreachable,
            &link.server,
            detail,
        ))
    }

    /// A task of its own, so that a caller that gives up does not throw away what has been reached.
    fn attempt(&self) -> Attempt {
        let server = self.server.clone();
        let task = tokio::spawn({
            let server = server.clone();
            async move {
                let connected = server.connect().await;
                connected.map(Arc::new).map_err(Failure::before_sending)
            }
        });
        let connected = async move {
            task.await.unwrap_or_else(|_| {
                // Its runtime is gone; the next attempt begins on that of its caller.
                let detail = "the thread that connected has ended";
                Err(Failure::unsent(
                    FailureKind::Unreachable,
                    server.to_string(),
                    detail,
                ))
            })
        };
        connected.boxed().shared()
    }

    /// Takes over what an attempt came to. Every caller that waited for it does so; the first one counts.
    fn end(
        &self,
        attempt: &Attempt,
        connected: Result<Arc<Link>, Failure>,
    ) -> Result<Arc<Link>, Failure> {
        let mut state = self.state();
        if state
            .attempt
            .as_ref()
            .is_some_and(|current| current.ptr_eq(attempt))
        {
            state.attempt = None;
            match &connected {
                Ok(link) => {
                    state.link = Some(link.clone());
                    state.pause = None;
                }
                Err(failure) => state.pause(failure.clone()),
            }
        }
        connected
    }

    /// Forgets a connection; the next caller makes a new one, after a pause where `failure` says that this may not help.
    fn lose(&self, link: &Arc<Link>, failure: Option<Failure>) {
        let mut state = self.state();
        if state
            .link
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, link))
        {
            state.link = None;
            if let Some(failure) = failure {
                state.pause(failure);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No invariant spans two fields, so a state that a panic left behind is as good as any.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn pause(&mut self, failure: Failure) {
        self.pause = Some((
            Instant::now() + pause(self.failures, fastrand::f64()),
            failure,
        ));
        self.failures = self.failures.saturating_add(1);
    }
}

/// The pause after so many failures in a row. Many processes lose Redis in the same moment: `random`, from 0 to 1, spreads
/// their return over half of the pause.
fn pause(failures: u32, random: f64) -> Duration {
    let doubled = SHORTEST_PAUSE.saturating_mul(2_u32.saturating_pow(failures));
    doubled.min(LONGEST_PAUSE).mul_f64(0.5 + random / 2.0)
}

/// The first answer that says that this server takes no writes.
fn read_only(answers: &[Value], server: &str) -> Option<Failure> {
    answers.iter().find_map(|answer| match answer {
        Value::ServerError(error) => Some(Failure::of_answer(server, error))
            .filter(|failure| failure.kind() == FailureKind::ReadOnly),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_its_bound_and_is_spread() {
        let pauses: Vec<u128> = (0..8)
            .map(|failures| pause(failures, 1.0).as_millis())
            .collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1600, 2000, 2000]);
        assert_eq!(pause(u32::MAX, 1.0), LONGEST_PAUSE);
        assert_eq!(pause(0, 0.0), SHORTEST_PAUSE / 2);
    }
}
