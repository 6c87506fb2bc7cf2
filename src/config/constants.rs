//! The old module's `constants.js`, read as it is.
//!
//! Only the constants that the old module knew are read; a backend keeps other things in that file, so unknown names are not
//! errors here. Limits and prices are the old module's four chat model families and its embeddings.

use serde_json::Value;

use super::{
    Settings,
    account::{self, Account, DEFAULT_BASE_URL},
    limits::{Limits, LimitsByModel},
    names,
    reader::{Field, Object},
};
use crate::{
    error::{Code, Result},
    key::Key,
    models::Price,
};

/// Old name of a model family → the model group that it meant.
const FAMILIES: [(&str, &str); 4] = [
    ("gpt_3", "gpt-3.5-turbo"),
    ("gpt_3_16k", "gpt-3.5-turbo-16k"),
    ("gpt_3_instruct", "gpt-3.5-turbo-instruct"),
    ("gpt_4", "gpt-4"),
];

/// The models that `EMBEDDINGS_TPM_MAX` and `EMBEDDINGS_COST` speak of.
const EMBEDDINGS: [&str; 3] = [
    "text-embedding-ada-002",
    "text-embedding-3-small",
    "text-embedding-3-large",
];

/// Prices in the constants are per 1,000 tokens, ours per million.
const THOUSANDS_PER_MILLION: f64 = 1000.0;

pub(super) fn parse(value: &Value) -> Result<Settings> {
    let constants = Field::root("constants", value, Code::Config).entries("an object")?;
    let base_url = match constants.get("baseURL") {
        Some(url) => account::base_url_of(&url)?,
        None => DEFAULT_BASE_URL.to_owned(),
    };
    let (limits, prices) = limits_and_prices(&constants)?;
    let limits: LimitsByModel = limits.into_iter().collect();
    let mut accounts = Vec::new();
    let keys = constants.required("OPEN_AI_KEYS");
    for (name, key) in keys.entries("an object of names and keys")?.iter() {
        let label = account::label(&key, Some(&name.to_lowercase()))?;
        let mut account = Account::bare(&label, Key::Text(key.secret("a string")?), &base_url)?;
        account.limits = limits.clone();
        accounts.push(account);
    }
    let mut settings = Settings::with_accounts(accounts, base_url, "constants.OPEN_AI_KEYS")?;
    settings.prices.extend(prices);
    // The one setting of ours that an old configuration needs today: its default model is gone.
    if let Some(aliases) = constants.get("modelAliases") {
        settings.model_aliases = names(&aliases)?;
    }
    Ok(settings)
}

type PerModel<T> = Vec<(String, T)>;

fn limits_and_prices(constants: &Object<'_>) -> Result<(PerModel<Limits>, PerModel<Price>)> {
    let mut limits = Vec::new();
    let mut prices = Vec::new();
    if let Some(most) = constants.get("EMBEDDINGS_TPM_MAX") {
        let most = most.positive()?;
        limits.extend(EMBEDDINGS.map(|model| (model.to_owned(), per_minute(most))));
    }
    if let Some(cost) = constants.get("EMBEDDINGS_COST") {
        let input = cost.zero_or_more()? * THOUSANDS_PER_MILLION;
        prices.extend(EMBEDDINGS.map(|model| (model.to_owned(), Price::new(input, None, None))));
    }
    let Some(models) = constants.get("models") else {
        return Ok((limits, prices));
    };
    let models = models.entries("an object of model families")?;
    for (family, model) in FAMILIES {
        let Some(constants) = models.get(family) else {
            continue;
        };
        let constants = constants.entries("an object")?;
        if let Some(most) = constants.get("modelLimit") {
            limits.push((model.to_owned(), per_minute(most.positive()?)));
        }
        if let Some(input) = constants.get("modelCostInput") {
            let input = input.zero_or_more()? * THOUSANDS_PER_MILLION;
            let output =
                constants.required("modelCostOutput").zero_or_more()? * THOUSANDS_PER_MILLION;
            prices.push((model.to_owned(), Price::new(input, None, Some(output))));
        }
    }
    Ok((limits, prices))
}

fn per_minute(tokens: f64) -> Limits {
    Limits {
        tokens_per_minute: Some(tokens),
        ..Limits::default()
    }
}
