//! Where a call goes, and as whom.

use http::HeaderMap;
use url::Url;

use super::{Account, Kind, kind::azure_resource};
use crate::{
    error::{Code, Error, Result},
    key::ApiKey,
};

/// One call's URL and headers.
#[derive(Debug, Clone, PartialEq)]
pub struct Address {
    /// Where it goes.
    pub url: Url,
    /// As whom, and what else the account sends.
    pub headers: HeaderMap,
}

impl Account {
    /// What its calls' URLs begin with, up to a deployment's name where that is a part of them.
    pub(super) fn root_of(&self) -> Result<Url> {
        let root = match (self.kind, &self.api_version) {
            (Kind::OpenAi | Kind::Compatible, _) => self.base_url.clone(),
            (Kind::Azure, None) => format!("{}/openai/v1", azure_resource(&self.base_url)),
            (Kind::Azure, Some(_)) => {
                format!("{}/openai/deployments", azure_resource(&self.base_url))
            }
        };
        url_of(&self.label, &root)
    }

    /// The base URL of calls about a model: the paths of OpenAI's endpoints follow it.
    pub fn base_of(&self, model: &str) -> Url {
        let mut url = self.root.clone();
        if self.api_version.is_some() {
            append(&mut url, [self.name_of(model)]);
        }
        url
    }

    /// The address of a call about a model; `path` is an endpoint's below the base URL, and begins with a slash.
    pub fn address(&self, path: &str, model: &str, key: &ApiKey) -> Address {
        let mut url = self.base_of(model);
        append(&mut url, path.trim_start_matches('/').split('/'));
        if let Some(version) = &self.api_version {
            url.query_pairs_mut().append_pair("api-version", version);
        }
        Address {
            url,
            headers: self.headers_with(key),
        }
    }
}

/// The URL of a text that was read as one.
pub(super) fn url_of(label: &str, text: &str) -> Result<Url> {
    Url::parse(text).map_err(|error| {
        Error::new(
            Code::Config,
            format!("account \"{label}\": `baseURL` cannot be used: {error}"),
        )
    })
}

/// Appends to the path of a URL. What could not stand there is escaped: a model's name comes from callers.
fn append<'a>(url: &mut Url, segments: impl IntoIterator<Item = &'a str>) {
    // Only a URL without a host has no segments, and none of ours is one.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
}
