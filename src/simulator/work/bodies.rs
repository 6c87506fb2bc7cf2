//! What the simulator reads of a request's body: one borrowed pass that counts characters and keeps no text that the
//! reply does not need.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A chat completion request.
#[derive(Debug, Deserialize)]
pub(in crate::simulator) struct ChatBody<'a> {
    #[serde(borrow)]
    pub(in crate::simulator) model: Option<Cow<'a, str>>,
    /// Characters and images of all messages together; `None` if there are no messages.
    pub(in crate::simulator) messages: Option<Messages>,
    pub(in crate::simulator) n: Option<u64>,
    pub(in crate::simulator) max_tokens: Option<u64>,
    pub(in crate::simulator) max_completion_tokens: Option<u64>,
    pub(in crate::simulator) stream: Option<bool>,
    pub(in crate::simulator) stream_options: Option<StreamOptions>,
}

/// A legacy completion request.
#[derive(Debug, Deserialize)]
pub(in crate::simulator) struct CompletionBody<'a> {
    #[serde(borrow)]
    pub(in crate::simulator) model: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(in crate::simulator) prompt: Option<Inputs<'a>>,
    pub(in crate::simulator) n: Option<u64>,
    pub(in crate::simulator) best_of: Option<u64>,
    pub(in crate::simulator) max_tokens: Option<u64>,
    pub(in crate::simulator) stream: Option<bool>,
    pub(in crate::simulator) stream_options: Option<StreamOptions>,
}

/// An embeddings request.
#[derive(Debug, Deserialize)]
pub(in crate::simulator) struct EmbeddingsBody<'a> {
    #[serde(borrow)]
    pub(in crate::simulator) model: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(in crate::simulator) input: Option<Inputs<'a>>,
    pub(in crate::simulator) dimensions: Option<u64>,
    #[serde(borrow)]
    pub(in crate::simulator) encoding_format: Option<Cow<'a, str>>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub(in crate::simulator) struct StreamOptions {
    pub(in crate::simulator) include_usage: Option<bool>,
    pub(in crate::simulator) include_obfuscation: Option<bool>,
}

/// The messages of a chat, reduced to what is charged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::simulator) struct Messages {
    pub(in crate::simulator) count: u64,
    /// Characters of all roles and contents.
    pub(in crate::simulator) characters: u64,
    /// Image parts.
    pub(in crate::simulator) images: u64,
}

/// The inputs of an embeddings request, or the prompts of a completion.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::simulator) struct Inputs<'a>(pub(in crate::simulator) Vec<Input<'a>>);

/// One text to embed or to complete, as text or as tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::simulator) enum Input<'a> {
    Text(Cow<'a, str>),
    Tokens(Vec<u32>),
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    role: Weight,
    #[serde(default)]
    content: Weight,
}

/// Characters and images of a text, a list of content parts, or `null`.
#[derive(Default)]
struct Weight {
    characters: u64,
    images: u64,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(default)]
    text: Weight,
}

impl<'de> Deserialize<'de> for Messages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Sum;
        impl<'de> Visitor<'de> for Sum {
            type Value = Messages;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list of messages")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Messages, A::Error> {
                let mut sum = Messages::default();
                while let Some(message) = list.next_element::<Message>()? {
                    sum.count += 1;
                    sum.characters += message.role.characters + message.content.characters;
                    sum.images += message.content.images;
                }
                Ok(sum)
            }
        }
        deserializer.deserialize_seq(Sum)
    }
}

impl<'de> Deserialize<'de> for Weight {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Weigh;
        impl<'de> Visitor<'de> for Weigh {
            type Value = Weight;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string, a list of content parts or null")
            }

            fn visit_str<E>(self, text: &str) -> Result<Weight, E> {
                Ok(Weight {
                    characters: text.chars().count() as u64,
                    images: 0,
                })
            }

            fn visit_unit<E>(self) -> Result<Weight, E> {
                Ok(Weight::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Weight, A::Error> {
                let mut sum = Weight::default();
                while let Some(part) = list.next_element::<Part<'de>>()? {
                    sum.characters += part.text.characters;
                    sum.images += u64::from(part.kind.as_deref() == Some("image_url"));
                }
                Ok(sum)
            }

            /// Tolerated and not counted: `text: {}` is no form of OpenAI's.
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Weight, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Weight::default())
            }
        }
        deserializer.deserialize_any(Weigh)
    }
}

