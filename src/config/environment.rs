//! Accounts from environment variables, for a backend that configures nothing.

use serde_json::Value;

use super::{
    Settings,
    account::{self, Account, DEFAULT_BASE_URL},
    reader::Field,
};
use crate::{
    error::{Code, Error, Result},
    key::Key,
};

/// The environment variables that name accounts.
///
/// They are handed in rather than read here: a Node worker has an environment of its own.
#[derive(Clone, Default)]
pub struct Environment {
    /// `OPENAI_API_KEY`: one key, labelled `org_1`.
    pub api_key: Option<String>,
    /// `OPENAI_API_KEYS`: comma-separated, each `label=key` or a bare key labelled by its place (`org_1`, `org_2`, …). Goes
    /// before `OPENAI_API_KEY`.
    pub api_keys: Option<String>,
    /// `OPENAI_BASE_URL`.
    pub base_url: Option<String>,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Environment(…)")
    }
}

impl Settings {
    /// The default settings around the environment's accounts.
    pub fn from_environment(environment: &Environment) -> Result<Self> {
        let set =
            |variable: &Option<String>| variable.clone().filter(|text| !text.trim().is_empty());
        let base_url = match set(&environment.base_url) {
            Some(url) => account::base_url_of(&Field::root(
                "OPENAI_BASE_URL",
                &Value::from(url.trim()),
                Code::Config,
            ))?,
            None => DEFAULT_BASE_URL.to_owned(),
        };
        let (variable, list) = match (set(&environment.api_keys), set(&environment.api_key)) {
            (Some(list), _) => (
                "OPENAI_API_KEYS",
                list.split(',').map(str::to_owned).collect(),
            ),
            (None, Some(key)) => ("OPENAI_API_KEY", vec![key]),
            (None, None) => {
                return Err(Error::new(
                    Code::NoAccount,
                    "no account is configured; call configure({ accounts: { label: key } }) or set OPENAI_API_KEY or \
                     OPENAI_API_KEYS",
                ));
            }
        };
        let accounts = list
            .iter()
            .map(|entry| entry.trim())
            .filter(|entry| !entry.is_empty())
            .enumerate()
            .map(|(index, entry)| {
                let (label, key) = match entry.split_once('=') {
                    Some((label, key)) => (label.trim().to_owned(), key.trim()),
                    None => (format!("org_{}", index + 1), entry),
                };
                let value = Value::from(key);
                let field = Field::root(
                    &format!("{variable} (entry {})", index + 1),
                    &value,
                    Code::Config,
                );
                let label = account::label(&field, Some(&label))?;
                Account::bare(&label, Key::Text(field.secret("a string")?), &base_url)
            })
            .collect::<Result<Vec<_>>>()?;
        Settings::with_accounts(accounts, base_url, variable)
    }
}
