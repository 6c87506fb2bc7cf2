//! Requests to the Responses API, read as the chats that they are to the model.
//!
//! The instructions are a system message, each item of the input is a message, a call or the answer to one, and tools lie flat. What is
//! elsewhere (an earlier response, a conversation, a stored prompt, files) is not in the request and cannot be counted.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{MapAccess, SeqAccess};

use super::chat::{ChatRequest, ResponseFormat};
use super::lenient::{self, Lenient};
use super::message::{Content, Message};
use super::tools::{Call, Choice, Function, Tool, ToolCall};

/// Reads a request body as a chat. Fails only if it is not JSON.
pub(super) fn parse_as_chat(json: &str) -> Result<ChatRequest<'_>, serde_json::Error> {
    lenient::parse(json).map(Request::into_chat)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Request<'a> {
    #[serde(borrow, deserialize_with = "lenient::any")]
    model: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "lenient::any")]
    instructions: Content<'a>,
    #[serde(borrow, deserialize_with = "lenient::any")]
    input: Input<'a>,
    #[serde(borrow, deserialize_with = "lenient::any")]
    tools: Vec<FlatTool<'a>>,
    #[serde(borrow, deserialize_with = "lenient::any")]
    tool_choice: Choice<'a>,
    #[serde(borrow, deserialize_with = "lenient::any")]
    text: Text<'a>,
    #[serde(deserialize_with = "lenient::any")]
    max_output_tokens: Option<u64>,
}

impl<'a> Lenient<'a> for Request<'a> {
    fn from_object<A: MapAccess<'a>>(object: A) -> Result<Self, A::Error> {
        lenient::members(object)
    }
}

impl<'a> Request<'a> {
    fn into_chat(self) -> ChatRequest<'a> {
        let instructions = (!self.instructions.0.is_empty()).then(|| Message {
            role: Some("system".into()),
            content: self.instructions,
            ..Message::default()
        });
        let tools = self.tools.into_iter().filter_map(FlatTool::into_tool);
        ChatRequest {
            model: self.model,
            messages: instructions.into_iter().chain(self.input.0).collect(),
            tools: tools.collect(),
            tool_choice: self.tool_choice,
            response_format: self.text.format,
            max_completion_tokens: self.max_output_tokens,
            ..ChatRequest::default()
        }
    }
}

/// `input`: a text, which the user says, or items.
#[derive(Default)]
struct Input<'a>(Vec<Message<'a>>);

impl<'a> Lenient<'a> for Input<'a> {
    fn from_text(text: Cow<'a, str>) -> Self {
        Self(vec![Message {
            role: Some("user".into()),
            content: Content::from_text(text),
            ..Message::default()
        }])
    }

    fn from_list<A: SeqAccess<'a>>(list: A) -> Result<Self, A::Error> {
        let items = <Vec<Item<'a>>>::from_list(list)?;
        Ok(Self(items.into_iter().map(|item| item.0).collect()))
    }
}

/// An item of the input; its kind follows from the members that are there.
#[derive(Default)]
struct Item<'a>(Message<'a>);

impl<'a> Lenient<'a> for Item<'a> {
    fn from_object<A: MapAccess<'a>>(object: A) -> Result<Self, A::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Raw<'a> {
            #[serde(borrow, deserialize_with = "lenient::any")]
            role: Option<Cow<'a, str>>,
            #[serde(borrow, deserialize_with = "lenient::any")]
            content: Content<'a>,
            /// Of a call that the model made.
            #[serde(borrow, deserialize_with = "lenient::any")]
            name: Option<Cow<'a, str>>,
            #[serde(borrow, deserialize_with = "lenient::any")]
            arguments: Option<Cow<'a, str>>,
            #[serde(borrow, deserialize_with = "lenient::any")]
            input: Option<Cow<'a, str>>,
            /// Of the answer to a call.
            #[serde(borrow, deserialize_with = "lenient::any")]
            output: Content<'a>,
        }
        let raw: Raw<'a> = lenient::members(object)?;
        // Of a call that OpenAI makes itself the output stands with it.
        let said = match raw.output.0.is_empty() {
            true => raw.content,
            false => raw.output,
        };
        if raw.name.is_some() {
            let call = Call {
                name: raw.name,
                arguments: raw.arguments,
                input: raw.input,
            };
            return Ok(Self(Message {
                role: Some("assistant".into()),
                tool_calls: vec![ToolCall {
                    function: Some(Box::new(call)),
                    custom: None,
                }],
                content: said,
                ..Message::default()
            }));
        }
        Ok(Self(Message {
            // Without one it is the answer to a call.
            role: raw
                .role
                .or_else(|| (!said.0.is_empty()).then(|| "tool".into())),
            content: said,
            ..Message::default()
        }))
    }
}

/// An entry of `tools`. OpenAI's own tools have no name, and what they put into the prompt is not known.
#[derive(Default)]
struct FlatTool<'a>(Function<'a>);

