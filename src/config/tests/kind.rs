//! Whose server an account is on, and where its calls go.

use super::*;
use crate::key::ApiKey;

fn account(fields: &str) -> Result<Arc<Account>> {
    let json = format!(
        r#"{{"accounts": [{{"label": "az", "apiKey": "secret-key", "headers": {{"x-team": "t"}}, {fields}}}]}}"#
    );
    Ok(Settings::parse(&json)?.accounts[0].clone())
}

fn url(fields: &str, model: &str) -> String {
    let account = account(fields).unwrap();
    let key = ApiKey::parse("k").unwrap();
    let address = account.address("/chat/completions", model, &key);
    address.url.to_string()
}

#[test]
fn each_kind_has_its_addresses() {
    const RESOURCE: &str = r#""kind": "azure", "baseURL": "https://r.openai.azure.com""#;
    for (fields, model, expected) in [
        (
            r#""weight": 1"#,
            "gpt-4o",
            "https://api.openai.com/v1/chat/completions",
        ),
        (
            r#""kind": "compatible", "baseURL": "http://localhost:8000/""#,
            "llama",
            "http://localhost:8000/chat/completions",
        ),
        (
            RESOURCE,
            "gpt-4o",
            "https://r.openai.azure.com/openai/v1/chat/completions",
        ),
        (
            &format!(r#"{RESOURCE}, "apiVersion": "2024-10-21""#),
            "gpt-4o",
            "https://r.openai.azure.com/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21",
        ),
        (
            &format!(
                r#"{RESOURCE}, "apiVersion": "2025-01-01-preview", "deployments": {{"gpt-4o": "my-4o"}}"#
            ),
            "gpt-4o",
            "https://r.openai.azure.com/openai/deployments/my-4o/chat/completions?api-version=2025-01-01-preview",
        ),
        // A model's name comes from callers.
        (
            &format!(r#"{RESOURCE}, "apiVersion": "2024-10-21""#),
            "../x?y=z#/",
            "https://r.openai.azure.com/openai/deployments/..%2Fx%3Fy=z%23%2F/chat/completions?api-version=2024-10-21",
        ),
        // As copied from Azure's own examples, and behind a gateway.
        (
            r#""kind": "azure", "baseURL": "https://r.openai.azure.com/openai/v1/""#,
            "gpt-4o",
            "https://r.openai.azure.com/openai/v1/chat/completions",
        ),
        (
            r#""kind": "azure", "baseURL": "https://g.azure-api.net/ai/openai", "apiVersion": "2024-10-21""#,
            "gpt-4o",
            "https://g.azure-api.net/ai/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21",
        ),
    ] {
        assert_eq!(url(fields, model), expected, "{fields}");
    }
}

#[test]
fn azure_takes_a_key_in_a_header_of_its_own_and_others_as_a_bearer() {
    for (fields, name, value) in [
        (
            r#""kind": "azure", "baseURL": "https://r""#,
            "api-key",
            "secret-key",
        ),
        (r#""kind": "openai""#, "authorization", "Bearer secret-key"),
        (
            r#""kind": "compatible", "baseURL": "http://r""#,
            "authorization",
            "Bearer secret-key",
        ),
    ] {
        let key = ApiKey::parse("secret-key").unwrap();
        let headers = account(fields).unwrap().address("/x", "m", &key).headers;
        let keys = ["api-key", "authorization"].map(|name| headers.get(name));
        assert_eq!(keys.iter().flatten().count(), 1, "{fields}");
        assert_eq!(headers[name], value, "{fields}");
        assert_eq!(headers["x-team"], "t");
        assert!(!format!("{headers:?}").contains("secret"));
    }
}

#[test]
fn with_deployments_an_account_serves_only_their_models() {
    let named =
        account(r#""kind": "azure", "baseURL": "https://r", "deployments": {"gpt-4o": "my-4o"}"#)
            .unwrap();
    assert!(named.serves("gpt-4o") && !named.serves("gpt-4o-2024-08-06"));
    assert_eq!(named.name_of("gpt-4o"), "my-4o");
    let unnamed = account(r#""kind": "azure", "baseURL": "https://r""#).unwrap();
    assert!(unnamed.serves("gpt-4o"));
    assert_eq!(unnamed.name_of("gpt-4o"), "gpt-4o");
}

#[test]
fn what_does_not_fit_a_kind_is_refused() {
    for (fields, message) in [
        (
            r#""kind": "google""#,
            r#"`config.accounts[0].kind` must be 'openai', 'azure' or 'compatible', got "google" (a string)"#,
        ),
        (
            r#""kind": "azure""#,
            r#"account "az": kind 'azure' needs a `baseURL`, as "https://my-resource.openai.azure.com""#,
        ),
        (
            r#""kind": "compatible""#,
            r#"account "az": kind 'compatible' needs a `baseURL`, as "http://localhost:8000/v1""#,
        ),
        (
            r#""deployments": {"m": "d"}"#,
            r#"account "az": `deployments` and `apiVersion` are only for kind 'azure'"#,
        ),
        (
            r#""kind": "compatible", "baseURL": "http://r", "apiVersion": "2024-10-21""#,
            r#"account "az": `deployments` and `apiVersion` are only for kind 'azure'"#,
        ),
        (
            r#""kind": "azure", "baseURL": "http://r", "organization": "o""#,
            r#"account "az": `organization` and `project` are OpenAI's, and not for kind 'azure'"#,
        ),
        (
            r#""kind": "azure", "baseURL": "http://r", "deployments": {}"#,
            "`config.accounts[0].deployments` names no deployment; leave it out where deployments are called as their models",
        ),
        (
            r#""kind": "azure", "baseURL": "http://r", "deployments": {"m": "a/b"}"#,
            r#"`config.accounts[0].deployments.m` must be a deployment's name: letters, digits and - _ ., got "a/b" (a string)"#,
        ),
        (
            r#""kind": "azure", "baseURL": "http://r", "apiVersion": "v1""#,
            r#"`config.accounts[0].apiVersion` must be a date of Azure's API such as "2024-10-21" or "2025-01-01-preview" (leave it out for the v1 API), got "v1" (a string)"#,
        ),
    ] {
        let error = account(fields).unwrap_err();
        assert_eq!((error.message(), error.code()), (message, Code::Config));
    }
}

#[test]
fn a_kind_can_be_changed_with_all_that_belongs_to_it() {
    let settings = parsed(
        r#"{"accounts": [{"label": "a", "apiKey": "k", "kind": "azure", "baseURL": "https://r", "apiVersion": "2024-10-21",
                          "deployments": {"m": "d"}}]}"#,
    );
    let changed = |fields: &str| {
        let changes = format!(r#"{{"accounts": [{{"label": "a", {fields}}}]}}"#);
        settings
            .changed(&changes)
            .map(|settings| settings.accounts[0].clone())
    };
    assert!(changed(r#""kind": null"#).is_err());
    assert!(changed(r#""baseURL": null"#).is_err());
    let openai =
        changed(r#""kind": null, "baseURL": null, "apiVersion": null, "deployments": null"#);
    let openai = openai.unwrap();
    assert_eq!(openai.kind, Kind::OpenAi);
    assert_eq!(openai.base_of("m").as_str(), DEFAULT_BASE_URL);
    for fields in [
        r#""apiVersion": null"#,
        r#""apiVersion": "2025-01-01-preview""#,
        r#""deployments": {"m": "e"}"#,
    ] {
        let other = changed(fields).unwrap();
        assert!(!settings.accounts[0].is_same_to_openai(&other), "{fields}");
    }
}
