//! The headers of an account's requests, prepared once but for the secret.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{Account, Kind};
use crate::{
    error::{Code, Error, Result},
    key::ApiKey,
};

/// Where Azure takes a key; a token goes where OpenAI takes a key.
const AZURE_KEY: HeaderName = HeaderName::from_static("api-key");

impl Account {
    /// The headers of one request.
    pub(super) fn headers_with(&self, key: &ApiKey) -> HeaderMap {
        let mut headers = self.request_headers().clone();
        let (name, value) = match self.kind {
            // A function gives tokens: that is what the providers of Azure's own libraries are.
            Kind::Azure if !self.key.is_function() => (AZURE_KEY, key.expose().to_owned()),
            _ => (header::AUTHORIZATION, format!("Bearer {}", key.expose())),
        };
        // The user's own headers replace any of ours. What a key may hold is fit for a header.
        if !headers.contains_key(&name)
            && let Ok(mut value) = HeaderValue::from_str(&value)
        {
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        headers
    }
}

/// What an account sends with every request beside its secret.
pub(super) fn request_headers(account: &Account) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json.clone());
    headers.insert(header::ACCEPT, json);
    let mut set = |name: HeaderName, value: &str, secret: bool| {
        let mut value = HeaderValue::from_str(value).map_err(|_| {
            Error::new(
                Code::Config,
                format!(
                    "account \"{}\": `{name}` is not fit for an HTTP header",
                    account.label
                ),
            )
        })?;
        value.set_sensitive(secret);
        headers.insert(name, value);
        Ok::<_, Error>(())
    };
    if let Some(organization) = &account.organization {
        let name = HeaderName::from_static("openai-organization");
        set(name, organization, false)?;
    }
    if let Some(project) = &account.project {
        set(HeaderName::from_static("openai-project"), project, false)?;
    }
    // The user's own headers come last, so that they can replace any of ours.
    for (name, value) in &account.headers {
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| Error::new(Code::Config, format!("`{name}` is no header name")))?;
        set(name, value, true)?;
    }
    Ok(headers)
}
