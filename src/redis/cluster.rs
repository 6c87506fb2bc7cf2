//! The servers of a cluster as one: each command goes to the master that has its key's slot.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::{join_all, select_ok};
use redis::{Cmd, Pipeline, ServerErrorKind, Value, cmd};
use tokio::time::{Instant, sleep};

use super::{
    dial::{Dialer, TimeLimits},
    failure::{Failure, FailureKind},
    line::Line,
    server::Server,
    slots::{SlotMap, redirection, slot_of},
};
use crate::config::redis_target::Address;

/// How often a command follows its slot in one call.
const MOST_REDIRECTIONS: u32 = 8;

/// Sent on for the second time, a command waits this long, and twice as long each further time: servers disagree for a moment
/// about a slot that has just moved, and would send it to and fro.
const AGREEMENT_PAUSE: Duration = Duration::from_millis(10);

/// While servers are away the map is asked for no more often than this: a cluster takes seconds to promote a replica.
const MAP_PAUSE: Duration = Duration::from_millis(200);

/// Servers that are asked for the map at the same time.
const ASKED_AT_ONCE: usize = 3;

/// A cluster.
#[derive(Debug)]
pub(super) struct Cluster {
    seeds: Vec<Address>,
    dialer: Arc<Dialer>,
    limits: TimeLimits,
    // Locked for a few instructions, never over an await.
    state: Mutex<State>,
    // Held by whoever asks for the map.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    map: SlotMap,
    /// The map has been wrong, or a server is away, since it was asked for.
    stale: bool,
    asked: Option<Instant>,
    lines: HashMap<Address, Arc<Line>>,
}

/// What to do with an answer.
enum Next {
    Done(Result<Value, Failure>),
    /// Send it there; after `ASKING`, where the slot is still on its way.
    Follow {
        to: Address,
        asking: bool,
        failure: Failure,
    },
}

impl Cluster {
    pub(super) fn new(seeds: Vec<Address>, dialer: Dialer, limits: TimeLimits) -> Self {
        Cluster {
            seeds,
            dialer: Arc::new(dialer),
            limits,
            state: Mutex::new(State {
                stale: true,
                ..State::default()
            }),
            asking: tokio::sync::Mutex::default(),
        }
    }

    /// Sends each command to its server: one round trip for each server, all at once. Answers come in the order of the commands.
    pub(super) async fn run(&self, commands: &[Cmd]) -> Vec<Result<Value, Failure>> {
        if let Err(failure) = self.refresh().await {
            return commands.iter().map(|_| Err(failure.clone())).collect();
        }
        let mut answers: Vec<_> = commands.iter().map(|_| Err(self.unserved())).collect();
        let groups = self
            .grouped(commands)
            .into_iter()
            .map(|(address, indices)| async move {
                let mut pipeline = Pipeline::with_capacity(indices.len());
                for &index in &indices {
                    pipeline.add_command(commands[index].clone());
                }
                let nexts = self.exchange(&address, &pipeline).await;
                join_all(
                    indices
                        .into_iter()
                        .zip(nexts)
                        .map(|(index, next)| async move {
                            (index, self.follow(&commands[index], next).await)
                        }),
                )
                .await
            });
        for (index, answer) in join_all(groups).await.into_iter().flatten() {
            answers[index] = answer;
        }
        answers
    }

    /// The indices of commands by the server that has their slot; those that no server has are left out.
    fn grouped(&self, commands: &[Cmd]) -> HashMap<Address, Vec<usize>> {
        let state = self.state();
        let mut groups: HashMap<Address, Vec<usize>> = HashMap::new();
        for (index, command) in commands.iter().enumerate() {
            let master = match slot_of(command) {
                Some(slot) => state.map.master(slot),
                None => state.map.masters().next(),
            };
            if let Some(master) = master {
                groups.entry(master.clone()).or_default().push(index);
            }
        }
        groups
    }

    /// One round trip to one server.
    async fn exchange(&self, address: &Address, commands: &Pipeline) -> Vec<Next> {
        match self.line(address).exchange(commands).await {
            Ok(answers) => answers
                .into_iter()
                .map(|answer| self.next(answer, address))
                .collect(),
            Err(failure) => {
                // Its slots may be somebody else's by now.
                self.state().stale = true;
                commands
                    .cmd_iter()
                    .map(|_| Next::Done(Err(failure.clone())))
                    .collect()
            }
        }
    }

    fn next(&self, answer: Value, teller: &Address) -> Next {
        let Value::ServerError(error) = answer else {
            return Next::Done(Ok(answer));
        };
        let failure = Failure::of_answer(&format!("redis at {teller}"), &error);
        let asking = error.kind() == Some(ServerErrorKind::Ask);
        let moved = error.kind() == Some(ServerErrorKind::Moved);
        self.state().stale |= moved
            || matches!(
                failure.kind(),
                FailureKind::ReadOnly | FailureKind::NotReady
            ) && !asking;
        let to = error
            .details()
            .and_then(|detail| redirection(detail, teller));
        match to.filter(|_| moved || asking) {
            Some(to) => Next::Follow {
                to,
                asking,
                failure,
            },
            None => Next::Done(Err(failure)),
        }
    }

