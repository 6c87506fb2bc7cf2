//! One account: a credential, where it is used, and what it may take.

use std::{num::NonZeroU32, sync::Arc};

use http::HeaderMap;
use url::Url;

use super::{
    address::url_of,
    budget::Budget,
    kind::{self, Deployments, Kind},
    limits::{LimitsByModel, limits_by_model},
    reader::{Field, Object},
    request_headers::request_headers,
};
use crate::{
    error::Result,
    key::{Key, KeyFunction},
};

/// Where OpenAI's API lives.
pub const DEFAULT_BASE_URL: &str = "https://api.openai.com/v1";

/// The fields of an account in the settings.
pub(super) const FIELDS: &[&str] = &[
    "label",
    "apiKey",
    "kind",
    "baseURL",
    "deployments",
    "apiVersion",
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
    /// What its secret comes from.
    pub key: Key,
    /// Whose server it is on.
    pub kind: Kind,
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
    /// The base URL and the quota group where the user named them: without, they follow others of the settings.
    pub(super) named_base_url: Option<String>,
    named_group: Option<Arc<str>>,
    /// Of Azure: model → deployment, and the date of its dated API.
    pub(super) deployments: Option<Deployments>,
    pub(super) api_version: Option<String>,
    /// What follows from the other fields.
    pub(super) root: Url,
    request_headers: HeaderMap,
}

impl Account {
    /// An account with nothing but a label and a key.
    pub(super) fn bare(label: &str, key: Key, base_url: &str) -> Result<Self> {
        let label: Arc<str> = label.into();
        let root = url_of(&label, base_url)?;
        let account = Account {
            quota_group: label.clone(),
            quota_group_is_given: false,
            label,
            key,
            kind: Kind::default(),
            base_url: base_url.to_owned(),
            organization: None,
            project: None,
            headers: Vec::new(),
            weight: 1.0,
            limits: LimitsByModel::default(),
            max_concurrency: None,
            budget: Budget::default(),
            named_base_url: None,
            named_group: None,
            deployments: None,
            api_version: None,
            root,
            request_headers: HeaderMap::new(),
        };
        account.completed(base_url)
    }

    /// An account as the settings give it; `base_url` is the pool's.
    pub(super) fn parse(object: &Object<'_>, base_url: &str) -> Result<Self> {
        let label = label(&object.required("label"), None)?;
        let key = key_of(&object.required("apiKey"))?;
        Account::bare(&label, key, base_url)?.with(object, base_url)
    }

    /// The same account with the fields that an object names; `null` is a field's default.
    pub(super) fn with(mut self, object: &Object<'_>, base_url: &str) -> Result<Self> {
        if object.has("apiKey") {
            self.set_key(key_of(&object.required("apiKey"))?);
        }
        object.set("kind", &mut self.kind, Kind::default(), Kind::parse)?;
        object.set(
            "deployments",
            &mut self.deployments,
            None,
            kind::deployments,
        )?;
        object.set("apiVersion", &mut self.api_version, None, kind::api_version)?;
        object.set("baseURL", &mut self.named_base_url, None, |url| {
            base_url_of(url).map(Some)
        })?;
        object.set("organization", &mut self.organization, None, header_text)?;
        object.set("project", &mut self.project, None, header_text)?;
        object.set("headers", &mut self.headers, Vec::new(), own_headers)?;
        object.set("weight", &mut self.weight, 1.0, Field::positive)?;
        let none = LimitsByModel::default();
        object.set("limits", &mut self.limits, none, limits_by_model)?;
        object.set("maxConcurrency", &mut self.max_concurrency, None, |most| {
            let most = most.whole(1, 1_000_000)?.unsigned_abs();
            Ok(NonZeroU32::new(most))
        })?;
        object.set("budget", &mut self.budget, Budget::default(), Budget::parse)?;
        object.set("quotaGroup", &mut self.named_group, None, |group| {
            Ok(Some(group.text()?.into()))
        })?;
        self.completed(base_url)
    }

    /// The same account with another key.
    pub(super) fn with_key(mut self, key: Key, base_url: &str) -> Result<Self> {
        self.set_key(key);
        self.completed(base_url)
    }

    /// The same function goes on with what it gave.
    fn set_key(&mut self, key: Key) {
        if self.key != key {
            self.key = key;
        }
    }

    /// The same account with what follows from its other fields, and from the pool's base URL.
    pub(super) fn completed(mut self, base_url: &str) -> Result<Self> {
        self.check_kind()?;
        self.base_url = match &self.named_base_url {
            Some(own) => own.clone(),
            None => base_url.to_owned(),
        };
        self.quota_group_is_given =
            self.named_group.is_some() || self.organization.is_some() || self.project.is_some();
        self.quota_group = match &self.named_group {
            Some(group) => group.clone(),
            None => default_quota_group(&self),
        };
        self.root = self.root_of()?;
        self.request_headers = request_headers(&self)?;
        Ok(self)
    }

    /// The headers of all its requests, but for its secret.
    pub fn request_headers(&self) -> &HeaderMap {
        &self.request_headers
    }

    /// Whether OpenAI sees the same in another account: what it said to the one it would say to the other.
    pub fn is_same_to_openai(&self, other: &Account) -> bool {
        self.root == other.root
            && self.api_version == other.api_version
            && self.deployments == other.deployments
            && self.kind == other.kind
            && self.key == other.key
            && self.request_headers == other.request_headers
    }
}

/// A secret, or a function that gives it.
pub(super) fn key_of(field: &Field<'_>) -> Result<Key> {
    match field.function() {
        Some(number) => Ok(Key::Function(Arc::new(KeyFunction::new(number)))),
        None => Ok(Key::Text(
            field.secret("a string or a function that gives one")?,
        )),
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

/// A text that is sent as a request header.
fn header_text(field: &Field<'_>) -> Result<Option<String>> {
    Ok(Some(header_value(field)?.to_owned()))
}

fn header_value<'a>(field: &Field<'a>) -> Result<&'a str> {
    let text = field.text()?;
    if http::HeaderValue::from_str(text).is_err() {
        return Err(field.wrong("must be fit for an HTTP header: no line breaks"));
    }
    Ok(text)
}

fn own_headers(field: &Field<'_>) -> Result<Vec<(String, String)>> {
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
