//! Embedding vectors: of unit length, and the same for the same text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fastrand::Rng;
use serde::{Serialize, Serializer};

use crate::simulator::randomness::{fingerprint, generator};
use crate::simulator::work::Input;

/// How the numbers of an embedding are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::simulator) enum Format {
    /// A JSON list.
    Float,
    /// Base64 of 32-bit little-endian floats.
    Base64,
}

/// One embedding.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::simulator) struct Vector {
    values: Vec<f32>,
    format: Format,
}

/// Dimensions that a model's embeddings have unless the request asks for fewer.
pub(in crate::simulator) fn native_dimensions(model: &str) -> usize {
    if model.contains("3-large") {
        3_072
    } else {
        1_536
    }
}

impl Vector {
    /// The vector of an input: pseudo-random under the input and the simulator's seed. Fewer dimensions are the first
    /// ones of more, scaled to length 1, as with OpenAI's shortened embeddings.
    pub(in crate::simulator) fn of(
        input: &Input<'_>,
        seed: u64,
        dimensions: usize,
        format: Format,
    ) -> Vector {
        let mut rng = match input {
            Input::Text(text) => generator([seed, fingerprint(text.as_bytes()), 0]),
            Input::Tokens(tokens) => {
                let bytes: Vec<u8> = tokens
                    .iter()
                    .flat_map(|token| token.to_le_bytes())
                    .collect();
                generator([seed, fingerprint(&bytes), 1])
            }
        };
        let mut values: Vec<f32> = (0..dimensions).map(|_| bell(&mut rng)).collect();
        let length = values
            .iter()
            .map(|value| f64::from(*value).powi(2))
            .sum::<f64>()
            .sqrt()
            .max(f64::MIN_POSITIVE);
        for value in &mut values {
            *value = (f64::from(*value) / length) as f32;
        }
        Vector { values, format }
    }
}

/// Near enough to a normal variable (sum of four uniform ones), so that directions are spread evenly.
fn bell(rng: &mut Rng) -> f32 {
    let bits = rng.u64(..);
    let sum: u64 = (0..4).map(|part| bits >> (16 * part) & 0xffff).sum();
    // Centred on the mean of four 16-bit numbers; the half keeps it off 0, so that one dimension has a length too.
    sum as f32 - 131_070.5
}

impl Serialize for Vector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.format {
            Format::Float => self.values.serialize(serializer),
            Format::Base64 => {
                let bytes: Vec<u8> = self
                    .values
                    .iter()
                    .flat_map(|value| value.to_le_bytes())
                    .collect();
                serializer.serialize_str(&STANDARD.encode(bytes))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    fn vector(text: &str, seed: u64, dimensions: usize) -> Vec<f32> {
        Vector::of(
            &Input::Text(Cow::Borrowed(text)),
            seed,
            dimensions,
            Format::Float,
        )
        .values
    }

    fn cosine(left: &[f32], right: &[f32]) -> f64 {
        left.iter().zip(right).map(|(a, b)| f64::from(a * b)).sum()
    }

    #[test]
    fn vectors_have_length_one_and_depend_on_text_and_seed() {
        for dimensions in [1, 2, 256, 1_536, 3_072] {
            let values = vector("hello", 1, dimensions);
            assert_eq!(values.len(), dimensions);
            assert!((cosine(&values, &values) - 1.0).abs() < 1e-5);
        }
        assert_eq!(vector("hello", 1, 64), vector("hello", 1, 64));
        assert_ne!(vector("hello", 1, 64), vector("hello", 2, 64));
        let unrelated = cosine(&vector("hello", 1, 1_536), &vector("world", 1, 1_536));
        assert!(unrelated.abs() < 0.15, "{unrelated}");
    }

    #[test]
    fn fewer_dimensions_point_the_same_way() {
        let (long, short) = (vector("hello", 1, 1_536), vector("hello", 1, 8));
        let scale = long[0] / short[0];
        for (long, short) in long.iter().zip(&short) {
            assert!((long - short * scale).abs() < 1e-6);
        }
    }

    #[test]
    fn base64_is_the_little_endian_form_of_the_same_floats() {
        let input = Input::Tokens(vec![1, 2, 3]);
        let floats = Vector::of(&input, 1, 16, Format::Float).values;
        let json = serde_json::to_value(Vector::of(&input, 1, 16, Format::Base64)).unwrap();
        let bytes = STANDARD.decode(json.as_str().unwrap()).unwrap();
        let decoded: Vec<f32> = bytes
            .chunks_exact(4)
            .map(|four| f32::from_le_bytes(four.try_into().unwrap()))
            .collect();
        assert_eq!(decoded, floats);
    }
}
