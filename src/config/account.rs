//! One account: a credential, where it is used, and what it may take.

use std::{collections::HashMap, fmt, num::NonZeroU32, sync::Arc};

use super::{
    budget::Budget,
    reader::{Field, Object},
};
use crate::error::Result;

/// Where OpenAI's API lives.
pub const DEFAULT_BASE_URL: &str = "https://api.openai.com/v1";

/// The fields of an account in the settings.
const FIELDS: &[&str] = &[
    "label",
    "apiKey",
    "baseURL",
    "organization",
    "project",
    "headers",
    "weight",
    "quotaGroup",
    "limits",
    "maxConcurrency",
    "budget",
];

/// One OpenAI (or compatible) credential.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// Unique in the pool; appears in results, Redis and logs.
    pub label: Arc<str>,
    /// The secret.
    pub key: ApiKey,
    /// Without a slash at its end.
    pub base_url: String,
    /// Sent as `OpenAI-Organization`.
    pub organization: Option<String>,
    /// Sent as `OpenAI-Project`.
    pub project: Option<String>,
    /// Further request headers: lower-case name and value.
    pub headers: Vec<(String, String)>,
    /// Share among equals, above 0.
    pub weight: f64,
    /// Accounts of one group share OpenAI's limits.
    pub quota_group: Arc<str>,
    /// Whether the user said so, or named an organization or project; else it is only taken for alone.
    pub quota_group_is_given: bool,
    /// What the user says the limits are.
    pub limits: LimitsByModel,
    /// Most requests in flight.
    pub max_concurrency: Option<NonZeroU32>,
    /// What it may spend.
    pub budget: Budget,
}

/// An API key that shows itself to nobody but the HTTP client.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(Arc<str>);

impl ApiKey {
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

/// The limits of one lane; `None` is "not known".
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Limits {
    /// RPM.
    pub requests_per_minute: Option<f64>,
    /// TPM.
    pub tokens_per_minute: Option<f64>,
    /// RPD.
    pub requests_per_day: Option<f64>,
    /// TPD.
    pub tokens_per_day: Option<f64>,
}

/// Configured limits by model group, `*` for all others.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LimitsByModel {
    by_group: HashMap<String, Limits>,
    others: Limits,
}

impl LimitsByModel {
    /// The limits of a model group.
    pub fn of(&self, model_group: &str) -> Limits {
        self.by_group
            .get(model_group)
            .copied()
            .unwrap_or(self.others)
    }
}

impl FromIterator<(String, Limits)> for LimitsByModel {
    fn from_iter<I: IntoIterator<Item = (String, Limits)>>(limits: I) -> Self {
        let mut by_group: HashMap<_, _> = limits.into_iter().collect();
        let others = by_group.remove("*").unwrap_or_default();
        LimitsByModel { by_group, others }
    }
}

impl Account {
    /// An account with nothing but a label and a key.
    pub(super) fn bare(label: &str, key: &str, base_url: &str) -> Self {
        let label: Arc<str> = label.into();
        Account {
            quota_group: label.clone(),
            quota_group_is_given: false,
            label,
            key: ApiKey(key.into()),
            base_url: base_url.to_owned(),
            organization: None,
            project: None,
            headers: Vec::new(),
            weight: 1.0,
            limits: LimitsByModel::default(),
            max_concurrency: None,
            budget: Budget::default(),
        }
    }

