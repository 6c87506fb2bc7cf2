//! Chats against the totals of the OpenAI cookbook and recorded usage.

use serde_json::Value;

use super::{ChatRequest, Detail, Size, count_characters, count_chat, count_image, count_images};
use super::{count_text, images};
use crate::models::{Encoding, encoding};

fn count(model: &str, members: &str) -> usize {
    let json = format!(r#"{{"model":"{model}",{members}}}"#);
    count_chat(&ChatRequest::parse(&json).unwrap(), encoding(model))
}

/// The conversation of "How to count tokens with tiktoken".
const CONVERSATION: &str = r#""messages":[
    {"role":"system","content":"You are a helpful, pattern-following assistant that translates corporate jargon into plain English."},
    {"role":"system","name":"example_user","content":"New synergies will help drive top-line growth."},
    {"role":"system","name":"example_assistant","content":"Things working well together will increase revenue."},
    {"role":"system","name":"example_user","content":"Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage."},
    {"role":"system","name":"example_assistant","content":"Let's talk later when we're less busy about how to do better."},
    {"role":"user","content":"This late pivot means we don't have time to boil the ocean for the client deliverable."}]"#;

/// The messages and the function of the same notebook's chapter on tools.
const WEATHER: &str = r#""messages":[
    {"role":"system","content":"You are a helpful assistant that can answer to questions about the weather."},
    {"role":"user","content":"What's the weather like in San Francisco?"}],
    "tools":[{"type":"function","function":{"name":"get_current_weather",
        "description":"Get the current weather in a given location","parameters":{"type":"object","properties":{
            "location":{"type":"string","description":"The city and state, e.g. San Francisco, CA"},
            "unit":{"type":"string","description":"The unit of temperature to return","enum":["celsius","fahrenheit"]}},
        "required":["location"]}}}]"#;

#[test]
fn totals_equal_the_cookbooks() {
    for (model, members, expected) in [
        ("gpt-3.5-turbo", CONVERSATION, 129),
        ("gpt-3.5-turbo-0301", CONVERSATION, 127),
        ("gpt-4-0613", CONVERSATION, 129),
        ("gpt-4o", CONVERSATION, 124),
        ("gpt-4o-mini-2024-07-18", CONVERSATION, 124),
        ("gpt-3.5-turbo", WEATHER, 105),
        ("gpt-4", WEATHER, 105),
        ("gpt-4o", WEATHER, 101),
        ("gpt-4o-mini", WEATHER, 101),
    ] {
        assert_eq!(count(model, members), expected, "{model}");
    }
}

#[test]
fn the_cookbooks_own_formula_for_tools_agrees() {
    let body: Value = serde_json::from_str(&format!("{{{WEATHER}}}")).unwrap();
    let function = &body["tools"][0]["function"];
    for (model, per_function) in [("gpt-4", 10), ("gpt-4o", 7)] {
        let tokens = |text: &str| count_text(text, encoding(model));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let named = |value: &Value, name: &str, rest: &str| {
            tokens(&format!("{name}:{rest}{}", text(&value["description"])))
        };
        let mut expected = per_function + named(function, &text(&function["name"]), "") + 3 + 12;
        for (name, property) in function["parameters"]["properties"].as_object().unwrap() {
            expected += 3 + named(property, name, &format!("{}:", text(&property["type"])));
            if let Some(values) = property["enum"].as_array() {
                let of_values = values.iter().map(|value| 3 + tokens(&text(value)));
                expected = expected + of_values.sum::<usize>() - 3;
            }
        }
        let messages = WEATHER.split_once(",\n    \"tools\"").unwrap().0;
        assert_eq!(
            count(model, WEATHER) - count(model, messages),
            expected,
            "{model}"
        );
    }
}