    /// Follows a command's slot to where it has moved. A server that sends it on has not run it.
    async fn follow(&self, command: &Cmd, mut next: Next) -> Result<Value, Failure> {
        for redirection in 0..MOST_REDIRECTIONS {
            let (to, asking) = match next {
                Next::Done(answer) => return answer,
                Next::Follow { to, asking, .. } => (to, asking),
            };
            if redirection > 0 {
                sleep(AGREEMENT_PAUSE * 2_u32.pow(redirection - 1)).await;
            }
            let mut pipeline = Pipeline::with_capacity(2);
            if asking {
                pipeline.add_command(cmd("ASKING"));
            }
            pipeline.add_command(command.clone());
            next = match self.exchange(&to, &pipeline).await.pop() {
                Some(next) => next,
                None => return Err(self.unserved()),
            };
        }
        match next {
            Next::Done(answer) => answer,
            Next::Follow { failure, .. } => Err(failure),
        }
    }

    /// Asks for the map, if there is reason to.
    pub(super) async fn refresh(&self) -> Result<(), Failure> {
        if !self.is_due() {
            return Ok(());
        }
        let _asking = match self.asking.try_lock() {
            Ok(asking) => asking,
            // Somebody asks already. An old map will do meanwhile: most of it is right.
            Err(_) if !self.is_lost() => return Ok(()),
            Err(_) => self.asking.lock().await,
        };
        if !self.is_due() {
            return Ok(());
        }
        let mut last = self.unserved();
        for some in self.tellers().chunks(ASKED_AT_ONCE) {
            let asked = some.iter().map(|teller| Box::pin(self.ask(teller)));
            match select_ok(asked).await {
                Ok((map, _)) => {
                    self.take_over(map);
                    return Ok(());
                }
                Err(failure) => last = failure.before_sending(),
            }
        }
        self.state().asked = Some(Instant::now());
        if self.is_lost() { Err(last) } else { Ok(()) }
    }

    /// Whether no map was ever had.
    fn is_lost(&self) -> bool {
        self.state().map == SlotMap::default()
    }

    fn is_due(&self) -> bool {
        let state = self.state();
        state.stale && state.asked.is_none_or(|asked| asked.elapsed() >= MAP_PAUSE)
            || state.map == SlotMap::default()
    }

    /// Who can be asked for the map: the masters that are known, then those that the caller named.
    fn tellers(&self) -> Vec<Address> {
        let mut tellers: Vec<Address> = self.state().map.masters().cloned().collect();
        tellers.dedup();
        let others = self
            .seeds
            .iter()
            .filter(|seed| !tellers.contains(seed))
            .cloned();
        tellers.extend(others.collect::<Vec<_>>());
        tellers
    }

    async fn ask(&self, teller: &Address) -> Result<SlotMap, Failure> {
        let mut question = Pipeline::with_capacity(1);
        question.cmd("CLUSTER").arg("SLOTS");
        let answers = self.line(teller).exchange(&question).await?;
        let server = format!("redis at {teller}");
        match answers.first() {
            Some(Value::ServerError(error)) => Err(Failure::of_answer(&server, error)),
            Some(answer) => SlotMap::read(answer, teller)
                .filter(|map| map.masters().next().is_some())
                .ok_or_else(|| {
                    let detail = "it names no server that has keys";
                    Failure::unsent(FailureKind::NotReady, server, detail)
                }),
            None => Err(self.unserved()),
        }
    }

    fn take_over(&self, map: SlotMap) {
        let mut state = self.state();
        // Lines to servers that have left are closed; commands under way on them still get their answers.
        let keep: Vec<&Address> = map.masters().chain(&self.seeds).collect();
        state.lines.retain(|address, _| keep.contains(&address));
        state.map = map;
        state.stale = false;
        state.asked = Some(Instant::now());
    }

    fn line(&self, address: &Address) -> Arc<Line> {
        let open = || {
            let server = Server::Tcp(self.dialer.clone(), address.clone());
            Arc::new(Line::new(server, self.limits))
        };
        self.state()
            .lines
            .entry(address.clone())
            .or_insert_with(open)
            .clone()
    }

    fn unserved(&self) -> Failure {
        let seeds: Vec<String> = self.seeds.iter().map(Address::to_string).collect();
        let server = format!("redis cluster at {}", seeds.join(", "));
        Failure::unsent(
            FailureKind::NotReady,
            server,
            "no server has the key's slot",
        )
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every field may be out of date at any time, so a state that a panic left behind is as good as any.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