    /// An account as the settings give it; `base_url` is the pool's.
    pub(super) fn parse(field: &Field<'_>, base_url: &str) -> Result<Self> {
        let object = field.object(FIELDS)?;
        let label = label(&object.required("label"), None)?;
        let key = object.required("apiKey").secret()?;
        let mut account = Account::bare(&label, key, base_url);
        if let Some(url) = object.get("baseURL") {
            account.base_url = base_url_of(&url)?;
        }
        account.organization = header_text(&object, "organization")?;
        account.project = header_text(&object, "project")?;
        if let Some(headers) = object.get("headers") {
            account.headers = request_headers(&headers)?;
        }
        if let Some(weight) = object.get("weight") {
            account.weight = weight.positive()?;
        }
        if let Some(limits) = object.get("limits") {
            account.limits = limits_by_model(&limits)?;
        }
        if let Some(most) = object.get("maxConcurrency") {
            account.max_concurrency = NonZeroU32::new(most.whole(1, 1_000_000)?.unsigned_abs());
        }
        if let Some(budget) = object.get("budget") {
            account.budget = Budget::parse(&budget)?;
        }
        account.quota_group_is_given = ["quotaGroup", "organization", "project"]
            .iter()
            .any(|name| object.get(name).is_some());
        account.quota_group = match object.get("quotaGroup") {
            Some(group) => group.text()?.into(),
            None => default_quota_group(&account),
        };
        Ok(account)
    }
}

/// OpenAI limits organizations and projects; an account that names neither is taken to be alone.
fn default_quota_group(account: &Account) -> Arc<str> {
    match (&account.organization, &account.project) {
        (None, None) => account.label.clone(),
        (organization, project) => format!(
            "{}/{}",
            organization.as_deref().unwrap_or_default(),
            project.as_deref().unwrap_or_default()
        )
        .into(),
    }
}

/// A label: 1 to 64 characters that stay readable in Redis keys and lists. `name` is given where the label is a field's name.
pub(super) fn label(field: &Field<'_>, name: Option<&str>) -> Result<String> {
    let text = match name {
        Some(name) => name,
        None => field.text()?,
    };
    let fits = |c: char| c.is_ascii_graphic() && !matches!(c, ':' | '{' | '}' | ',' | '=');
    if text.is_empty() || text.len() > 64 || !text.chars().all(fits) {
        return Err(field.wrong(
            "must have a label of 1 to 64 printable ASCII characters without spaces and : { } , =",
        ));
    }
    Ok(text.to_owned())
}

/// An HTTP(S) URL without credentials, query or fragment; returned without a slash at its end.
pub(super) fn base_url_of(field: &Field<'_>) -> Result<String> {
    let text = field.text()?;
    let wrong = |why: &str| {
        field.wrong(format!(
            "must be a URL such as \"{DEFAULT_BASE_URL}\", but {why}"
        ))
    };
    // The value is not shown: a URL can hold a password.
    let url = url::Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("its scheme is neither http nor https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("it holds a user name or password"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("it has a query or a fragment"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// An optional text that is sent as a request header.
fn header_text(object: &Object<'_>, name: &str) -> Result<Option<String>> {
    object
        .get(name)
        .map(|field| header_value(&field).map(str::to_owned))
        .transpose()
}

fn header_value<'a>(field: &Field<'a>) -> Result<&'a str> {
    let text = field.text()?;
    if http::HeaderValue::from_str(text).is_err() {
        return Err(field.wrong("must be fit for an HTTP header: no line breaks"));
    }
    Ok(text)
}

fn request_headers(field: &Field<'_>) -> Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    for (name, value) in field
        .entries("an object of header names and values")?
        .iter()
    {
        let parsed = http::HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| value.wrong("is not a valid HTTP header name"))?;
        headers.push((parsed.as_str().to_owned(), header_value(&value)?.to_owned()));
    }
    Ok(headers)
}

fn limits_by_model(field: &Field<'_>) -> Result<LimitsByModel> {
    field
        .entries("an object of model groups and their limits")?
        .iter()
        .map(|(group, limits)| Ok((group.to_owned(), limits_of(&limits)?)))
        .collect()
}

fn limits_of(field: &Field<'_>) -> Result<Limits> {
    let object = field.object(&[
        "requestsPerMinute",
        "tokensPerMinute",
        "requestsPerDay",
        "tokensPerDay",
    ])?;
    let limit = |name: &str| object.get(name).map(|field| field.positive()).transpose();
    Ok(Limits {
        requests_per_minute: limit("requestsPerMinute")?,
        tokens_per_minute: limit("tokensPerMinute")?,
        requests_per_day: limit("requestsPerDay")?,
        tokens_per_day: limit("tokensPerDay")?,
    })
}
