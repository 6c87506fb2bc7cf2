//! Sentinels: the master is found, and found again after a failover.

use serde_json::json;

use super::{
    super::FailureKind,
    servers::{Folder, Server},
    *,
};

/// A Sentinel that takes a second of silence for the master's end. It has a password of its own.
fn watch(master: &Server) -> Server {
    let folder = Folder::new();
    let file = folder.file("sentinel.conf");
    let settings = format!(
        "sentinel monitor main 127.0.0.1 {} 1\n\
         sentinel down-after-milliseconds main 1000\n\
         sentinel failover-timeout main 5000\n\
         sentinel auth-pass main pass\n\
         requirepass watch\n",
        master.port
    );
    std::fs::write(&file, settings).unwrap();
    Server::start_in(folder, |port| {
        let words = [
            "--port".to_owned(),
            port.to_string(),
            "--sentinel".to_owned(),
        ];
        [vec![file.clone()], words.to_vec()].concat()
    })
}

fn to(sentinel: &Server, master: &str) -> Json {
    // The first one is not there: nothing listens on port 1.
    let nodes =
        json!([{"host": "127.0.0.1", "port": 1}, {"host": "127.0.0.1", "port": sentinel.port}]);
    json!({"sentinel": {"nodes": nodes, "master": master, "password": "watch"}, "password": "pass", "database": 2})
}

#[tokio::test]
async fn a_killed_master_is_followed_to_the_replica_that_takes_its_place() {
    let mut master = Server::start(&["--requirepass", "pass", "--masterauth", "pass"]);
    let replica = Server::start(&[
        "--requirepass",
        "pass",
        "--masterauth",
        "pass",
        "--replicaof",
        "127.0.0.1",
        &master.port.to_string(),
    ]);
    let sentinel = watch(&master);
    let line = connection(&to(&sentinel, "main"), PATIENT);
    text(&line, "SET word kept").await;
    // A failover keeps what the replica has, and needs a Sentinel that knows the replica.
    assert_eq!(text(&line, "WAIT 1 0").await, "1");
    let watching =
        json!({"tcp": {"host": "127.0.0.1", "port": sentinel.port}, "password": "watch"});
    let watching = connection(&watching, PATIENT);
    eventually(|| async {
        let replicas = watching.run(&command("SENTINEL REPLICAS main")).await;
        match replicas {
            Ok(Value::Array(replicas)) if replicas.len() == 1 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;

    master.kill();
    assert_eq!(eventually_text(&line, "GET word").await, "kept");
    assert_eq!(eventually_text(&line, "SET word new").await, "OK");
    let promoted = json!({"tcp": {"host": "127.0.0.1", "port": replica.port}, "password": "pass", "database": 2});
    assert_eq!(
        text(&connection(&promoted, PATIENT), "GET word").await,
        "new"
    );
}

#[tokio::test]
async fn sentinels_that_do_not_know_the_master_say_so() {
    let master = Server::start(&["--requirepass", "pass"]);
    let sentinel = watch(&master);
    let unknown = failure(&connection(&to(&sentinel, "other"), PATIENT), "PING").await;
    assert_eq!(
        (unknown.kind(), unknown.may_have_run()),
        (FailureKind::Unreachable, false)
    );
    assert_eq!(
        unknown.to_string(),
        format!(
            "redis master \"other\" cannot be reached: 127.0.0.1:{} does not know it",
            sentinel.port
        )
    );
}

#[tokio::test]
async fn a_server_that_is_no_master_is_not_taken_for_one() {
    let master = Server::start(&["--requirepass", "pass"]);
    let sentinel = watch(&master);
    let line = connection(&to(&sentinel, "main"), PATIENT);
    let direct = json!({"tcp": {"host": "127.0.0.1", "port": master.port}, "password": "pass"});
    // Of a master that is not there: it stays a replica without one.
    text(&connection(&direct, PATIENT), "REPLICAOF 127.0.0.1 1").await;
    let refused = failure(&line, "INCR count").await;
    assert_eq!(refused.kind(), FailureKind::Unreachable);
    assert!(refused.to_string().ends_with("is no master"), "{refused}");
}
