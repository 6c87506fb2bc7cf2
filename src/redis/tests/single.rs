//! One server: logins, sockets, restarts, and every way in which it can refuse.

use std::{collections::HashSet, sync::Arc, time::Duration};

use serde_json::json;

use super::{super::FailureKind, servers::Server, *};

/// A limit that a test means to reach.
const SHORT: Duration = Duration::from_millis(300);

fn to(server: &Server) -> Json {
    json!({"tcp": {"host": "127.0.0.1", "port": server.port}})
}

#[tokio::test]
async fn a_password_is_enough_for_the_default_user() {
    let server = Server::start(&["--requirepass", "pass word"]);
    let mut target = to(&server);
    target["password"] = json!("pass word");
    assert_eq!(
        text(&connection(&target, PATIENT), "ECHO hello").await,
        "hello"
    );
}

#[tokio::test]
async fn a_user_logs_in_to_a_database_by_number() {
    let server = Server::start(&["--user", "app", "on", ">pass", "~*", "&*", "+@all"]);
    let mut target = to(&server);
    target["username"] = json!("app");
    target["password"] = json!("pass");
    target["database"] = json!(7);
    let app = connection(&target, PATIENT);
    assert_eq!(text(&app, "ACL WHOAMI").await, "app");
    text(&app, "SET key value").await;
    assert_eq!(
        text(&connection(&to(&server), PATIENT), "DBSIZE").await,
        "0"
    );
    assert_eq!(text(&app, "DBSIZE").await, "1");
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_leads_to_the_same_server() {
    let folder = servers::Folder::new();
    let socket = folder.file("socket");
    let _server = Server::start(&["--unixsocket", &socket]);
    let target = json!({"unix": socket});
    assert_eq!(
        text(&connection(&target, PATIENT), "ECHO hello").await,
        "hello"
    );
}

#[tokio::test]
async fn a_refused_login_says_so_and_shows_no_password() {
    let server = Server::start(&["--requirepass", "right"]);
    let mut target = to(&server);
    assert_eq!(
        failure(&connection(&target, PATIENT), "PING").await.kind(),
        FailureKind::LoginRefused
    );
    target["username"] = json!("nobody");
    target["password"] = json!("hidden");
    let wrong = connection(&target, PATIENT);
    let refused = failure(&wrong, "PING").await;
    assert_eq!(
        (refused.kind(), refused.may_have_run()),
        (FailureKind::LoginRefused, false)
    );
    assert_eq!(
        refused.to_string(),
        format!(
            "redis at 127.0.0.1:{} refused the login: wrong user name or password",
            server.port
        )
    );
    assert!(!format!("{wrong:?} {refused:?}").contains("hidden"));
}

#[tokio::test]
async fn nobody_there_is_a_failure_at_once_and_for_a_while() {
    let mut server = Server::start(&[]);
    let line = connection(&to(&server), PATIENT);
    server.kill();
    let away = failure(&line, "PING").await;
    assert_eq!(
        (away.kind(), away.may_have_run()),
        (FailureKind::Unreachable, false)
    );
    server.restart();
    assert_eq!(eventually_text(&line, "ECHO back").await, "back");
}

#[tokio::test]
async fn a_restarted_server_is_found_again() {
    let mut server = Server::start(&[]);
    let line = connection(&to(&server), PATIENT);
    text(&line, "SET word lost").await;
    server.kill();
    server.restart();
    assert_eq!(eventually_text(&line, "EXISTS word").await, "0");
}

#[tokio::test]
async fn a_server_that_hangs_costs_the_time_limit_and_is_used_again_afterwards() {
    let server = Server::start(&[]);
    let limits = TimeLimits {
        round_trip: SHORT,
        ..PATIENT
    };
    let line = connection(&to(&server), limits);
    text(&line, "PING").await;
    server.hang();
    let late = failure(&line, "INCR count").await;
    assert_eq!(
        (late.kind(), late.may_have_run()),
        (FailureKind::TimedOut, true)
    );
    server.go_on();
    assert_eq!(eventually_text(&line, "ECHO back").await, "back");
    // What was sent has run: it waited in the socket. It was not sent again.
    assert_eq!(text(&line, "GET count").await, "1");
}

#[tokio::test]
async fn a_server_that_hangs_while_connecting_costs_the_time_limit() {
    let server = Server::start(&[]);
    server.hang();
    let limits = TimeLimits {
        connect: SHORT,
        ..PATIENT
    };
    let line = connection(&to(&server), limits);
    let late = failure(&line, "INCR count").await;
    assert_eq!(
        (late.kind(), late.may_have_run()),
        (FailureKind::TimedOut, false)
    );
    server.go_on();
    assert_eq!(eventually_text(&line, "INCR count").await, "1");
}

#[tokio::test]
async fn many_callers_share_one_connection() {
    let server = Server::start(&[]);
    let line = Arc::new(connection(&to(&server), PATIENT));
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let line = line.clone();
            tokio::spawn(async move { text(&line, "CLIENT ID").await })
        })
        .collect();
    let mut ids = HashSet::new();
    for call in calls {
        ids.insert(call.await.unwrap());
    }
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn each_command_of_a_round_trip_has_its_own_answer() {
    let server = Server::start(&[]);
    let line = connection(&to(&server), PATIENT);
    let commands = ["SET word x", "INCR word", "GET word"].map(command);
    let [set, increased, word] = &line.run_all(&commands).await[..] else {
        panic!("three answers")
    };
    assert_eq!(set, &Ok(Value::Okay));
    assert_eq!(increased.as_ref().unwrap_err().kind(), FailureKind::Other);
    assert_eq!(word.as_ref().map(shown), Ok("x".to_owned()));
    assert!(line.run_all(&[]).await.is_empty());
}

