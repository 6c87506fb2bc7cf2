//! What successful answers say.

use serde_json::{Value, json};

use super::*;
use crate::models::{Encoding, encoding};
use crate::tokens::{ChatRequest, count_chat, count_text};

#[test]
fn a_chat_is_answered_with_usage_that_is_true() {
    let service = service(&json!({}));
    for model in ["gpt-4o", "gpt-3.5-turbo"] {
        let mut request = chat();
        request["model"] = model.into();
        request["n"] = 2.into();
        let answer = ask(&service, "any", CHAT, &request, 5_000.0);
        assert_eq!(answer.status, 200);
        let body = parsed(answer);
        let json = request.to_string();
        let prompt = count_chat(&ChatRequest::parse(&json).unwrap(), encoding(model));
        assert_eq!(body["usage"]["prompt_tokens"], prompt);
        let sent: usize = (0..2)
            .map(|index| {
                body["choices"][index]["message"]["content"]
                    .as_str()
                    .unwrap()
            })
            .map(|content| count_text(content, encoding(model)))
            .sum();
        assert_eq!(body["usage"]["completion_tokens"], sent);
        assert_eq!(body["usage"]["total_tokens"], prompt + sent);
        assert_eq!(body["created"], 1_790_000_005);
        assert_eq!(body["model"], model);
    }
}

#[test]
fn the_usage_rule_charges_exactly_what_the_reply_states() {
    let service = service(&json!({"charging": "usage", "accounts": [{
        "apiKey": "a", "limits": {"*": {"tokensPerMinute": 100_000}}}]}));
    let mut spent = 0;
    for _ in 0..20 {
        let answer = ask(&service, "a", CHAT, &chat(), 0.0);
        let left: u64 = header(&answer, "x-ratelimit-remaining-tokens")
            .parse()
            .unwrap();
        spent += parsed(answer)["usage"]["total_tokens"].as_u64().unwrap();
        assert_eq!(left, 100_000 - spent);
    }
}

#[test]
fn streams_say_what_whole_replies_say() {
    let streamed = |options: Value| {
        let mut request = chat();
        request["stream"] = true.into();
        request["stream_options"] = options;
        ask(&service(&json!({})), "x", CHAT, &request, 0.0)
    };
    let answer = streamed(json!({"include_usage": true, "include_obfuscation": false}));
    assert_eq!(
        header(&answer, "content-type"),
        "text/event-stream; charset=utf-8"
    );
    let whole = parsed(ask(&service(&json!({})), "x", CHAT, &chat(), 0.0));
    let mut content = String::new();
    let mut usage = Value::Null;
    let events = text(answer);
    for event in events.split("\n\n").filter(|event| !event.is_empty()) {
        let Ok(chunk) = serde_json::from_str::<Value>(event.strip_prefix("data: ").unwrap()) else {
            assert_eq!(event, "data: [DONE]");
            continue;
        };
        content.push_str(
            chunk["choices"][0]["delta"]["content"]
                .as_str()
                .unwrap_or(""),
        );
        usage = chunk["usage"].clone();
    }
    assert_eq!(content, whole["choices"][0]["message"]["content"]);
    assert_eq!(usage, whole["usage"]);
    assert!(text(streamed(Value::Null)).contains("obfuscation"));
}

#[test]
fn embeddings_come_with_their_true_count() {
    let service = service(&json!({}));
    let model = "text-embedding-3-small";
    let ask = |body: Value| parsed(ask(&service, "x", "/v1/embeddings", &body, 0.0));
    let body = ask(json!({"model": model, "input": ["one text", "another"]}));
    let count = |text| count_text(text, Encoding::Cl100kBase);
    assert_eq!(
        body["usage"]["prompt_tokens"],
        count("one text") + count("another")
    );
    assert_eq!(body["data"][1]["index"], 1);
    assert_eq!(
        body["data"][0]["embedding"].as_array().unwrap().len(),
        1_536
    );
    let again = ask(json!({"model": model, "input": "one text"}));
    assert_eq!(again["data"][0]["embedding"], body["data"][0]["embedding"]);
    let short =
        ask(json!({"model": model, "input": [1, 2], "dimensions": 3, "encoding_format": "base64"}));
    assert_eq!(short["data"][0]["embedding"].as_str().unwrap().len(), 16);
    assert_eq!(short["usage"]["total_tokens"], 2);
}

#[test]
fn completions_end_after_16_tokens_unless_told_otherwise() {
    let service = service(&json!({"outputTokens": 30}));
    let body = json!({"model": "gpt-3.5-turbo-instruct", "prompt": ["a", "b"], "n": 2});
    let body = parsed(ask(&service, "x", "/v1/completions", &body, 0.0));
    assert_eq!(body["choices"].as_array().unwrap().len(), 4);
    assert_eq!(body["choices"][3]["finish_reason"], "length");
    assert_eq!(body["usage"]["completion_tokens"], 64);
    assert_eq!(body["usage"]["prompt_tokens"], 2);
}

#[test]
fn the_same_settings_and_requests_give_the_same_answers() {
    let settings = json!({"seed": 7, "latencyMs": {"median": 100, "sigma": 1}, "faults": [{"status": 500, "probability": 0.2}]});
    let run = |settings: &Value| -> Vec<(u16, f64, String)> {
        let service = service(settings);
        (0..50)
            .map(|_| ask(&service, "x", CHAT, &chat(), 0.0))
            .map(|answer| (answer.status, answer.delay_ms, text(answer)))
            .collect()
    };
    let first = run(&settings);
    assert_eq!(first, run(&settings));
    assert!(first.iter().any(|(status, ..)| *status == 500));
    assert_ne!(
        first[0].1, first[1].1,
        "but requests differ from one another"
    );
    let mut other = settings.clone();
    other["seed"] = 8.into();
    assert_ne!(first, run(&other));
}
