//! The texts of embeddings and legacy completions.

use std::borrow::Cow;

use serde::de::{Deserialize, Deserializer, SeqAccess};

use super::lenient::{self, Lenient};
use super::text::count_text;
use crate::models::Encoding;

/// The `input` of an embeddings request or the `prompt` of a completion: a text or a list of tokens, or several of either.
///
/// Values of another type count as no input at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextInput<'a> {
    texts: Vec<Cow<'a, str>>,
    /// Lengths of the inputs that are tokens already.
    tokens: Vec<usize>,
}

impl TextInput<'_> {
    /// The tokens of all inputs together.
    pub fn count(&self, encoding: Encoding) -> usize {
        let texts = self.texts.iter().map(|text| count_text(text, encoding));
        texts.chain(self.tokens.iter().copied()).sum()
    }

    /// The characters of all inputs together. Inputs that are tokens count four characters each, which is what
    /// OpenAI's estimate of characters ÷ 4 takes a token for.
    pub fn characters(&self) -> u64 {
        let texts = self.texts.iter().map(|text| text.chars().count() as u64);
        let tokens = self.tokens.iter().map(|tokens| *tokens as u64 * 4);
        texts.chain(tokens).sum()
    }

    /// The number of inputs.
    pub fn items(&self) -> usize {
        self.texts.len() + self.tokens.len()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for TextInput<'a> {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        lenient::any(value)
    }
}

impl<'de: 'a, 'a> Lenient<'de> for TextInput<'a> {
    fn from_text(text: Cow<'de, str>) -> Self {
        Self {
            texts: vec![text],
            tokens: Vec::new(),
        }
    }

    fn from_list<A: SeqAccess<'de>>(list: A) -> Result<Self, A::Error> {
        let mut input = Self::default();
        // A list of numbers is one input, so those are gathered.
        let mut numbers = 0;
        for item in <Vec<Item<'de>>>::from_list(list)? {
            match item {
                Item::Text(text) => input.texts.push(text),
                Item::Tokens(tokens) => input.tokens.push(tokens),
                Item::Token => numbers += 1,
                Item::Other => {}
            }
        }
        if numbers > 0 {
            input.tokens.push(numbers);
        }
        Ok(input)
    }
}

/// An element of a list of inputs.
#[derive(Default)]
enum Item<'a> {
    Text(Cow<'a, str>),
    Tokens(usize),
    Token,
    #[default]
    Other,
}

impl<'a> Lenient<'a> for Item<'a> {
    fn from_text(text: Cow<'a, str>) -> Self {
        Self::Text(text)
    }

    fn from_number(_: f64) -> Self {
        Self::Token
    }

    fn from_list<A: SeqAccess<'a>>(mut list: A) -> Result<Self, A::Error> {
        let mut tokens = 0;
        while list.next_element::<serde::de::IgnoredAny>()?.is_some() {
            tokens += 1;
        }
        Ok(Self::Tokens(tokens))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_four_forms_of_an_input_are_counted() {
        for (json, tokens, characters, items) in [
            (r#""tiktoken is great!""#, 6, 18, 1),
            (r#"["tiktoken is great!", "2 + 2 = 4"]"#, 13, 27, 2),
            (r#"["", ""]"#, 0, 0, 2),
            ("[83, 1609, 5963]", 3, 12, 1),
            ("[[83, 1609, 5963], [374, 2294], []]", 5, 20, 3),
            (r#""お誕生日\u304a""#, 6, 5, 1),
            ("[]", 0, 0, 0),
            ("null", 0, 0, 0),
            ("7", 0, 0, 0),
            (r#"{"text": "x"}"#, 0, 0, 0),
            (r#"[null, {}, true, "x"]"#, 1, 1, 1),
        ] {
            let input: TextInput<'_> = serde_json::from_str(json).unwrap();
            assert_eq!(input.count(Encoding::Cl100kBase), tokens, "{json}");
            assert_eq!(input.characters(), characters, "{json}");
            assert_eq!(input.items(), items, "{json}");
        }
    }
}
