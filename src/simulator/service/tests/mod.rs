//! Tests of the way from a request to its answer, on a clock that stands where the test puts it.

mod caching;
mod refusals;
mod replies;

use serde_json::{Value, json};

use super::{Answer, Request, Service};
use crate::simulator::settings::Settings;
use crate::simulator::work::Body;

const CHAT: &str = "/v1/chat/completions";

fn service(settings: &Value) -> Service {
    Service::new(
        Settings::parse(&settings.to_string()).unwrap(),
        1_790_000_000,
    )
}

fn ask(service: &Service, key: &str, path: &str, body: &Value, now: f64) -> Answer {
    let authorization = format!("Bearer {key}");
    let body = body.to_string();
    let request = Request {
        method: if body == "null" { "GET" } else { "POST" },
        path,
        authorization: Some(&authorization),
        body: body.as_bytes(),
    };
    service.answer(&request, now)
}

fn chat() -> Value {
    json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "Say hello to the world."}]})
}

fn text(answer: Answer) -> String {
    match answer.body {
        Body::Whole(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        Body::Events(events) => events
            .map(|event| String::from_utf8(event.bytes.to_vec()).unwrap())
            .collect(),
    }
}

fn parsed(answer: Answer) -> Value {
    serde_json::from_str(&text(answer)).unwrap()
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer
        .headers
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}
