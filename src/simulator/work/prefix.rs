//! The prompt of a chat as the prompt cache compares it: a chain of hashes, in the order in which the model reads it.
//!
//! Tools and schemas come before the messages, as OpenAI documents: who changes a tool changes the beginning. Names and
//! texts are hashed as they are meant, so that white space and escapes of the JSON make no difference.
//!
//! # Places instead of tokens
//!
//! Where tokens begin only the tokenizer knows, and to ask it again would double the price of a reply. So the chain has a
//! hash after every 256 bytes (some 64 tokens of most languages), and one at the end of the prompt. Equal beginnings have
//! equal hashes at equal places, whatever follows. How many tokens the known part has is its share of the bytes, of the
//! true number of tokens: exact for a prompt known to its end, and elsewhere as even as the text is.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::simulator::randomness::{NOTHING, continued, fingerprint};

/// Distance of two places, in bytes: half a step of the cache, so that rounding down to it loses little.
const PLACE_BYTES: u64 = 256;

/// Behind every value, so that neighbours do not run together. No byte of UTF-8 looks like these.
const END: [u8; 1] = [0xff];
const END_OF_LIST: [u8; 1] = [0xfe];

/// The chain of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::simulator) struct Prefix {
    hashes: Vec<u64>,
    bytes: u64,
}

impl Prefix {
    /// Reads the body of a chat. `None` where OpenAI would not read a prompt either.
    pub(super) fn of(json: &str) -> Option<Prefix> {
        let request: Request<'_> = serde_json::from_str(json).ok()?;
        let mut chain = Chain::new(&request);
        for part in [
            request.tools,
            request.functions,
            request.response_format,
            request.messages,
        ] {
            // A part that is missing ends as well: no text may wander from one part to the next.
            if let Some(part) = part {
                Absorb::text(&mut chain)
                    .deserialize(&mut serde_json::Deserializer::from_str(part.get()))
                    .ok()?;
            }
            chain.absorb(&END);
        }
        Some(chain.end())
    }

    /// The hashes, for [`PromptCache::visit`](crate::simulator::PromptCache::visit).
    pub(in crate::simulator) fn hashes(&self) -> &[u64] {
        &self.hashes
    }

    /// The tokens before the place of the last of `known` hashes, if the whole prompt has `prompt_tokens`.
    pub(in crate::simulator) fn tokens(&self, known: usize, prompt_tokens: u64) -> u64 {
        if known == self.hashes.len() {
            return prompt_tokens;
        }
        let share = (known as u64 * PLACE_BYTES) as f64 / self.bytes as f64;
        (share * prompt_tokens as f64) as u64
    }
}

/// What of a request the model reads, and whose cache it may use.
#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    prompt_cache_key: Option<Cow<'a, str>>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(borrow)]
    functions: Option<&'a RawValue>,
    #[serde(borrow)]
    response_format: Option<&'a RawValue>,
    #[serde(borrow)]
    messages: Option<&'a RawValue>,
}

/// A chain that grows.
struct Chain {
    state: u64,
    hashes: Vec<u64>,
    bytes: u64,
}

impl Chain {
    /// A chain of this model and key. OpenAI combines the key with the prompt's first tokens to choose a machine; what
    /// other machines know is of no use.
    fn new(request: &Request<'_>) -> Chain {
        let key = request.prompt_cache_key.as_deref().unwrap_or_default();
        let state = [request.model.as_bytes(), &END, key.as_bytes(), &END]
            .into_iter()
            .fold(NOTHING, continued);
        Chain {
            state,
            hashes: Vec::new(),
            bytes: 0,
        }
    }

    fn absorb(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let to_place = (PLACE_BYTES - self.bytes % PLACE_BYTES) as usize;
            let (now, later) = bytes.split_at(to_place.min(bytes.len()));
            self.state = continued(self.state, now);
            self.bytes += now.len() as u64;
            if self.bytes.is_multiple_of(PLACE_BYTES) {
                self.hashes.push(self.state);
            }
            bytes = later;
        }
    }

    fn end(mut self) -> Prefix {
        if !self.bytes.is_multiple_of(PLACE_BYTES) {
            self.hashes.push(self.state);
        }
        Prefix {
            hashes: self.hashes,
            bytes: self.bytes,
        }
    }
}

/// Hashes one JSON value.
struct Absorb<'c> {
    chain: &'c mut Chain,
    /// Whether a string here is the data of a picture, a sound or a file.
    media: bool,
}

