//! Whose key it was.

use http::HeaderMap;

use super::value::text;

/// The organization and project that a response names. Keys that answer with the same two share their limits.
///
/// Both are unknown on other servers than OpenAI's and on answers to a refused key, so two identities without an organization
/// say nothing about each other although they are equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Identity {
    /// `openai-organization`: `org-…`, `user-…` or the organization's own slug.
    pub organization: Option<String>,
    /// `openai-project`: `proj_…`. OpenAI sends it since 2025.
    pub project: Option<String>,
}

impl Identity {
    /// Reads the two headers; an empty or unreadable value is unknown.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let named = |name| {
            text(headers, name)
                .filter(|value| !value.is_empty())
                .map(String::from)
        };
        Identity {
            organization: named("openai-organization"),
            project: named("openai-project"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::tests::headers;

    #[test]
    fn an_identity_is_what_the_headers_name() {
        for (pairs, organization, project) in [
            (
                vec![
                    ("openai-organization", "org-abc"),
                    ("openai-project", "proj_xyz"),
                ],
                Some("org-abc"),
                Some("proj_xyz"),
            ),
            (
                vec![("openai-organization", " user-abc ")],
                Some("user-abc"),
                None,
            ),
            (
                vec![("openai-organization", ""), ("openai-project", " ")],
                None,
                None,
            ),
            (vec![], None, None),
        ] {
            let identity = Identity::from_headers(&headers(&pairs));
            assert_eq!(identity.organization.as_deref(), organization);
            assert_eq!(identity.project.as_deref(), project);
        }
    }
}
