//! Settings that the processes of a pool share, field by field.
//!
//! Only what decides on how much and how long is shared, never what decides on where requests go and what they carry: whoever can write
//! to the place where it is kept must not be able to send keys elsewhere.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{
    Account, Settings, account,
    changes::{changes, parse},
    reader::Field,
};
use crate::error::{Code, Error, Result};

/// Fields of the settings that can be shared.
const OF_POOL: [&str; 10] = [
    "maxWaitMs",
    "maxRetries",
    "modelAliases",
    "modelGroups",
    "prices",
    "tenantWeights",
    "cacheAffinity",
    "budget",
    "coalesce",
    "batchWindowMs",
];

/// Fields of an account that can be shared.
const OF_ACCOUNT: [&str; 4] = ["limits", "weight", "maxConcurrency", "budget"];

/// Before the label and the field of an account, all between colons, which no label holds.
const ACCOUNT: &str = "account";

/// Changes for all processes: right values under the names by which they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedChanges(Vec<(String, String)>);

impl SharedChanges {
    /// Reads changes to settings. `accounts` names only those accounts that change.
    pub fn parse(json: &str, settings: &Settings) -> Result<Self> {
        let value = parse(json)?;
        let object = changes(&value)?;
        let mut shared = Vec::new();
        for (name, field) in object.iter() {
            if OF_POOL.contains(&name) {
                shared.push((name.to_owned(), field.to_json()));
            } else if name != "accounts" {
                return Err(not_shared(&field));
            }
        }
        // To see that the values can be used.
        settings.clone().set(&object)?;
        if object.has("accounts") {
            let accounts = object.required("accounts");
            if !accounts.is_array() {
                return Err(accounts.wrong(
                    "must be an array of accounts where changes are for all processes: keys are not shared; call update in every \
                     process for them",
                ));
            }
            for account in accounts.elements()? {
                shared.extend(of_account(&account, settings)?);
            }
        }
        Ok(SharedChanges(shared))
    }

    /// Names and JSON texts.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let fields = self.0.iter();
        fields.map(|(name, json)| (name.as_str(), json.as_str()))
    }
}

fn of_account(account: &Field<'_>, settings: &Settings) -> Result<Vec<(String, String)>> {
    let object = account.object(account::FIELDS)?;
    let label = object.required("label");
    let text = account::label(&label, None)?;
    let Some(known) = settings.known(&text) else {
        return Err(label.wrong(format!(
            "names the account \"{text}\", which is not configured; accounts are not added in all processes: call update in \
             every process for that"
        )));
    };
    let mut shared = Vec::new();
    for (name, field) in object.iter().filter(|(name, _)| *name != "label") {
        if !OF_ACCOUNT.contains(&name) {
            return Err(not_shared(&field));
        }
        shared.push((format!("{ACCOUNT}:{text}:{name}"), field.to_json()));
    }
    // To see that the values can be used.
    Account::clone(known).with(&object, &settings.base_url)?;
    Ok(shared)
}

fn not_shared(field: &Field<'_>) -> Error {
    field.wrong("is not shared with other processes; call update in every process for it")
}

impl Settings {
    /// Takes over a shared setting. What this process does not have, or cannot share, is passed over; what cannot be used is an error and
    /// changes nothing.
    pub fn take_over(&mut self, name: &str, json: &str) -> Result<()> {
        let (label, name) = match *name.split(':').collect::<Vec<_>>() {
            [name] if OF_POOL.contains(&name) => (None, name),
            [ACCOUNT, label, name] if OF_ACCOUNT.contains(&name) => (Some(label), name),
            // Of a later version.
            _ => return Ok(()),
        };
        let value = serde_json::from_str(json).map_err(|_| {
            Error::new(
                Code::Config,
                format!("the shared setting `{name}` is not valid JSON"),
            )
        })?;
        let value = Value::Object(Map::from_iter([(name.to_owned(), value)]));
        let object = Field::root("shared", &value, Code::Config).object(&[name])?;
        let Some(label) = label else {
            return self.set(&object);
        };
        let mut accounts = self.accounts.iter_mut();
        if let Some(account) = accounts.find(|account| &*account.label == label) {
            let changed = Account::clone(account).with(&object, &self.base_url)?;
            *account = Arc::new(changed);
        }
        Ok(())
    }
}
