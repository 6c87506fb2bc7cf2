//! What an answer holds: one embedding for each input of its request.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::body::{Body, quoted};

/// Bytes of a 32-bit float.
const WIDTH: usize = 4;

/// An answer, taken apart.
#[derive(Debug)]
pub(super) struct Answer<'a> {
    /// All but the embeddings, which are null in it.
    pub(super) head: Body<'a>,
    /// In the order of the inputs.
    pub(super) vectors: Vec<Vector<'a>>,
}

/// One embedding.
#[derive(Debug)]
pub(super) enum Vector<'a> {
    /// Little-endian 32-bit floats.
    Base64(Cow<'a, str>),
    /// JSON of any other kind: a list of numbers, mostly.
    Json(&'a str),
}

#[derive(Deserialize)]
struct Item<'a> {
    index: Option<usize>,
    #[serde(borrow)]
    embedding: &'a RawValue,
}

/// serde's own `Cow` always copies.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Answer<'a> {
    /// Reads an answer to so many inputs; `None` where it is not one embedding for each.
    pub(super) fn parse(json: &'a str, inputs: usize) -> Option<Self> {
        let mut head = Body::parse(json).ok()?;
        let Some(Cow::Borrowed(data)) = head.remove_to_null("data") else {
            return None;
        };
        let items: Vec<Item<'a>> = serde_json::from_str(data).ok()?;
        if items.len() != inputs {
            return None;
        }
        let mut vectors: Vec<Option<Vector<'a>>> = Vec::new();
        vectors.resize_with(inputs, || None);
        for (place, item) in items.into_iter().enumerate() {
            let vector = vectors.get_mut(item.index.unwrap_or(place))?;
            if vector.replace(Vector::of(item.embedding.get())?).is_some() {
                return None;
            }
        }
        Some(Answer {
            head,
            vectors: vectors.into_iter().collect::<Option<_>>()?,
        })
    }
}

impl<'a> Vector<'a> {
    fn of(json: &'a str) -> Option<Self> {
        if !json.starts_with('"') {
            return Some(Vector::Json(json));
        }
        let Text(text) = serde_json::from_str(json).ok()?;
        Some(Vector::Base64(text))
    }

    /// As it came.
    pub(super) fn as_json(&self) -> String {
        match self {
            Vector::Base64(text) => quoted(text),
            Vector::Json(json) => (*json).to_owned(),
        }
    }

    /// How many numbers it has; `None` where it holds something else.
    pub(super) fn dimensions(&self) -> Option<usize> {
        match self {
            Vector::Base64(text) => {
                let bytes = text.trim_end_matches('=').len() * 3 / 4;
                bytes.is_multiple_of(WIDTH).then_some(bytes / WIDTH)
            }
            Vector::Json(json) => Some(numbers(json)?.len()),
        }
    }

    /// Writes its numbers to where there is room for so many; `None` where it has not so many.
    pub(super) fn write(&self, floats: &mut [f32], scratch: &mut Vec<u8>) -> Option<()> {
        match self {
            Vector::Base64(text) => {
                scratch.clear();
                STANDARD.decode_vec(&**text, scratch).ok()?;
                if scratch.len() != floats.len() * WIDTH {
                    return None;
                }
                for (float, bytes) in floats.iter_mut().zip(scratch.chunks_exact(WIDTH)) {
                    *float = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
                }
            }
            Vector::Json(json) => {
                let numbers = numbers(json)?;
                if numbers.len() != floats.len() {
                    return None;
                }
                floats.copy_from_slice(&numbers);
            }
        }
        Some(())
    }
}

fn numbers(json: &str) -> Option<Vec<f32>> {
    serde_json::from_str(json).ok()
}

/// Numbers as OpenAI's base64.
pub(super) fn to_base64(floats: &[f32]) -> String {
    let bytes: Vec<u8> = floats.iter().flat_map(|f| f.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(json: &str, inputs: usize) -> Option<Vec<Vec<f32>>> {
        let answer = Answer::parse(json, inputs)?;
        let vectors = answer.vectors.iter().map(|vector| {
            let mut floats = vec![0.0; vector.dimensions()?];
            vector.write(&mut floats, &mut Vec::new())?;
            Some(floats)
        });
        vectors.collect()
    }

    #[test]
    fn both_forms_are_read_in_the_order_of_their_indices() {
        let base64 = to_base64(&[1.5, -2.0]);
        let json = format!(
            r#"{{"object":"list","data":[{{"index":1,"embedding":[0.25,3]}},{{"embedding":"{base64}","index":0}}]}}"#
        );
        assert_eq!(
            floats(&json, 2),
            Some(vec![vec![1.5, -2.0], vec![0.25, 3.0]])
        );
        let head = Answer::parse(&json, 2).unwrap().head.to_json();
        assert_eq!(head, r#"{"object":"list","data":null}"#);
    }

    #[test]
    fn a_slash_may_be_escaped_as_some_servers_do() {
        // 0xffffffff would be a NaN; this one is 3.4e38, whose bytes are ff ff 7f 7f.
        let json = r#"{"data":[{"embedding":"\/\/9\/fw=="}]}"#;
        assert_eq!(floats(json, 1), Some(vec![vec![f32::MAX]]));
    }

    #[test]
    fn what_is_not_one_embedding_for_each_input_is_no_answer() {
        for json in [
            r#"{"data":[]}"#,
            r#"{"data":null}"#,
            r#"{"data":{}}"#,
            "{}",
            r#"{"data":[{"embedding":[1]},{"embedding":[1]}]}"#,
            r#"{"data":[{"index":1,"embedding":[1]}]}"#,
            r#"{"data":[{"index":0}]}"#,
            r#"{"data":[{"embedding":"AAA"}]}"#,
            r#"{"data":[{"embedding":["a"]}]}"#,
        ] {
            assert_eq!(floats(json, 1), None, "{json}");
        }
        let twice = r#"{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]}"#;
        assert_eq!(floats(twice, 2), None);
    }
}