/// Requests recorded against api.openai.com by the test suites of opentelemetry-python-contrib, openllmetry and ruby_llm,
/// with the `prompt_tokens` of the reply.
#[test]
fn counts_equal_recorded_usage() {
    let calculator = |messages: &str| {
        format!(
            r#""messages":[{messages}],"tools":[{{"type":"function","function":{{"name":"calculator",
            "description":"Performs basic arithmetic","parameters":{{"type":"object","properties":{{"expression":
            {{"type":"string","description":"Math expression to evaluate"}}}},"required":["expression"]}}}}}}]"#
        )
    };
    let call = |name: &str, arguments: &str| {
        let arguments = arguments.replace('"', "\\\"");
        format!(
            r#"{{"id":"call_6YvurIMPOgMo2q6V6KGJDA6g","type":"function",
            "function":{{"name":"{name}","arguments":"{arguments}"}}}}"#
        )
    };
    let calls = |calls: &[String]| {
        format!(
            r#"{{"role":"assistant","tool_calls":[{}]}}"#,
            calls.join(",")
        )
    };
    let result = |content: &str| {
        format!(
            r#"{{"role":"tool","tool_call_id":"call_6YvurIMPOgMo2q6V6KGJDA6g","content":"{content}"}}"#
        )
    };
    let product = r#"{"role":"user","content":"What's 123 * 456?"}"#;
    let multiplied = calls(&[call("calculator", r#"{"expression":"123 * 456"}"#)]);
    let sum = r#"{"role":"user","content":"What is 2 + 2?"}"#;
    let added = calls(&[call("calculator", r#"{"expression":"2+2"}"#)]);
    let asked = r#"{"role":"system","content":"You're a helpful assistant."},
        {"role":"user","content":"What's the weather in Seattle and San Francisco today?"}"#;
    let both = calls(&[
        call("get_current_weather", r#"{"location": "Seattle, WA"}"#),
        call(
            "get_current_weather",
            r#"{"location": "San Francisco, CA"}"#,
        ),
    ]);
    let (rain, sun) = (
        result("50 degrees and raining"),
        result("70 degrees and sunny"),
    );
    let looked_up = calls(&[call(
        "get_current_weather",
        r#"{"location": "San Francisco"}"#,
    )]);
    let told = result("The weather in San Francisco is 70 degrees and sunny.");
    for (model, members, expected) in [
        ("gpt-4.1-nano", calculator(product), 53),
        ("gpt-4.1-nano", calculator(&format!("{product},{multiplied},{}", result("56088"))), 79),
        ("gpt-4.1-nano", calculator(sum), 54),
        ("gpt-4.1-nano", calculator(&format!("{sum},{added},{}", result("4"))), 78),
        ("gpt-4o-mini", format!(r#""messages":[{asked},{both},{rain},{sun}]"#), 99),
        ("gpt-3.5-turbo", format!(r#""messages":[{looked_up},{told}]"#), 40),
        (
            "gpt-4.1-nano",
            r#""messages":[{"role":"user","content":"Generate a person named Alice who is 25 years old"}],
            "response_format":{"type":"json_schema","json_schema":{"name":"response","schema":{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"}},"required":["name","age"],"additionalProperties":false},"strict":true}}"#
                .to_owned(),
            53,
        ),
    ] {
        assert_eq!(count(model, &members), expected, "{model} {members}");
    }
}

#[test]
fn gpt_5_and_its_nano_report_one_token_less() {
    let hello = r#""messages":[{"role":"user","content":"hello"}]"#;
    for (model, expected) in [
        ("gpt-5", 7),
        ("gpt-5-2025-08-07", 7),
        ("gpt-5-nano", 7),
        ("gpt-5-mini", 8),
        ("gpt-5.4", 8),
        ("gpt-6-luna", 8),
        ("", 8),
    ] {
        assert_eq!(count(model, hello), expected, "{model}");
    }
}

#[test]
fn a_list_of_parts_counts_as_its_texts() {
    let whole = count(
        "gpt-4o",
        r#""messages":[{"role":"user","content":"hello world"}]"#,
    );
    for content in [
        r#"[{"type":"text","text":"hello"},{"type":"text","text":" world"}]"#,
        r#"[{"type":"text","text":"hello world"},{"type":"file","file":{"file_id":"f"}},{"type":"new","x":[1]}]"#,
        r#"["hello world", null, 7]"#,
        r#""hello \u0077orld""#,
    ] {
        let messages = format!(r#""messages":[{{"role":"user","content":{content}}}]"#);
        assert_eq!(count("gpt-4o", &messages), whole, "{content}");
    }
}

#[test]
fn images_and_audio_are_counted_by_the_models_rule() {
    // A GIF of 512 × 512 pixels; a WAV with 298 bytes of sound at 1,000 bytes a second.
    let gif =
        r#"{"type":"image_url","image_url":{"url":"data:image/gif;base64,R0lGODlhAAIAAg=="}}"#;
    let remote =
        r#"{"type":"image_url","image_url":{"url":"https://example.com/x.png","detail":"high"}}"#;
    let bare = r#"{"type":"image_url","image_url":"https://example.com/x.png"}"#;
    let wav = format!(
        r#"{{"type":"input_audio","input_audio":{{"format":"wav","data":"UklGRgAAAABXQVZFZm10IBAAAAABAAEAAAAAAOgDAAAA{}"}}}}"#,
        "A".repeat(412)
    );
    let mp3 = r#"{"type":"input_audio","input_audio":{"format":"mp3","data":"SUQzBAAAAAA="}}"#;
    for (model, part, expected) in [
        ("gpt-4o", gif, 255),
        ("gpt-4o", remote, 765),
        ("gpt-4o", bare, 765),
        ("gpt-4o-mini", remote, 25_501),
        ("gpt-5.4", remote, 1_024),
        ("gpt-7-unknown", remote, 765),
        ("gpt-audio", &wav, 3),
        ("gpt-audio", mp3, 0),
    ] {
        let of = |part: &str| {
            count(
                model,
                &format!(r#""messages":[{{"role":"user","content":[{part}]}}]"#),
            )
        };
        assert_eq!(of(part) - of(""), expected, "{model} {part}");
    }
    let assumed = count_image(&images::ASSUMED_RULE, images::ASSUMED_SIZE, Detail::Auto);
    assert_eq!(
        (assumed, images::ASSUMED_SIZE),
        (
            765,
            Size {
                width: 1_024,
                height: 1_024
            }
        )
    );
}

#[test]
fn admission_counts_characters_of_roles_and_texts_and_a_flat_sum_for_images() {
    for (messages, characters, image_tokens) in [
        (r#"[{"role":"user","content":"Tell me a joke"}]"#, 18, 0),
        (
            r#"[{"role":"user","content":"naïve 😀"},{"role":"system","content":""}]"#,
            17,
            0,
        ),
        (
            r#"[{"role":"user","name":"bob","content":null,"tool_calls":[{"function":{"name":"x"}}]}]"#,
            4,
            0,
        ),
        (
            r#"[{"role":"user","content":[{"type":"text","text":"what"},{"type":"image_url","image_url":{"url":"a"}},
                {"type":"image_url","image_url":{"url":"b","detail":"low"}}]}]"#,
            8,
            1_530,
        ),
        ("[]", 0, 0),
    ] {
        let json =
            format!(r#"{{"messages":{messages},"tools":[{{"function":{{"name":"uncounted"}}}}]}}"#);
        let request = ChatRequest::parse(&json).unwrap();
        assert_eq!(count_characters(&request), characters, "{messages}");
        assert_eq!(count_images(&request), image_tokens, "{messages}");
    }
}

#[test]
fn a_request_of_any_shape_is_counted() {
    const NOTHING: usize = 3;
    for members in [
        r#""messages":null"#,
        r#""messages":"hello""#,
        r#""messages":[],"tools":{},"functions":7,"n":"2","max_tokens":[],"tool_choice":3,"response_format":"json""#,
        r#""messages":[],"tools":[null,1,{"type":"function"}],"functions":null,"response_format":{"json_schema":[]}"#,
    ] {
        assert_eq!(count("gpt-4o", members), NOTHING, "{members}");
    }
    for message in [
        "null",
        "7",
        "[]",
        r#"{"role":1,"content":{"a":[1,{}]},"name":[],"tool_calls":"x","function_call":null}"#,
        r#"{"content":[[],{},{"text":7},{"image_url":true},{"input_audio":{"data":null}}],"tool_calls":[1,{"function":3}]}"#,
    ] {
        let members = format!(r#""messages":[{message}]"#);
        assert_eq!(count("gpt-4o", &members), NOTHING + 3, "{message}");
    }
}

#[test]
fn broken_json_and_endless_nesting_are_errors() {
    let deep = format!(
        r#"{{"functions":[{{"parameters":{}"#,
        r#"{"items":"#.repeat(100_000)
    );
    for json in ["", "{", r#"{"messages":[}"#, "{} x", &deep] {
        assert!(ChatRequest::parse(json).is_err());
    }
    let ignored = format!(r#"{{"unknown":{}{}}}"#, "[".repeat(100), "]".repeat(100));
    assert!(ChatRequest::parse(&ignored).is_ok());
}

#[test]
fn a_request_tells_its_limits() {
    let request = ChatRequest::parse(r#"{"model":"gpt-4o","n":3,"max_tokens":7}"#).unwrap();
    assert_eq!(
        (
            request.model(),
            request.choices(),
            request.max_output_tokens()
        ),
        ("gpt-4o", 3, Some(7))
    );
    let request = ChatRequest::parse("{}").unwrap();
    assert_eq!(
        (
            request.model(),
            request.choices(),
            request.max_output_tokens()
        ),
        ("", 1, None)
    );
    assert_eq!(count_chat(&request, Encoding::O200kBase), 3);
}
