//! A chat completion in 100 events: the role, 98 pieces of the text, and the end.

use std::{fmt::Write, rc::Rc};

use bytes::Bytes;

const WORDS: [&str; 7] = [" the", " parcels", " are", " on", " their", " way", ","];
const TEXTS: usize = 98;

/// They reach a client that is busy in a few reads.
const EVENTS_PER_WRITE: usize = 25;

const ROLE: &str = r#"{"role":"assistant","content":"","refusal":null}"#;
const USAGE: &str = r#"{"prompt_tokens":214,"completion_tokens":98,"total_tokens":312,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}"#;

/// What each write sends; with one more event that tells the usage, where it was asked for.
pub(crate) fn pieces(with_usage: bool) -> Rc<[Bytes]> {
    let mut events = vec![chunk(&choice(ROLE, "null"), "null")];
    for word in WORDS.iter().cycle().take(TEXTS) {
        let delta = format!(r#"{{"content":"{word}"}}"#);
        events.push(chunk(&choice(&delta, "null"), "null"));
    }
    events.push(chunk(&choice("{}", r#""stop""#), "null"));
    if with_usage {
        events.push(chunk("", USAGE));
    }
    events.push("data: [DONE]\n\n".into());
    events
        .chunks(EVENTS_PER_WRITE)
        .map(|events| events.concat().into())
        .collect()
}

fn choice(delta: &str, finish: &str) -> String {
    format!(r#"{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish}}}"#)
}

fn chunk(choices: &str, usage: &str) -> String {
    let mut event = String::from("data: ");
    let _ = write!(
        event,
        r#"{{"id":"chatcmpl-BenchBenchBenchBenchBenchBench","object":"chat.completion.chunk","created":1795521600,"model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_0123456789","choices":[{choices}],"usage":{usage},"obfuscation":"Zq81kd"}}"#
    );
    event.push_str("\n\n");
    event
}
