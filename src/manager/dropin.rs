//! The drop-in functions' own form of a request: `{ text, systemPrompt, maxTokens, model, temperature, … }`.
//!
//! It becomes a request in OpenAI's form; a request that is in that form already (`messages`, `input`) is taken as it is. Fields
//! that the old module did not know pass untouched.

use bytes::Bytes;

use super::request::{Request, names, parse_object, streaming, wrong};
use crate::{
    body::{Body, quoted},
    config::{CallOptions, Settings},
    error::Result,
    models::{self, Model},
    tokens::Endpoint,
};

/// The old module's default chat model.
pub const DEFAULT_CHAT_MODEL: &str = "gpt-3.5-turbo";
/// The old module's default embeddings model.
pub const DEFAULT_EMBEDDINGS_MODEL: &str = "text-embedding-ada-002";

/// What `createChat` sends for `data`.
pub fn chat_request(json: String, options: CallOptions, settings: &Settings) -> Result<Request> {
    let mut body = parse_object(&json, "data")?;
    let requested = model(&body, DEFAULT_CHAT_MODEL)?;
    let sent = settings.sent_model(&requested).to_owned();
    let endpoint = if !body.has("text") && body.has("messages") {
        let messages = body.raw("messages");
        if !messages.is_some_and(|raw| raw.starts_with('[')) {
            return Err(wrong("data.messages", "an array of messages", messages));
        }
        Endpoint::Chat
    } else {
        drop_in_chat(&mut body, models::find(&sent))?
    };
    finish(body, endpoint, requested, &sent, options, settings)
}

/// What `createEmbeddings` sends for `data`.
pub fn embeddings_request(
    json: String,
    options: CallOptions,
    settings: &Settings,
) -> Result<Request> {
    let mut body = parse_object(&json, "data")?;
    let requested = model(&body, DEFAULT_EMBEDDINGS_MODEL)?;
    let sent = settings.sent_model(&requested).to_owned();
    if body.has("text") || !body.has("input") {
        let several = body
            .get::<Vec<String>>("text")
            .is_some_and(|texts| !texts.is_empty() && texts.iter().all(|text| !text.is_empty()));
        let single = body
            .get::<String>("text")
            .is_some_and(|text| !text.is_empty());
        if !single && !several {
            let accepted = "a non-empty string or an array of non-empty strings";
            return Err(wrong("data.text", accepted, body.raw("text")));
        }
        if let Some(text) = body.remove("text") {
            body.set("input", text);
        }
    }
    finish(
        body,
        Endpoint::Embeddings,
        requested,
        &sent,
        options,
        settings,
    )
}

