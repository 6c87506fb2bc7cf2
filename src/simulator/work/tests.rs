//! Tests of what is read from bodies and what is made of it.

use fastrand::Rng;

use super::Work;
use crate::simulator::charging::Endpoint;
use crate::simulator::errors::ApiError;
use crate::simulator::settings::OutputTokens;

fn work(endpoint: Endpoint, json: &str) -> Result<Work<'_>, ApiError> {
    Work::parse(endpoint, json.as_bytes())
}

fn complaint(endpoint: Endpoint, json: &str) -> String {
    let error = work(endpoint, json).unwrap_err();
    assert_eq!(error.status, 400);
    String::from_utf8(error.body()).unwrap()
}

#[test]
fn demands_are_read_from_bodies() {
    for (endpoint, json, estimate, choices, max_tokens) in [
        (
            Endpoint::Chat,
            r#"{"model":"m","messages":[{"role":"user","content":"12345678901234567 "}],"n":2,"max_tokens":50}"#,
            6,
            2,
            Some(50),
        ),
        (
            Endpoint::Chat,
            r#"{"model":"m","messages":[{"role":"user","content":""}],"max_tokens":9,"max_completion_tokens":7}"#,
            1,
            1,
            Some(7),
        ),
        (
            Endpoint::Completions,
            r#"{"model":"m","prompt":"12345","best_of":3}"#,
            2,
            3,
            None,
        ),
        (
            Endpoint::Completions,
            r#"{"model":"m","prompt":["a","b"],"n":2,"max_tokens":5}"#,
            2,
            4,
            Some(5),
        ),
        (Endpoint::Completions, r#"{"model":"m"}"#, 1, 1, None),
        (
            Endpoint::Embeddings,
            r#"{"model":"m","input":["12345","1"]}"#,
            3,
            0,
            None,
        ),
        (
            Endpoint::Embeddings,
            r#"{"model":"m","input":[[1,2,3],[4]]}"#,
            4,
            0,
            None,
        ),
    ] {
        let demand = work(endpoint, json).unwrap().demand;
        assert_eq!(demand.input_estimate, estimate, "{json}");
        assert_eq!(
            (demand.choices, demand.max_tokens),
            (choices, max_tokens),
            "{json}"
        );
    }
}

#[test]
fn bodies_that_openai_refuses_are_refused() {
    for (endpoint, json, part) in [
        (Endpoint::Chat, "{", "could not parse the JSON body"),
        (Endpoint::Chat, "", "could not parse the JSON body"),
        (Endpoint::Chat, "[1]", "invalid_type"),
        (
            Endpoint::Chat,
            r#"{"messages":[{}]}"#,
            "Missing required parameter: 'model'",
        ),
        (
            Endpoint::Chat,
            r#"{"model":"","messages":[{}]}"#,
            "Missing required parameter: 'model'",
        ),
        (
            Endpoint::Chat,
            r#"{"model":"m"}"#,
            "Missing required parameter: 'messages'",
        ),
        (
            Endpoint::Chat,
            r#"{"model":"m","messages":[]}"#,
            "Invalid 'messages'",
        ),
        (
            Endpoint::Chat,
            r#"{"model":"m","messages":"x"}"#,
            "a list of messages",
        ),
        (
            Endpoint::Chat,
            r#"{"model":"m","messages":[{}],"max_tokens":-1}"#,
            "invalid_type",
        ),
        (
            Endpoint::Chat,
            r#"{"model":"m","messages":[{}],"n":0}"#,
            "must be from 1 to 128",
        ),
        (
            Endpoint::Chat,
            r#"{"model":"m","messages":[{}],"max_tokens":2147483648}"#,
            "Expected a value <= 2147483647",
        ),
        (
            Endpoint::Completions,
            r#"{"model":"m","prompt":[]}"#,
            "Invalid 'prompt'",
        ),
        (
            Endpoint::Embeddings,
            r#"{"model":"m"}"#,
            "Missing required parameter: 'input'",
        ),
        (
            Endpoint::Embeddings,
            r#"{"model":"m","input":["a",""]}"#,
            "none of them empty",
        ),
        (
            Endpoint::Embeddings,
            r#"{"model":"m","input":"a","dimensions":0}"#,
            "from 1 to 3072",
        ),
        (
            Endpoint::Embeddings,
            r#"{"model":"m","input":"a","encoding_format":"hex"}"#,
            "encoding_format",
        ),
    ] {
        let complaint = complaint(endpoint, json);
        assert!(complaint.contains(part), "{json}: {complaint}");
    }
    assert!(Work::parse(Endpoint::Chat, b"\xff").is_err());
    let many = format!(
        r#"{{"model":"m","input":[{}"a"]}}"#,
        r#""a","#.repeat(2_048)
    );
    assert!(complaint(Endpoint::Embeddings, &many).contains("1 to 2048"));
}

#[test]
fn answers_end_at_the_requests_maximum_and_say_so() {
    let mut rng = Rng::with_seed(1);
    let lengths = OutputTokens { min: 20, max: 20 };
    for (endpoint, json, tokens, cut) in [
        (
            Endpoint::Chat,
            r#"{"model":"m","messages":[{}]}"#,
            20,
            false,
        ),
        (
            Endpoint::Chat,
            r#"{"model":"m","messages":[{}],"max_tokens":20}"#,
            20,
            false,
        ),
        (
            Endpoint::Chat,
            r#"{"model":"m","messages":[{}],"max_completion_tokens":19}"#,
            19,
            true,
        ),
        (
            Endpoint::Completions,
            r#"{"model":"m","prompt":"a"}"#,
            16,
            true,
        ),
    ] {
        let outputs = work(endpoint, json).unwrap().outputs(lengths, &mut rng);
        assert_eq!((outputs[0].tokens, outputs[0].cut), (tokens, cut), "{json}");
    }
}

#[test]
fn embeddings_above_openai_s_limits_are_refused() {
    let long = format!(
        r#"{{"model":"text-embedding-3-small","input":[{}0]}}"#,
        "1,".repeat(8_192)
    );
    let error = work(Endpoint::Embeddings, &long)
        .unwrap()
        .prompt_tokens()
        .unwrap_err();
    assert!(
        String::from_utf8(error.body())
            .unwrap()
            .contains("however you requested 8193 tokens")
    );
    let input = format!("[{}0],", "1,".repeat(8_191)).repeat(37);
    let many = format!(r#"{{"model":"m","input":[{}[1]]}}"#, input);
    let error = work(Endpoint::Embeddings, &many)
        .unwrap()
        .prompt_tokens()
        .unwrap_err();
    assert!(
        String::from_utf8(error.body())
            .unwrap()
            .contains("Requested 303105 tokens, max 300000")
    );
}
