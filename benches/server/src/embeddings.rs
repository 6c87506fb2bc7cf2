//! Embeddings of 1,536 numbers, as many as there are inputs.

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use memchr::memmem;

const NUMBERS: usize = 1_536;

/// Different vectors; which come in turn.
const VECTORS: u64 = 16;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Ask {
    inputs: usize,
    is_base64: bool,
}

impl Ask {
    pub(crate) fn of(body: &[u8]) -> Self {
        Ask {
            inputs: inputs(body),
            is_base64: memmem::find(body, br#""encoding_format":"base64""#).is_some(),
        }
    }
}

/// One for a text; for a list of texts its length.
fn inputs(body: &[u8]) -> usize {
    let Some(rest) = after(body, br#""input":["#) else {
        return 1;
    };
    let mut texts = 0;
    let mut is_text = false;
    let mut bytes = rest.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            b'"' => {
                is_text = !is_text;
                texts += usize::from(is_text);
            }
            b']' if !is_text => break,
            _ => {}
        }
    }
    texts
}

fn after<'a>(body: &'a [u8], text: &[u8]) -> Option<&'a [u8]> {
    memmem::find(body, text).map(|at| &body[at + text.len()..])
}

pub(crate) fn body(ask: Ask) -> Bytes {
    let vectors: Vec<String> = (0..VECTORS)
        .map(|number| written(&vector(number), ask.is_base64))
        .collect();
    let mut json = String::from(r#"{"object":"list","data":["#);
    for (index, vector) in vectors.iter().cycle().take(ask.inputs).enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(
            json,
            r#"{comma}{{"object":"embedding","index":{index},"embedding":{vector}}}"#
        );
    }
    let tokens = 8 * ask.inputs;
    let _ = write!(
        json,
        r#"],"model":"text-embedding-3-small","usage":{{"prompt_tokens":{tokens},"total_tokens":{tokens}}}}}"#
    );
    json.into_bytes().into()
}

fn written(vector: &[f32], is_base64: bool) -> String {
    if is_base64 {
        let bytes: Vec<u8> = vector
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect();
        return format!("\"{}\"", STANDARD.encode(bytes));
    }
    let numbers: Vec<String> = vector.iter().map(f32::to_string).collect();
    format!("[{}]", numbers.join(","))
}

/// Numbers between -0.05 and 0.05, with as many digits as OpenAI's have (xorshift64).
fn vector(number: u64) -> Vec<f32> {
    let mut state = 0x9e37_79b9_7f4a_7c15 ^ (number + 1);
    (0..NUMBERS)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            ((state >> 40) as f32 / (1 << 24) as f32 - 0.5) * 0.1
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::inputs;

    #[test]
    fn inputs_are_counted_whatever_is_in_them() {
        for (body, expected) in [
            (r#"{"input":"one"}"#, 1),
            (r#"{"input":["one"],"model":"m"}"#, 1),
            (r#"{"model":"m","input":["a]","b\"","c\\"],"x":["y"]}"#, 3),
        ] {
            assert_eq!(inputs(body.as_bytes()), expected, "{body}");
        }
    }
}