/// Turns the drop-in fields into OpenAI's and says where the request goes.
fn drop_in_chat(body: &mut Body<'_>, model: Option<&Model>) -> Result<Endpoint> {
    let text = body.remove("text");
    if !text.as_deref().is_some_and(is_text) {
        return Err(wrong("data.text", "a non-empty string", text.as_deref()));
    }
    let text = text.unwrap_or_default();
    let system = body
        .remove("systemPrompt")
        .filter(|raw| raw != "null" && raw != "\"\"");
    if let Some(system) = system.as_deref().filter(|raw| !is_text(raw)) {
        return Err(wrong("data.systemPrompt", "a string", Some(system)));
    }
    if let Some(most) = body.remove("maxTokens").filter(|raw| raw != "null") {
        let positive = most.parse::<u64>().is_ok_and(|most| most > 0);
        if !positive {
            return Err(wrong("data.maxTokens", "a positive integer", Some(&most)));
        }
        let only_new_name = model.is_some_and(Model::max_completion_tokens_only);
        body.set(
            if only_new_name {
                "max_completion_tokens"
            } else {
                "max_tokens"
            },
            most,
        );
    }
    match body.raw("temperature") {
        Some(raw) if raw != "null" && raw.parse::<f64>().is_err() => {
            return Err(wrong("data.temperature", "a number", Some(raw)));
        }
        _ if model.is_some_and(Model::refuses_temperature) => {
            body.remove("temperature");
        }
        None | Some("null") => body.set("temperature", "1"),
        Some(_) => {}
    }
    if model.is_some_and(Model::legacy_completions) {
        body.set("prompt", text);
        return Ok(Endpoint::Completions);
    }
    let system = system.map_or(String::new(), |content| {
        format!(r#"{{"role":"system","content":{content}}},"#)
    });
    body.set(
        "messages",
        format!(r#"[{system}{{"role":"user","content":{text}}}]"#),
    );
    Ok(Endpoint::Chat)
}

fn finish(
    mut body: Body<'_>,
    endpoint: Endpoint,
    requested_model: String,
    sent_model: &str,
    options: CallOptions,
    settings: &Settings,
) -> Result<Request> {
    body.set("model", quoted(sent_model));
    let streaming = streaming(&mut body, endpoint, "data")?;
    let json = body.to_json();
    let (model, model_group) = names(sent_model, settings);
    Ok(Request {
        endpoint,
        requested_model,
        model,
        model_group,
        body: Bytes::from(json),
        streams: streaming.streams,
        hides_usage: streaming.hides_usage,
        names: Vec::new(),
        route: None,
        options,
        counted: None,
    })
}

fn model(body: &Body<'_>, default: &str) -> Result<String> {
    if !body.has("model") {
        return Ok(default.to_owned());
    }
    match body.get::<String>("model") {
        Some(model) if !model.is_empty() => Ok(model),
        _ => Err(wrong("data.model", "a non-empty string", body.raw("model"))),
    }
}

/// Whether raw JSON is a string with at least one character.
fn is_text(raw: &str) -> bool {
    raw.starts_with('"') && raw != "\"\""
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings::parse(r#"{"accounts":{"a":"key"},"modelAliases":{"old":"gpt-5.4-mini"}}"#)
            .unwrap()
    }

    fn sent(json: &str) -> (Endpoint, String) {
        let request = chat_request(json.into(), CallOptions::default(), &settings()).unwrap();
        (
            request.endpoint,
            String::from_utf8(request.body.to_vec()).unwrap(),
        )
    }

    #[test]
    fn drop_in_fields_become_openais() {
        for (data, body) in [
            (
                r#"{"text":"Hi \"you\""}"#,
                r#"{"temperature":1,"messages":[{"role":"user","content":"Hi \"you\""}],"model":"gpt-3.5-turbo"}"#,
            ),
            (
                r#"{"text":"Hi","systemPrompt":"Be kind","maxTokens":5,"model":"gpt-4o","temperature":0,"seed":1.0}"#,
                r#"{"model":"gpt-4o","temperature":0,"seed":1.0,"max_tokens":5,"messages":[{"role":"system","content":"Be kind"},{"role":"user","content":"Hi"}]}"#,
            ),
            // A reasoning model refuses max_tokens and temperature.
            (
                r#"{"text":"Hi","maxTokens":5,"model":"gpt-6-luna","temperature":0.2}"#,
                r#"{"model":"gpt-6-luna","max_completion_tokens":5,"messages":[{"role":"user","content":"Hi"}]}"#,
            ),
            // The model that is sent decides, not its alias.
            (
                r#"{"text":"Hi","model":"old","maxTokens":7}"#,
                r#"{"model":"gpt-5.4-mini","max_completion_tokens":7,"messages":[{"role":"user","content":"Hi"}]}"#,
            ),
        ] {
            assert_eq!(sent(data), (Endpoint::Chat, body.to_owned()));
        }
    }

    #[test]
    fn the_instruct_model_goes_to_legacy_completions() {
        assert_eq!(
            sent(r#"{"text":"Hi","model":"gpt-3.5-turbo-instruct","maxTokens":5}"#),
            (
                Endpoint::Completions,
                r#"{"model":"gpt-3.5-turbo-instruct","max_tokens":5,"temperature":1,"prompt":"Hi"}"#.to_owned()
            )
        );
    }

    #[test]
    fn openais_own_form_passes_untouched() {
        let json = r#"{"messages":[{"role":"user","content":"Hi"}],"model":"gpt-4o","new_field":{"a":[1]}}"#;
        assert_eq!(sent(json), (Endpoint::Chat, json.to_owned()));
    }

    #[test]
    fn wrong_data_is_named_with_its_value_and_the_accepted_form() {
        for (data, message) in [
            ("3", "`data` must be an object, got 3"),
            ("{}", "`data.text` must be a non-empty string, got nothing"),
            (
                r#"{"text":""}"#,
                r#"`data.text` must be a non-empty string, got """#,
            ),
            (
                r#"{"text":7}"#,
                "`data.text` must be a non-empty string, got 7",
            ),
            (
                r#"{"text":"a","maxTokens":0}"#,
                "`data.maxTokens` must be a positive integer, got 0",
            ),
            (
                r#"{"text":"a","maxTokens":1.5}"#,
                "`data.maxTokens` must be a positive integer, got 1.5",
            ),
            (
                r#"{"text":"a","maxTokens":"5"}"#,
                r#"`data.maxTokens` must be a positive integer, got "5""#,
            ),
            (
                r#"{"text":"a","model":4}"#,
                "`data.model` must be a non-empty string, got 4",
            ),
            (
                r#"{"text":"a","temperature":"hot"}"#,
                r#"`data.temperature` must be a number, got "hot""#,
            ),
            (
                r#"{"text":"a","systemPrompt":[]}"#,
                "`data.systemPrompt` must be a string, got []",
            ),
        ] {
            let error = chat_request(data.into(), CallOptions::default(), &settings()).unwrap_err();
            assert_eq!(error.message(), message);
        }
    }

    #[test]
    fn embeddings_take_a_string_or_strings() {
        let sent = |json: &str| {
            embeddings_request(json.into(), CallOptions::default(), &settings())
                .map(|request| String::from_utf8(request.body.to_vec()).unwrap())
        };
        assert_eq!(
            sent(r#"{"text":"Hi","dimensions":3}"#).unwrap(),
            r#"{"dimensions":3,"input":"Hi","model":"text-embedding-ada-002"}"#
        );
        assert_eq!(
            sent(r#"{"text":["a","b"],"model":"text-embedding-3-small"}"#).unwrap(),
            r#"{"model":"text-embedding-3-small","input":["a","b"]}"#
        );
        for data in [
            r#"{"text":[]}"#,
            r#"{"text":[""]}"#,
            r#"{"text":""}"#,
            r#"{"text":[1]}"#,
            "{}",
        ] {
            assert!(sent(data).is_err(), "{data}");
        }
    }
}
