//! A JSON object whose fields can be looked at and changed without touching the rest.
//!
//! Requests cross the boundary as text. What we do not know passes byte for byte: OpenAI adds fields monthly, and parsing
//! numbers or rebuilding nested objects would change them. Only the top level is split; each value stays raw text.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The top level of a JSON object, in its own order.
#[derive(Debug, Clone, PartialEq)]
pub struct Body<'a> {
    fields: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Body<'a> {
    /// Splits a JSON text. Fails where the text is not one JSON object.
    pub fn parse(json: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// The raw JSON text of a field; of the last one where a name stands twice, as every JSON parser takes it.
    pub fn raw(&self, name: &str) -> Option<&str> {
        let (_, value) = self.fields.iter().rev().find(|(field, _)| field == name)?;
        Some(value)
    }

    /// A field's value as `T`: `None` where it is missing, JSON `null` or of another type.
    pub fn get<'b, T: Deserialize<'b>>(&'b self, name: &str) -> Option<T> {
        serde_json::from_str::<Option<T>>(self.raw(name)?).ok()?
    }

    /// Whether the field is there and not `null`.
    pub fn has(&self, name: &str) -> bool {
        self.raw(name).is_some_and(|raw| raw != "null")
    }

    /// Sets a field to raw JSON text, in its old place or at the end.
    pub fn set(&mut self, name: &'a str, raw_json: impl Into<Cow<'a, str>>) {
        let value = raw_json.into();
        match self
            .fields
            .iter_mut()
            .rev()
            .find(|(field, _)| field == name)
        {
            Some(field) => field.1 = value,
            None => self.fields.push((Cow::Borrowed(name), value)),
        }
    }

    /// Takes a field out and returns its raw JSON text.
    pub fn remove(&mut self, name: &str) -> Option<Cow<'a, str>> {
        let mut removed = None;
        self.fields.retain_mut(|(field, value)| {
            let stays = field != name;
            if !stays {
                removed = Some(std::mem::take(value));
            }
            stays
        });
        removed
    }

    /// Leaves `null` in the place of a field and returns its raw JSON text.
    pub fn remove_to_null(&mut self, name: &str) -> Option<Cow<'a, str>> {
        let mut fields = self.fields.iter_mut().rev();
        let (_, value) = fields.find(|(field, _)| field == name)?;
        Some(std::mem::replace(value, Cow::Borrowed("null")))
    }

    /// Writes the object as JSON text.
    pub fn to_json(&self) -> String {
        let length: usize = self.fields.iter().map(|(k, v)| k.len() + v.len() + 4).sum();
        let mut json = String::with_capacity(length + 2);
        json.push('{');
        for (index, (name, value)) in self.fields.iter().enumerate() {
            if index > 0 {
                json.push(',');
            }
            json.push_str(&quoted(name));
            json.push(':');
            json.push_str(value);
        }
        json.push('}');
        json
    }
}

impl<'de> Deserialize<'de> for Body<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Body<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Body<'de>, M::Error> {
                let mut fields = Vec::with_capacity(8);
                while let Some((Name(name), value)) =
                    map.next_entry::<Name<'de>, &'de RawValue>()?
                {
                    fields.push((name, Cow::Borrowed(value.get())));
                }
                Ok(Body { fields })
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// A field name, borrowed unless it holds escapes (serde's own `Cow` always copies).
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a field name")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// `text` as a JSON string with its quotes.
pub fn quoted(text: &str) -> String {
    // Writing a text to memory cannot fail.
    serde_json::to_string(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untouched_fields_keep_every_byte() {
        let json = r#"{"model":"m","n":1.00000000000000000001e2,"new":{"a" : [1,  2]},"t\u00e9":"\u00e9"}"#;
        let mut body = Body::parse(json).unwrap();
        body.set("model", quoted("other"));
        assert_eq!(
            body.to_json(),
            r#"{"model":"other","n":1.00000000000000000001e2,"new":{"a" : [1,  2]},"té":"\u00e9"}"#
        );
    }

    #[test]
    fn fields_are_read_set_and_removed_by_name() {
        let mut body = Body::parse(r#"{"text":"a\nb","n":2,"none":null}"#).unwrap();
        assert_eq!(body.get::<String>("text").as_deref(), Some("a\nb"));
        assert_eq!(body.get::<u64>("n"), Some(2));
        assert_eq!(body.get::<u64>("text"), None);
        assert!(!body.has("none") && !body.has("missing") && body.has("n"));
        assert_eq!(body.remove("n").as_deref(), Some("2"));
        body.set("last", "[]");
        assert_eq!(body.to_json(), r#"{"text":"a\nb","none":null,"last":[]}"#);
    }

    #[test]
    fn a_repeated_name_means_its_last_value() {
        let mut body = Body::parse(r#"{"a":1,"a":2}"#).unwrap();
        assert_eq!(body.get::<u64>("a"), Some(2));
        assert_eq!(body.remove("a").as_deref(), Some("2"));
        assert_eq!(body.to_json(), "{}");
    }

    #[test]
    fn anything_but_an_object_is_refused() {
        for json in ["", "[]", "3", "null", "{", r#"{"a"}"#, r#"{} {}"#] {
            assert!(Body::parse(json).is_err(), "{json}");
        }
    }
}
