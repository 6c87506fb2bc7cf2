//! Changes to settings that are in use.

use std::sync::Arc;

use serde_json::Value;

use super::{
    Account, FIELDS, Settings, account, check_accounts, keys_by_label,
    reader::{Field, Object},
    set_base_url,
};
use crate::error::{Code, Error, Result};

/// What a manager is made with and keeps.
const FIXED: [&str; 3] = ["redis", "pool", "onRedisDown"];

impl Settings {
    /// The settings with the changes of a JSON text: an object with the fields of the settings. A field that is given replaces what
    /// was, a field that is left out stays, and `null` is the default. `accounts` is the new list: one whose label is known leaves
    /// out what stays as it is.
    pub fn changed(&self, json: &str) -> Result<Self> {
        let value = parse(json)?;
        let object = changes(&value)?;
        let mut settings = self.clone();
        set_base_url(&object, &mut settings.base_url)?;
        settings.accounts = settings.changed_accounts(&object)?;
        settings.set(&object)?;
        Ok(settings)
    }

    /// The accounts after the changes, under the base URL that is set already.
    fn changed_accounts(&self, object: &Object<'_>) -> Result<Vec<Arc<Account>>> {
        let base_url = &self.base_url;
        let accounts: Vec<Account> = if !object.has("accounts") {
            let accounts = self.accounts.iter();
            let completed = accounts.map(|account| Account::clone(account).completed(base_url));
            completed.collect::<Result<_>>()?
        } else {
            let field = object.required("accounts");
            let accounts: Vec<Account> = if field.is_array() {
                let accounts = field.elements()?;
                let accounts = accounts.iter().map(|account| self.changed_account(account));
                accounts.collect::<Result<_>>()?
            } else {
                let keys = keys_by_label(&field)?.into_iter();
                let accounts = keys.map(|(label, key)| match self.known(&label) {
                    Some(known) => Account::clone(known).with_key(account::key_of(&key)?, base_url),
                    None => Account::bare(&label, account::key_of(&key)?, base_url),
                });
                accounts.collect::<Result<_>>()?
            };
            check_accounts(&accounts, "changes.accounts")?;
            accounts
        };
        Ok(accounts.into_iter().map(Arc::new).collect())
    }

    fn changed_account(&self, field: &Field<'_>) -> Result<Account> {
        let object = field.object(account::FIELDS)?;
        let label = account::label(&object.required("label"), None)?;
        match self.known(&label) {
            Some(known) => Account::clone(known).with(&object, &self.base_url),
            None => Account::parse(&object, &self.base_url),
        }
    }
}

/// The value of a JSON text.
pub(super) fn parse(json: &str) -> Result<Value> {
    // What JSON cannot hold (undefined, a function) arrives as an empty text.
    if json.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(json).map_err(|_| Error::new(Code::Config, "`changes` is not valid JSON"))
}

/// The fields of changes, none of which can be one that is fixed.
pub(super) fn changes(value: &Value) -> Result<Object<'_>> {
    let object = Field::root("changes", value, Code::Config).object(FIELDS)?;
    match FIXED.iter().find(|name| object.has(name)) {
        Some(name) => Err(object
            .required(name)
            .wrong("cannot be changed; make a new RequestManager")),
        None => Ok(object),
    }
}
