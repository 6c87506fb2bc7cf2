//! The script that does a batch of operations, and how it is run.

use std::sync::LazyLock;

use redis::{Cmd, Script, Value, cmd};

use super::{Connection, Failure, FailureKind, wire::Request};

/// The script, with the hash under which Redis keeps it.
static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(TEXT));

const TEXT: &str = include_str!("script.lua");

/// Runs a batch: one round trip, and a second one where Redis does not know the script (any more).
pub(super) async fn run(connection: &Connection, request: &Request) -> Result<Value, Failure> {
    let by_hash = command("EVALSHA", SCRIPT.get_hash(), request);
    match connection.run(&by_hash).await {
        Err(failure) if failure.kind() == FailureKind::ScriptMissing => {
            connection.run(&command("EVAL", TEXT, request)).await
        }
        answer => answer,
    }
}

fn command(name: &str, script: &str, request: &Request) -> Cmd {
    let mut command = cmd(name);
    command
        .arg(script)
        .arg(request.keys.len())
        .arg(&request.keys)
        .arg(&request.clock)
        .arg(&request.limits)
        .arg(&request.operations);
    command
}