#[tokio::test]
async fn refusals_have_their_kinds() {
    let server = Server::start(&["--maxmemory", "1"]);
    let line = connection(&to(&server), PATIENT);
    for (words, kind) in [
        ("SET key value", FailureKind::OutOfMemory),
        (
            "EVALSHA 0123456789012345678901234567890123456789 0",
            FailureKind::ScriptMissing,
        ),
        ("NEWCOMMAND x", FailureKind::TooOld),
        ("INCR", FailureKind::Other),
    ] {
        assert_eq!(failure(&line, words).await.kind(), kind, "{words}");
    }
    let mut script = redis::cmd("EVAL");
    script
        .arg("return redis.call('SET', KEYS[1], 'x')")
        .arg(1)
        .arg("key");
    assert_eq!(
        line.run(&script).await.unwrap_err().kind(),
        FailureKind::OutOfMemory
    );
    text(&line, "ACL SETUSER default -set").await;
    assert_eq!(
        failure(&line, "SET key value").await.kind(),
        FailureKind::NotAllowed
    );
}

#[tokio::test]
async fn a_replica_takes_no_writes_and_is_used_when_it_is_promoted() {
    let mut master = Server::start(&[]);
    let replica = Server::start(&["--replicaof", "127.0.0.1", &master.port.to_string()]);
    let line = connection(&to(&replica), PATIENT);
    let refused = failure(&line, "INCR count").await;
    assert_eq!(
        (refused.kind(), refused.may_have_run()),
        (FailureKind::ReadOnly, false)
    );
    master.kill();
    text(&connection(&to(&replica), PATIENT), "REPLICAOF NO ONE").await;
    assert_eq!(eventually_text(&line, "INCR count").await, "1");
}

#[test]
fn a_connection_outlives_the_runtime_of_the_thread_that_opened_it() {
    let server = Server::start(&[]);
    let line = connection(&to(&server), PATIENT);
    for _ in 0..3 {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        assert_eq!(runtime.block_on(text(&line, "ECHO hello")), "hello");
    }
}
