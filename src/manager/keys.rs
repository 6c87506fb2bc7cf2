//! Getting the key of an account, which a function of the user's may have to give.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::time::timeout;

use super::Manager;
use crate::{
    config::Account,
    error::redact,
    key::{ApiKey, CurrentKey},
    scheduler::Permit,
};

/// The longest time for a function to give a key: a token of a managed identity takes seconds.
const LONGEST_ASKING: Duration = Duration::from_secs(30);

/// Characters of a failure's text at most.
const LONGEST_FAILURE: usize = 200;

/// Runs of so many characters are taken for secrets in the text of a failure; a key of Azure has 32.
const SHORTEST_SECRET: usize = 32;

/// Where the functions of the user live.
pub trait KeyFunctions: fmt::Debug + Send + Sync {
    /// Asks the function of a number for a key; an error says why it gave none.
    fn ask(&self, number: u32) -> BoxFuture<'static, Result<String, String>>;
}

impl Manager {
    /// The key of a permit's account. Where its function gives none the account is parked, and the permit is of no use.
    pub(super) async fn key_for(&self, permit: &Permit) -> Option<CurrentKey> {
        let account = permit.account();
        match self.current_key(account, None).await {
            Ok(key) => Some(key),
            Err(why) => {
                self.scheduler.key_failed(account, why);
                None
            }
        }
    }

    /// The key of an account: of a function another one than one that was `refused`, if it gives another.
    pub(super) async fn current_key(
        &self,
        account: &Account,
        refused: Option<&CurrentKey>,
    ) -> Result<CurrentKey, Arc<str>> {
        let ask = |number| ask(self.key_functions.as_deref(), number);
        account.key.current(refused, &ask).await
    }
}

fn ask(
    functions: Option<&dyn KeyFunctions>,
    number: u32,
) -> BoxFuture<'static, Result<ApiKey, String>> {
    let Some(functions) = functions else {
        return async { Err("nobody can be asked for it".to_owned()) }.boxed();
    };
    let asked = functions.ask(number);
    async move {
        match timeout(LONGEST_ASKING, asked).await {
            Err(_) => Err(format!(
                "it gave no key within {} s",
                LONGEST_ASKING.as_secs()
            )),
            Ok(Err(why)) => Err(without_secrets(&why)),
            Ok(Ok(text)) => ApiKey::parse(&text).map_err(|wrong| format!("its key {wrong}")),
        }
    }
    .boxed()
}

/// The text of a user's own error: what may be a key or a token in it is hidden.
fn without_secrets(text: &str) -> String {
    let text: String = redact(text).chars().take(LONGEST_FAILURE).collect();
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+' | '=' | '~');
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let word = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        match word >= SHORTEST_SECRET && !is_uuid(&rest[..word]) {
            true => clean.push('…'),
            false => clean.push_str(&rest[..word]),
        }
        rest = &rest[word..];
        let next = rest.find(is_part).unwrap_or(rest.len());
        clean.push_str(&rest[..next]);
        rest = &rest[next..];
    }
    clean
}

/// Ids of requests and tenants are in many errors, and of use.
fn is_uuid(word: &str) -> bool {
    word.len() == 36
        && word.char_indices().all(|(at, c)| match at {
            8 | 13 | 18 | 23 => c == '-',
            _ => c.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Source(Option<Result<&'static str, &'static str>>);

    impl KeyFunctions for Source {
        fn ask(&self, _: u32) -> BoxFuture<'static, Result<String, String>> {
            match self.0 {
                None => std::future::pending().boxed(),
                Some(answer) => {
                    let answer = answer.map(str::to_owned).map_err(str::to_owned);
                    std::future::ready(answer).boxed()
                }
            }
        }
    }

    async fn why(answer: Option<Result<&'static str, &'static str>>) -> String {
        ask(Some(&Source(answer)), 1).await.unwrap_err()
    }

    #[tokio::test(start_paused = true)]
    async fn a_function_that_gives_no_key_fails_with_a_reason_that_shows_none() {
        assert_eq!(why(None).await, "it gave no key within 30 s");
        assert_eq!(why(Some(Ok(""))).await, "its key must not be empty");
        assert!(!why(Some(Ok("secret\n"))).await.contains("secret"));
        for (told, shown) in [
            ("Error: vault is closed", "Error: vault is closed"),
            ("wrong sk-abcdefghij", "wrong sk-…"),
            (
                "token eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4ifQ.x",
                "token ….….x",
            ),
            (
                "AADSTS700016: trace 01db24bf-29eb-437d-80fe-535d7beb3487, https://login.microsoftonline.com/x",
                "AADSTS700016: trace 01db24bf-29eb-437d-80fe-535d7beb3487, https://login.microsoftonline.com/x",
            ),
            (
                "key 0123456789abcdef0123456789abcdef is old",
                "key … is old",
            ),
        ] {
            assert_eq!(why(Some(Err(told))).await, shown);
        }
        let long = "é ".repeat(500);
        let long: &'static str = long.leak();
        assert_eq!(why(Some(Err(long))).await.chars().count(), 200);
    }

    #[tokio::test]
    async fn a_function_gives_a_key_and_without_functions_there_is_none() {
        let key = ask(Some(&Source(Some(Ok("good")))), 1).await.unwrap();
        assert_eq!(key.expose(), "good");
        assert!(ask(None, 1).await.is_err());
    }
}
