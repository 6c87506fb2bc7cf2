//! The headers of an account's requests, prepared once.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{Account, Kind};
use crate::error::{Code, Error, Result};

/// The credentials, and what else an account sends with every request.
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
    match account.kind {
        Kind::Azure => set(
            HeaderName::from_static("api-key"),
            account.key.expose(),
            true,
        )?,
        Kind::OpenAi | Kind::Compatible => {
            let bearer = format!("Bearer {}", account.key.expose());
            set(header::AUTHORIZATION, &bearer, true)?;
        }
    }
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
