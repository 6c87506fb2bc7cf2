//! A cluster of three masters: every command finds its server, also when slots move and servers go.

use serde_json::json;

use super::{super::FailureKind, servers::Server, *};

/// The slot of `foo`, which the second server has at first.
const FOO: &str = "12182";

pub(crate) struct Masters {
    servers: Vec<Server>,
    pub(crate) direct: Vec<Connection>,
}

impl Masters {
    /// Three servers that have a third of the slots each: 0 to 4999, 10000 to 16383, 5000 to 9999.
    pub(crate) async fn start() -> Self {
        let servers: Vec<Server> = (0..3)
            .map(|_| Server::start(&["--cluster-enabled", "yes", "--requirepass", "pass"]))
            .collect();
        let direct: Vec<Connection> = servers
            .iter()
            .map(|server| connection(&json!({"tcp": at(server), "password": "pass"}), PATIENT))
            .collect();
        // As `redis-cli --cluster create` does: servers that all begin with epoch 0 agree on others in the background, and one that gets a
        // higher epoch while a slot moves away from it can take that back.
        for (epoch, one) in (1..).zip(&direct) {
            text(one, &format!("CLUSTER SET-CONFIG-EPOCH {epoch}")).await;
        }
        for (one, slots) in direct.iter().zip([0..5_000, 10_000..16_384, 5_000..10_000]) {
            let mut add = command("CLUSTER ADDSLOTS");
            add.arg(slots.collect::<Vec<u16>>());
            one.run(&add).await.unwrap();
        }
        for other in &servers[1..] {
            text(
                &direct[0],
                &format!("CLUSTER MEET 127.0.0.1 {}", other.port),
            )
            .await;
        }
        for one in &direct {
            eventually(|| async {
                let info = text(one, "CLUSTER INFO").await;
                let whole = [
                    "cluster_state:ok",
                    "cluster_known_nodes:3",
                    "cluster_slots_ok:16384",
                ];
                if whole.iter().all(|sign| info.contains(sign)) {
                    Ok(())
                } else {
                    Err(info)
                }
            })
            .await;
        }
        Masters { servers, direct }
    }

    pub(crate) fn connection(&self) -> Connection {
        let nodes: Vec<Json> = self.servers[..2].iter().map(at).collect();
        connection(&json!({"cluster": nodes, "password": "pass"}), PATIENT)
    }

    async fn id(&self, index: usize) -> String {
        text(&self.direct[index], "CLUSTER MYID").await
    }

    /// Begins to move the slot of `foo` from the second server to the first.
    async fn begin_to_move(&self) {
        let (to, from) = (self.id(0).await, self.id(1).await);
        text(
            &self.direct[0],
            &format!("CLUSTER SETSLOT {FOO} IMPORTING {from}"),
        )
        .await;
        text(
            &self.direct[1],
            &format!("CLUSTER SETSLOT {FOO} MIGRATING {to}"),
        )
        .await;
    }

    async fn end_to_move(&self) {
        let to = self.id(0).await;
        for one in &self.direct {
            text(one, &format!("CLUSTER SETSLOT {FOO} NODE {to}")).await;
        }
    }
}

fn at(server: &Server) -> Json {
    json!({"host": "127.0.0.1", "port": server.port})
}

#[tokio::test]
async fn commands_go_to_the_servers_that_have_their_keys() {
    let masters = Masters::start().await;
    let cluster = masters.connection();
    let commands: Vec<Cmd> = (0..200)
        .map(|number| command(&format!("SET key{number} {number}")))
        .collect();
    for answer in cluster.run_all(&commands).await {
        assert_eq!(answer, Ok(Value::Okay));
    }
    let commands: Vec<Cmd> = (0..200)
        .map(|number| command(&format!("GET key{number}")))
        .collect();
    for (number, answer) in cluster.run_all(&commands).await.iter().enumerate() {
        assert_eq!(answer.as_ref().map(shown), Ok(number.to_string()));
    }
    for one in &masters.direct {
        assert_ne!(text(one, "DBSIZE").await, "0");
    }
    assert_eq!(text(&cluster, "PING").await, "PONG");
    let mut script = redis::cmd("EVAL");
    script
        .arg("return redis.call('GET', KEYS[1]) .. ARGV[1]")
        .arg(1)
        .arg("key7")
        .arg("!");
    assert_eq!(
        cluster.run(&script).await.map(|value| shown(&value)),
        Ok("7!".to_owned())
    );
}

#[tokio::test]
async fn a_slot_is_followed_while_and_after_it_moves() {
    let masters = Masters::start().await;
    let cluster = masters.connection();
    assert_eq!(text(&cluster, "ECHO warm").await, "warm");
    masters.begin_to_move().await;
    // The key does not exist, so the old server sends it on to the new one.
    assert_eq!(text(&cluster, "INCR foo").await, "1");
    assert_eq!(text(&cluster, "INCR foo").await, "2");
    masters.end_to_move().await;
    assert_eq!(text(&cluster, "INCR foo").await, "3");
    assert_eq!(text(&masters.direct[0], "GET foo").await, "3");
}

#[tokio::test]
async fn without_one_server_the_keys_of_the_others_are_served() {
    let mut masters = Masters::start().await;
    for one in &masters.direct {
        text(one, "CONFIG SET cluster-require-full-coverage no").await;
    }
    let cluster = masters.connection();
    text(&cluster, "SET foo kept").await;
    masters.servers[0].kill();
    // Of the killed server, and of the second.
    let commands = ["GET hello", "GET foo"].map(command);
    let end = eventually(|| async {
        let [lost, served] = &cluster.run_all(&commands).await[..] else {
            panic!("two answers")
        };
        match (lost, served) {
            (Err(lost), Ok(served)) => Ok((lost.kind(), shown(served))),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert!(
        matches!(end.0, FailureKind::Unreachable | FailureKind::NotReady),
        "{end:?}"
    );
    assert_eq!(end.1, "kept");
    masters.servers[0].restart();
}

#[tokio::test]
async fn nobody_of_a_cluster_there_is_a_failure() {
    let nodes = json!({"cluster": [{"host": "127.0.0.1", "port": 1}]});
    let away = failure(&connection(&nodes, PATIENT), "PING").await;
    assert_eq!(
        (away.kind(), away.may_have_run()),
        (FailureKind::Unreachable, false)
    );
}

#[tokio::test]
async fn a_server_without_a_cluster_is_named_as_what_it_is() {
    let server = Server::start(&[]);
    let alone = failure(
        &connection(&json!({"cluster": [at(&server)]}), PATIENT),
        "PING",
    )
    .await;
    assert_eq!(alone.kind(), FailureKind::Other);
    assert!(
        alone.to_string().contains("cluster support disabled"),
        "{alone}"
    );
}