impl<'c> Absorb<'c> {
    fn text(chain: &'c mut Chain) -> Absorb<'c> {
        Absorb {
            chain,
            media: false,
        }
    }

    fn value(self, bytes: &[u8]) {
        self.chain.absorb(bytes);
        self.chain.absorb(&END);
    }
}

impl<'de> DeserializeSeed<'de> for Absorb<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Absorb<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        // A megabyte of picture is some hundred tokens: as its hash it is one too, and weighs little beside the text.
        if self.media {
            self.value(&fingerprint(text.as_bytes()).to_le_bytes());
        } else {
            self.value(text.as_bytes());
        }
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.value(&[u8::from(value)]);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.value(&value.to_le_bytes());
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.value(&value.to_le_bytes());
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.value(&value.to_le_bytes());
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.value(&[]);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Absorb::text(self.chain))?.is_some() {}
        self.chain.absorb(&END_OF_LIST);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            Absorb::text(self.chain).value(name.as_bytes());
            map.next_value_seed(Absorb {
                media: matches!(&*name, "url" | "data" | "file_data"),
                chain: self.chain,
            })?;
        }
        self.chain.absorb(&END_OF_LIST);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn prefix(request: &Value) -> Prefix {
        Prefix::of(&request.to_string()).unwrap()
    }

    /// How many hashes from the start two prompts have in common.
    fn shared(left: &Value, right: &Value) -> usize {
        let (left, right) = (prefix(left), prefix(right));
        let pairs = left.hashes.iter().zip(&right.hashes);
        pairs.take_while(|(left, right)| left == right).count()
    }

    fn chat(system: &str, user: &str) -> Value {
        json!({"model": "gpt-4o", "messages": [
            {"role": "system", "content": system}, {"role": "user", "content": user}]})
    }

    #[test]
    fn equal_beginnings_have_equal_hashes_whatever_follows() {
        let system = "x".repeat(2_000);
        for (left, right) in [("a", "b"), ("", "b"), ("a", &*"b".repeat(3_000))] {
            // The frame of the message included, 2,000 characters reach the seventh place and not the ninth.
            let same = shared(&chat(&system, left), &chat(&system, right));
            assert!((7..=8).contains(&same), "{same}");
        }
        let grown = json!({"model": "gpt-4o", "messages": [
            {"role": "system", "content": system}, {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"}]});
        assert!(shared(&chat(&system, "a"), &grown) >= 7);
    }

    #[test]
    fn a_prompt_known_to_its_end_is_known_to_the_token() {
        let prefix = prefix(&chat(&"x".repeat(2_000), "y"));
        let places = prefix.hashes.len();
        assert_eq!(prefix.tokens(places, 501), 501);
        assert_eq!(prefix.tokens(0, 501), 0);
        let half = prefix.tokens(places / 2, 501);
        assert!((220..280).contains(&half), "{half}");
    }

    #[test]
    fn another_tool_schema_key_or_model_shares_nothing() {
        let mut request = chat(&"x".repeat(2_000), "y");
        request["tools"] = json!([{"type": "function", "function": {"name": "a", "strict": true}}]);
        request["response_format"] = json!({"type": "json_schema", "json_schema": {"schema": {}}});
        assert_eq!(shared(&request, &request), prefix(&request).hashes.len());
        for (field, value) in [
            (
                "tools",
                json!([{"type": "function", "function": {"name": "b", "strict": true}}]),
            ),
            (
                "tools",
                json!([{"type": "function", "function": {"name": "a", "strict": false}}]),
            ),
            ("tools", Value::Null),
            ("response_format", json!({"type": "text"})),
            ("prompt_cache_key", "k".into()),
            ("model", "gpt-4o-mini".into()),
        ] {
            let mut other = request.clone();
            other[field] = value;
            assert_eq!(shared(&request, &other), 0, "{field}");
        }
        for (field, value) in [
            ("temperature", 1.into()),
            ("n", 2.into()),
            ("user", "u".into()),
        ] {
            let mut other = request.clone();
            other[field] = value;
            assert_eq!(prefix(&request), prefix(&other), "{field}");
        }
    }

    #[test]
    fn the_writing_of_the_json_makes_no_difference() {
        let [plain, escaped] = [
            r#"{"model":"gpt-4o","messages":[{"role":"user","content":"grün"}]}"#,
            r#"{"messages": [ {"role": "user", "content": "gr\u00fcn"} ], "model": "gpt-4o"}"#,
        ]
        .map(Prefix::of);
        assert!(plain.is_some());
        assert_eq!(plain, escaped);
    }

    #[test]
    fn a_picture_is_compared_and_weighs_little() {
        let with = |data: &str| {
            prefix(
                &json!({"model": "gpt-4o", "messages": [{"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{data}")}}]}]}),
            )
        };
        let large = with(&"A".repeat(100_000));
        assert_eq!(large.hashes.len(), 1);
        assert_eq!(large, with(&"A".repeat(100_000)));
        assert_ne!(large, with(&"B".repeat(100_000)));
    }

    #[test]
    fn neighbouring_texts_do_not_run_together() {
        assert_ne!(prefix(&chat("ab", "c")), prefix(&chat("a", "bc")));
        assert_ne!(
            prefix(&json!({"model": "m", "tools": ["a"]})),
            prefix(&json!({"model": "m", "functions": ["a"]})),
        );
    }
}
