//! A script and how it is run.

use redis::{Cmd, Value, cmd};

use super::{Connection, Failure, FailureKind};

/// A Lua script with the hash under which Redis keeps it.
#[derive(Debug)]
pub struct Script {
    text: String,
    hash: String,
}

impl Script {
    /// The script of this text.
    pub fn new(text: String) -> Self {
        let hash = redis::Script::new(&text).get_hash().to_owned();
        Script { text, hash }
    }

    /// Runs it: one round trip, and a second one where Redis does not know the script (any more). `words` writes the number of
    /// keys, the keys and the arguments.
    pub async fn run(
        &self,
        connection: &Connection,
        words: impl Fn(&mut Cmd),
    ) -> Result<Value, Failure> {
        match connection
            .run(&command("EVALSHA", &self.hash, &words))
            .await
        {
            Err(failure) if failure.kind() == FailureKind::ScriptMissing => {
                connection.run(&command("EVAL", &self.text, &words)).await
            }
            answer => answer,
        }
    }
}

fn command(name: &str, script: &str, words: impl Fn(&mut Cmd)) -> Cmd {
    let mut command = cmd(name);
    command.arg(script);
    words(&mut command);
    command
}