impl<'a> Lenient<'a> for FlatTool<'a> {
    fn from_object<A: MapAccess<'a>>(object: A) -> Result<Self, A::Error> {
        Function::from_object(object).map(Self)
    }
}

impl<'a> FlatTool<'a> {
    fn into_tool(self) -> Option<Tool<'a>> {
        self.0.name.is_some().then(|| Tool {
            function: Some(Box::new(self.0)),
            custom: None,
        })
    }
}

/// `text`, whose `format` is what `response_format.json_schema` is to a chat.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Text<'a> {
    #[serde(borrow, deserialize_with = "format")]
    format: ResponseFormat<'a>,
}

impl<'a> Lenient<'a> for Text<'a> {
    fn from_object<A: MapAccess<'a>>(object: A) -> Result<Self, A::Error> {
        lenient::members(object)
    }
}

fn format<'de: 'a, 'a, D: serde::Deserializer<'de>>(
    value: D,
) -> Result<ResponseFormat<'a>, D::Error> {
    Ok(ResponseFormat {
        json_schema: lenient::any(value)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::Encoding;
    use crate::tokens::chat::{count_characters, count_chat, count_images};

    /// What a response and the chat of the same meaning count.
    fn both(response: &str, chat: &str) -> [(usize, u64, usize); 2] {
        [
            parse_as_chat(response).unwrap(),
            ChatRequest::parse(chat).unwrap(),
        ]
        .map(|request| {
            let tokens = count_chat(&request, Encoding::O200kBase);
            (tokens, count_characters(&request), count_images(&request))
        })
    }

    #[test]
    fn a_response_counts_as_the_chat_of_the_same_meaning() {
        for (response, chat) in [
            (
                r#"{"model":"gpt-4o","input":"Tell me a joke"}"#,
                r#"{"model":"gpt-4o","messages":[{"role":"user","content":"Tell me a joke"}]}"#,
            ),
            (
                r#"{"model":"gpt-4o","instructions":"Be brief.","input":[{"role":"user","content":[
                    {"type":"input_text","text":"What is this?"},
                    {"type":"input_image","detail":"low","image_url":"https://example.com/a.png"}]}]}"#,
                r#"{"model":"gpt-4o","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":[
                    {"type":"text","text":"What is this?"},
                    {"type":"image_url","image_url":{"detail":"low","url":"https://example.com/a.png"}}]}]}"#,
            ),
            (
                r#"{"model":"gpt-4o","input":[{"role":"user","content":"Weather in Rome?"},
                    {"type":"function_call","call_id":"c1","name":"weather","arguments":"{\"city\":\"Rome\"}"},
                    {"type":"function_call_output","call_id":"c1","output":"Sunny, 25 degrees"}],
                    "tools":[{"type":"web_search"},{"type":"function","name":"weather","description":"The weather",
                    "parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}]}"#,
                r#"{"model":"gpt-4o","messages":[{"role":"user","content":"Weather in Rome?"},
                    {"role":"assistant","tool_calls":[{"id":"c1","type":"function","function":{"name":"weather",
                    "arguments":"{\"city\":\"Rome\"}"}}]},
                    {"role":"tool","tool_call_id":"c1","content":"Sunny, 25 degrees"}],
                    "tools":[{"type":"function","function":{"name":"weather","description":"The weather",
                    "parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}}]}"#,
            ),
            (
                r#"{"model":"gpt-4o","input":"Hi","text":{"format":{"type":"json_schema","name":"a",
                    "schema":{"type":"object","properties":{}}}}}"#,
                r#"{"model":"gpt-4o","messages":[{"role":"user","content":"Hi"}],"response_format":{"type":"json_schema",
                    "json_schema":{"name":"a","schema":{"type":"object","properties":{}}}}}"#,
            ),
        ] {
            let [of_response, of_chat] = both(response, chat);
            assert_eq!(of_response, of_chat, "{response}");
        }
    }

    #[test]
    fn the_output_of_a_call_counts_also_where_openai_made_it() {
        let request = |output: &str| {
            format!(
                r#"{{"model":"gpt-4o","input":[{{"type":"mcp_call","name":"search","arguments":"{{}}","output":"{output}"}}]}}"#
            )
        };
        let [long, short] = [request(&"word ".repeat(1_000)), request("word")].map(|json| {
            let request = parse_as_chat(&json).unwrap();
            count_chat(&request, Encoding::O200kBase)
        });
        assert!((990..1_010).contains(&(long - short)), "{long} {short}");
    }

    #[test]
    fn what_is_elsewhere_or_of_another_shape_counts_as_nothing() {
        for input in [
            r#"{"previous_response_id":"resp_1"}"#,
            r#"{"input":null,"instructions":7,"tools":{},"text":"x"}"#,
            r#"{"input":[null,3,"x"],"prompt":{"id":"pmpt_1"}}"#,
        ] {
            let request = parse_as_chat(input).unwrap();
            assert!(count_chat(&request, Encoding::O200kBase) < 20, "{input}");
        }
        assert!(parse_as_chat("{").is_err());
    }
}