/// An element of an input list: a text, a token, or a list of tokens.
#[derive(Debug)]
enum Element<'a> {
    Input(Input<'a>),
    Token(u32),
}

impl<'de: 'a, 'a> Deserialize<'de> for Element<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct One;
        impl<'de> Visitor<'de> for One {
            type Value = Element<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string, a token or a list of tokens")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Element<'de>, E> {
                Ok(Element::Input(Input::Text(Cow::Borrowed(text))))
            }

            fn visit_str<E>(self, text: &str) -> Result<Element<'de>, E> {
                Ok(Element::Input(Input::Text(Cow::Owned(text.to_owned()))))
            }

            fn visit_u64<E: serde::de::Error>(self, token: u64) -> Result<Element<'de>, E> {
                u32::try_from(token)
                    .map(Element::Token)
                    .map_err(|_| E::custom("a token is a 32-bit number"))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Element<'de>, A::Error> {
                let mut tokens = Vec::new();
                while let Some(token) = list.next_element::<u32>()? {
                    tokens.push(token);
                }
                Ok(Element::Input(Input::Tokens(tokens)))
            }
        }
        deserializer.deserialize_any(One)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Inputs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Inputs<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string or a list of strings, tokens or lists of tokens")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Inputs<'de>, E> {
                Ok(Inputs(vec![Input::Text(Cow::Borrowed(text))]))
            }

            fn visit_str<E>(self, text: &str) -> Result<Inputs<'de>, E> {
                Ok(Inputs(vec![Input::Text(Cow::Owned(text.to_owned()))]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Inputs<'de>, A::Error> {
                let mut inputs = Vec::new();
                // A list of bare tokens is one input.
                let mut tokens = Vec::new();
                while let Some(element) = list.next_element::<Element<'de>>()? {
                    match element {
                        Element::Input(input) => inputs.push(input),
                        Element::Token(token) => tokens.push(token),
                    }
                }
                match (inputs.is_empty(), tokens.is_empty()) {
                    (_, true) => Ok(Inputs(inputs)),
                    (true, false) => Ok(Inputs(vec![Input::Tokens(tokens)])),
                    (false, false) => Err(serde::de::Error::custom(
                        "tokens and other inputs cannot be mixed",
                    )),
                }
            }
        }
        deserializer.deserialize_any(All)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_and_images_of_all_messages_are_summed() {
        for (messages, count, characters, images) in [
            ("[]", 0, 0, 0),
            (r#"[{"role":"user","content":"hello"}]"#, 1, 9, 0),
            (
                r#"[{"role":"user","content":"gr\u00fc\u00df"},{"role":"assistant","content":null}]"#,
                2,
                17,
                0,
            ),
            (
                r#"[{"role":"user","content":[{"type":"text","text":"hi"},{"type":"image_url","image_url":{"url":"x"}}]}]"#,
                1,
                6,
                1,
            ),
            (
                r#"[{"role":"assistant","tool_calls":[{"id":"a"}]}]"#,
                1,
                9,
                0,
            ),
            (
                r#"[{"role":"user","content":{"odd":true},"name":"x"}]"#,
                1,
                4,
                0,
            ),
        ] {
            let json = format!(r#"{{"messages":{messages},"tools":[{{"a":1}}]}}"#);
            let body: ChatBody<'_> = serde_json::from_str(&json).unwrap();
            let expected = Messages {
                count,
                characters,
                images,
            };
            assert_eq!(body.messages, Some(expected), "{messages}");
        }
    }

    #[test]
    fn inputs_come_as_texts_or_tokens_alone_or_in_lists() {
        let text = |text| Input::Text(Cow::Borrowed(text));
        for (json, inputs) in [
            (r#""a""#, vec![text("a")]),
            (r#""a\nb""#, vec![text("a\nb")]),
            (r#"["a","b\t"]"#, vec![text("a"), text("b\t")]),
            ("[1,2]", vec![Input::Tokens(vec![1, 2])]),
            (
                "[[1],[2,3]]",
                vec![Input::Tokens(vec![1]), Input::Tokens(vec![2, 3])],
            ),
            ("[]", vec![]),
        ] {
            let parsed: Inputs<'_> = serde_json::from_str(json).unwrap();
            assert_eq!(parsed.0, inputs, "{json}");
        }
        for json in ["1", r#"["a",1]"#, "[-1]", "[5000000000]", "{}", "[null]"] {
            assert!(serde_json::from_str::<Inputs<'_>>(json).is_err(), "{json}");
        }
    }
}
