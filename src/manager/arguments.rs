//! The arguments of the calls that send nothing: which account to use, and what a caller used by itself.

use serde_json::Value;

use super::{DEFAULT_CHAT_MODEL, DEFAULT_EMBEDDINGS_MODEL, Manager, request::names};
use crate::{
    books::{Counts, Entry},
    config::Field,
    error::{Code, Error, Result},
    quota::Cost,
};

/// What a caller's next request needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Need {
    /// The caller's current account, kept on a tie.
    pub current: Option<String>,
    /// The model; the drop-in functions' default if there is none.
    pub model: Option<String>,
    /// Tokens that it takes.
    pub tokens: f64,
}

/// A request that a caller made by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Tokens that it used.
    pub tokens: f64,
    /// What its response said is left; `None` where it did not say.
    pub tokens_left: Option<f64>,
    /// What its response said is left; `None` where it did not say.
    pub requests_left: Option<f64>,
    /// `chat`, `embeddings` or a word of the caller's.
    pub kind: String,
    /// Label of the account.
    pub org: String,
}

impl Need {
    /// Reads `{ org?, model?, tokens? }`.
    pub fn parse(json: &str) -> Result<Self> {
        let value = value(json)?;
        let object = Field::root("", &value, Code::Argument).object(&["org", "model", "tokens"])?;
        let text = |name: &str| {
            object
                .get(name)
                .map(|field| field.text().map(str::to_owned))
                .transpose()
        };
        Ok(Need {
            current: text("org")?,
            model: text("model")?,
            tokens: object
                .get("tokens")
                .map_or(Ok(1.0), |field| field.zero_or_more())?,
        })
    }
}

impl Recorded {
    /// Reads the arguments of `processRedis`, by name.
    pub fn parse(json: &str) -> Result<Self> {
        let value = value(json)?;
        let names = ["tokens", "tokensRem", "requestsRem", "type", "org"];
        let object = Field::root("", &value, Code::Argument).object(&names)?;
        let left = |name: &str| {
            object
                .get(name)
                .map(|field| field.zero_or_more())
                .transpose()
        };
        Ok(Recorded {
            tokens: object.required("tokens").zero_or_more()?,
            tokens_left: left("tokensRem")?,
            requests_left: left("requestsRem")?,
            kind: object.required("type").text()?.to_owned(),
            org: object.required("org").text()?.to_owned(),
        })
    }

    /// Enters it into a manager's books. What it read is taken to be about the default model of its type.
    pub fn enter(&self, manager: &Manager) -> Result<()> {
        let settings = manager.settings();
        let label = &settings.account(&self.org, "org")?.label;
        let model = match self.kind.as_str() {
            "embeddings" => DEFAULT_EMBEDDINGS_MODEL,
            _ => DEFAULT_CHAT_MODEL,
        };
        let (sent, model_group) = names(settings.sent_model(model), &settings);
        let used = Cost {
            requests: 1.0,
            tokens: self.tokens,
        };
        manager.scheduler.observe(
            label,
            model_group,
            used,
            self.requests_left,
            self.tokens_left,
        );
        let entry = Entry {
            account: label,
            model: &sent,
            kind: &self.kind,
            // A whole number of tokens in a float; the fraction of a wrong argument is cut off.
            counts: Counts::of_tokens(self.tokens as u64),
            tokens_left: self.tokens_left,
            requests_left: self.requests_left,
        };
        manager.books.count(&entry, None);
        Ok(())
    }
}

/// The value of an argument; its fields are called by their names alone, as arguments of a function are.
fn value(json: &str) -> Result<Value> {
    serde_json::from_str(json)
        .map_err(|_| Error::new(Code::Argument, "the arguments are not valid JSON"))
}
