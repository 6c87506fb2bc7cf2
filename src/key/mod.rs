//! The secret of an account: a text, or a function of the user's that gives it.

mod function;

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;

pub use self::function::KeyFunction;

/// A secret that shows itself to nobody but the HTTP client: printable ASCII without spaces.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(Arc<str>);

impl ApiKey {
    /// Reads a secret; an error says what is wrong with it and shows no part of it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("must not be empty".to_owned());
        }
        match text.bytes().position(|b| !b.is_ascii_graphic()) {
            None => Ok(ApiKey(text.into())),
            Some(at) => Err(format!(
                "must be printable ASCII without spaces or line breaks, but character {} is not (the value is not shown)",
                at + 1
            )),
        }
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// What an account gets its secret from.
#[derive(Debug, Clone, PartialEq)]
pub enum Key {
    /// The user gave it.
    Text(ApiKey),
    /// A function gives it when it is needed.
    Function(Arc<KeyFunction>),
}

/// A secret in use.
#[derive(Debug, Clone, PartialEq)]
pub struct CurrentKey {
    /// The secret.
    pub key: ApiKey,
    /// How often a function was asked until it gave this one.
    asked: u64,
}

/// Asks the function of a number for its secret. An error says why there is none.
pub type Ask<'a> = &'a (dyn Fn(u32) -> BoxFuture<'static, Result<ApiKey, String>> + Sync);

impl Key {
    /// The secret to use: of a function another one than one that was `refused`, if it gives another. All who need it at once ask once.
    pub async fn current(
        &self,
        refused: Option<&CurrentKey>,
        ask: Ask<'_>,
    ) -> Result<CurrentKey, Arc<str>> {
        match self {
            Key::Text(key) => Ok(CurrentKey {
                key: key.clone(),
                asked: 0,
            }),
            Key::Function(function) => function.current(refused, ask).await,
        }
    }

    /// Whether it comes from a function.
    pub fn is_function(&self) -> bool {
        matches!(self, Key::Function(_))
    }

    /// The text that the user gave.
    #[cfg(test)]
    pub(crate) fn expose(&self) -> &str {
        match self {
            Key::Text(key) => key.expose(),
            Key::Function(_) => panic!("a function has no text"),
        }
    }
}
