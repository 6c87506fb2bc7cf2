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

    /// Runs it once for each of `words`, and the `others` beside it, in one round trip as [`Connection::run_all`] does; and a second
    /// time, in another one, what met a server that does not know the script (any more). The answers of the runs come first.
    pub async fn run_all(
        &self,
        connection: &Connection,
        words: &[impl Fn(&mut Cmd)],
        others: &[Cmd],
    ) -> Vec<Result<Value, Failure>> {
        let mut commands: Vec<Cmd> = words
            .iter()
            .map(|words| command("EVALSHA", &self.hash, words))
            .collect();
        commands.extend_from_slice(others);
        let mut answers = connection.run_all(&commands).await;
        let unknown = |answer: &Result<Value, Failure>| matches!(answer, Err(failure) if failure.kind() == FailureKind::ScriptMissing);
        let again: Vec<usize> = (0..words.len())
            .filter(|index| answers.get(*index).is_some_and(unknown))
            .collect();
        if !again.is_empty() {
            let commands: Vec<Cmd> = again
                .iter()
                .map(|index| command("EVAL", &self.text, &words[*index]))
                .collect();
            for (index, answer) in again.into_iter().zip(connection.run_all(&commands).await) {
                answers[index] = answer;
            }
        }
        answers
    }
}

fn command(name: &str, script: &str, words: impl Fn(&mut Cmd)) -> Cmd {
    let mut command = cmd(name);
    command.arg(script);
    words(&mut command);
    command
}
