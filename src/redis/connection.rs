//! What the rooms above see of Redis: commands in, answers out.

use redis::{Cmd, Pipeline, Value};

use super::{
    cluster::Cluster,
    dial::{Dialer, TimeLimits},
    failure::{Failure, FailureKind},
    line::Line,
    server::{Master, Server},
};
use crate::{
    config::redis_target::{Place, RedisTarget},
    error::Result,
};

/// A connection to a Redis of any kind. Make one for each target and share it.
#[derive(Debug)]
pub struct Connection {
    name: String,
    route: Route,
}

#[derive(Debug)]
enum Route {
    One(Line),
    Cluster(Cluster),
}

impl Connection {
    /// A connection that is opened when it is first needed. Fails only where the TLS settings cannot be used.
    pub fn new(target: &RedisTarget, limits: TimeLimits) -> Result<Self> {
        let dialer = Dialer::new(
            "redis",
            (&target.login, target.database, target.tls.as_ref()),
            limits.connect,
        )?;
        let server = match &target.place {
            Place::Tcp(address) => Server::Tcp(dialer.into(), address.clone()),
            Place::Unix(path) => Server::Unix(dialer, path.clone()),
            Place::Sentinel(sentinels) => Server::Master(Box::new(Master {
                sentinels: sentinels.clone(),
                to_sentinel: Dialer::new(
                    "sentinel",
                    (&sentinels.login, 0, sentinels.tls.as_ref()),
                    limits.connect,
                )?,
                to_master: dialer,
                limits,
            })),
            Place::Cluster(seeds) => {
                let cluster = Cluster::new(seeds.clone(), dialer, limits);
                return Ok(Connection {
                    name: target.describe(),
                    route: Route::Cluster(cluster),
                });
            }
        };
        Ok(Connection {
            name: target.describe(),
            route: Route::One(Line::new(server, limits)),
        })
    }

    /// Where it leads, for messages and the status: no user, no password.
    pub fn describe(&self) -> &str {
        &self.name
    }

    /// Connects now; for those who want to know whether it works.
    pub async fn connect(&self) -> Result<(), Failure> {
        match &self.route {
            Route::One(line) => line.link().await.map(|_| ()),
            Route::Cluster(cluster) => cluster.refresh().await,
        }
    }

    /// Runs one command.
    pub async fn run(&self, command: &Cmd) -> Result<Value, Failure> {
        let mut answers = self.run_all(std::slice::from_ref(command)).await;
        answers.pop().unwrap_or_else(|| Err(no_answer()))
    }

    /// Runs independent commands in one round trip, on a cluster in one for each server that has their first keys, all at once.
    /// Each has its own answer, in the order of the commands; those of one server run in that order, others in between.
    pub async fn run_all(&self, commands: &[Cmd]) -> Vec<Result<Value, Failure>> {
        let line = match &self.route {
            Route::One(line) => line,
            Route::Cluster(cluster) => return cluster.run(commands).await,
        };
        let mut pipeline = Pipeline::with_capacity(commands.len());
        for command in commands {
            pipeline.add_command(command.clone());
        }
        match line.exchange(&pipeline).await {
            Ok(answers) => answers
                .into_iter()
                .map(|answer| line.answer(answer))
                .collect(),
            Err(failure) => commands.iter().map(|_| Err(failure.clone())).collect(),
        }
    }
}

fn no_answer() -> Failure {
    Failure::unsent(FailureKind::Other, "redis", "it gave no answer")
}
