//! Requests with functions, against totals billed by OpenAI.
//!
//! The inputs and totals are the measured test vectors of openai-chat-tokens (gpt-3.5-turbo; MIT), and those gpt-tokenizer
//! 4.0.0 has for o200k_base.

use super::{ChatRequest, count_chat};
use crate::models::Encoding;

const HELLO: &str = r#"{"role":"user","content":"hello"}"#;
const HI: &str = r#"{"role":"user","content":"Hi there"}"#;
const WORLD: &str = r#"{"role":"user","content":"hello world"}"#;
const SYSTEM: &str = r#"{"role":"system","content":"Hello:"},{"role":"system","content":"Hello"}"#;
const FOO: &str = r#"{"name":"foo","parameters":{"type":"object","properties":{}}}"#;
const STUFF: &str = r#"{"name":"do_stuff","parameters":{"type":"object","properties":{}}}"#;
const OTHER: &str = r#"{"name":"do_other_stuff","parameters":{"type":"object","properties":{}}}"#;

fn bing_bong(properties: &str) -> String {
    format!(
        r#"{{"name":"bing_bong","description":"Do a bing bong",
            "parameters":{{"type":"object","properties":{{{properties}}}}}}}"#
    )
}

fn count(messages: &str, functions: &str, rest: &str, encoding: Encoding) -> usize {
    let functions = match functions {
        "" => String::new(),
        functions => format!(r#","functions":[{functions}]"#),
    };
    let json = format!(r#"{{"messages":[{messages}]{functions}{rest}}}"#);
    count_chat(&ChatRequest::parse(&json).unwrap(), encoding)
}

#[test]
fn functions_cost_what_openai_billed() {
    let do_foo = FOO.replace(r#""parameters"#, r#""description":"Do a foo","parameters"#);
    let one = bing_bong(r#""foo":{"type":"string"}"#);
    let two =
        bing_bong(r#""foo":{"type":"string"},"bar":{"type":"number","description":"A number"}"#);
    let nested = bing_bong(
        r#""foo":{"type":"object","properties":{
            "bar":{"type":"string","enum":["a","b","c"]},"baz":{"type":"boolean"}}}"#,
    );
    let recipe = r#"{"name":"get_recipe","parameters":{"type":"object",
        "required":["ingredients","instructions","time_to_cook"],"properties":{
        "ingredients":{"type":"array","items":{"type":"object","required":["name","unit","amount"],"properties":{
            "name":{"type":"string"},
            "unit":{"enum":["grams","ml","cups","pieces","teaspoons"],"type":"string"},
            "amount":{"type":"number"}}}},
        "instructions":{"type":"array","items":{"type":"string"},
            "description":"Steps to prepare the recipe (no numbering)"},
        "time_to_cook":{"type":"number","description":"Total time to prepare the recipe in minutes"}}}}"#;
    let inner_description = r#"{"name":"function","description":"description","parameters":{"type":"object",
        "properties":{"quality":{"type":"object","properties":{"pros":{"type":"array","items":{"type":"string"},
        "description":"Write 3 points why this text is well written"}}}}}}"#;
    let stuff_twice = format!("{STUFF},{OTHER}");
    let system = format!("{SYSTEM},{HI}");
    let one_system = format!(r#"{{"role":"system","content":"Hello"}},{HI}"#);
    let choose = |name: &str| format!(r#","function_call":{name}"#);
    for (messages, functions, rest, cl100k, o200k) in [
        (HELLO, FOO, "", Some(31), 31),
        (HELLO, FOO, choose(r#""none""#).as_str(), None, 32),
        (HELLO, FOO, &choose(r#""auto""#), None, 31),
        (HELLO, FOO, &choose(r#"{"name":"foo"}"#), None, 36),
        (HELLO, &do_foo, "", Some(36), 35),
        (HELLO, &one, "", Some(49), 45),
        (HELLO, &two, "", Some(57), 52),
        (HELLO, &nested, "", Some(68), 64),
        (HELLO, recipe, "", Some(106), 105),
        (HELLO, inner_description, "", None, 45),
        (&one_system, STUFF, "", Some(35), 36),
        (&system, STUFF, "", Some(40), 41),
        (&system, &stuff_twice, "", None, 51),
        (
            &system,
            &stuff_twice,
            &choose(r#"{"name":"do_stuff"}"#),
            None,
            58,
        ),
    ] {
        let request = format!("{messages} {functions} {rest}");
        assert_eq!(
            count(messages, functions, rest, Encoding::O200kBase),
            o200k,
            "{request}"
        );
        if let Some(cl100k) = cl100k {
            assert_eq!(
                count(messages, functions, rest, Encoding::Cl100kBase),
                cl100k,
                "{request}"
            );
        }
    }
}

#[test]
fn calls_and_their_results_cost_what_openai_billed() {
    let result = |content: &str| {
        format!(r#"{WORLD},{{"role":"function","name":"do_stuff","content":"{content}"}}"#)
    };
    let call = |arguments: &str| {
        format!(
            r#"{{"role":"assistant","content":"","function_call":{{"name":"do_stuff","arguments":"{arguments}"}}}}"#
        )
    };
    for (messages, cl100k, o200k) in [
        (result("{}"), 15, 16),
        (result(r#"{\"foo\": \"bar\", \"baz\": 1.5}"#), 28, 29),
        (call(r#"{\"foo\": \"bar\", \"baz\": 1.5}"#), 26, 27),
        (call(r#"{\"foo\":\"bar\", \"baz\":\n\n 1.5}"#), 25, 26),
    ] {
        assert_eq!(
            count(&messages, "", "", Encoding::Cl100kBase),
            cl100k,
            "{messages}"
        );
        assert_eq!(
            count(&messages, "", "", Encoding::O200kBase),
            o200k,
            "{messages}"
        );
    }
}

#[test]
fn tools_cost_the_same_as_functions() {
    for (choice, of_tools) in [
        ("", ""),
        (r#","function_call":"none""#, r#","tool_choice":"none""#),
        (
            r#","function_call":{"name":"foo"}"#,
            r#","tool_choice":{"type":"function","function":{"name":"foo"}}"#,
        ),
    ] {
        let tools = format!(r#","tools":[{{"type":"function","function":{FOO}}}]{of_tools}"#);
        assert_eq!(
            count(HELLO, "", &tools, Encoding::O200kBase),
            count(HELLO, FOO, choice, Encoding::O200kBase),
        );
    }
}

#[test]
fn schemas_are_shown_as_typescript() {
    let function = r#"{"name":"f","description":"Does it","parameters":{"type":"object","required":["b"],"properties":{
        "b":{"type":["string","null"],"description":"First"},
        "a":{"type":"integer","enum":[1,2.5]},
        "c":{"anyOf":[{"type":"boolean"},{"$ref":"x"}]},
        "d":{"enum":["x",null]},
        "e":{"type":"array"},
        "g":{"type":"object","description":"","properties":{"h":{"type":"number","description":"Unseen"}}}
    }}}"#;
    let function = super::lenient::parse(function).unwrap();
    assert_eq!(
        super::tools::render(std::iter::once(&function)),
        "namespace functions {\n\n\
         // Does it\n\
         type f = (_: {\n\
         // First\n\
         b: string | null,\n\
         a?: 1 | 2.5,\n\
         c?: boolean | any,\n\
         d?: \"x\" | null,\n\
         e?: any[],\n\
         g?: {\n  h?: number,\n},\n\
         }) => any;\n\n\
         } // namespace functions"
    );
}
