//! Reading JSON that may have any shape.
//!
//! Counting must not decide whether a request is well formed; OpenAI does, and says so better. So a value of an unexpected
//! type reads as if it were missing, and only text that is no JSON at all is an error. Everything is read in one pass,
//! and strings without escapes are borrowed.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

/// A type that can be read from any JSON value. It overrides the shapes it knows; the others give its default.
pub(super) trait Lenient<'de>: Default {
    fn from_text(_text: Cow<'de, str>) -> Self {
        Self::default()
    }

    fn from_number(_number: f64) -> Self {
        Self::default()
    }

    fn from_list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }

    fn from_object<A: MapAccess<'de>>(mut object: A) -> Result<Self, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }
}

/// Reads a whole text. Fails only if it is not JSON.
pub(super) fn parse<'de, T: Lenient<'de>>(json: &'de str) -> Result<T, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(json);
    let value = any(&mut json)?;
    json.end()?;
    Ok(value)
}

/// For `#[serde(deserialize_with = "…")]`.
pub(super) fn any<'de, D: Deserializer<'de>, T: Lenient<'de>>(value: D) -> Result<T, D::Error> {
    value.deserialize_any(Shape(PhantomData))
}

/// Reads the members of an object into a type whose fields are lenient.
pub(super) fn members<'de, A: MapAccess<'de>, T: Deserialize<'de>>(
    object: A,
) -> Result<T, A::Error> {
    T::deserialize(MapAccessDeserializer::new(object))
}

impl<'de> Lenient<'de> for Option<Cow<'de, str>> {
    fn from_text(text: Cow<'de, str>) -> Self {
        Some(text)
    }
}

/// A count: negative numbers are 0, fractions are cut off.
impl<'de> Lenient<'de> for Option<u64> {
    fn from_number(number: f64) -> Self {
        Some(number as u64)
    }
}

impl<'de, T: Lenient<'de>> Lenient<'de> for Vec<T> {
    fn from_list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let mut items = Self::new();
        while let Some(item) = list.next_element_seed(Shape(PhantomData))? {
            items.push(item);
        }
        Ok(items)
    }
}

impl<'de, T: Lenient<'de>> Lenient<'de> for Option<Box<T>> {
    fn from_object<A: MapAccess<'de>>(object: A) -> Result<Self, A::Error> {
        T::from_object(object).map(|value| Some(Box::new(value)))
    }
}

/// An object with names that are data, in the order of the text.
#[derive(Debug, Clone)]
pub(super) struct Entries<'de, T>(pub(super) Vec<(Cow<'de, str>, T)>);

impl<T> Default for Entries<'_, T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Lenient<'de>> Lenient<'de> for Entries<'de, T> {
    fn from_object<A: MapAccess<'de>>(mut object: A) -> Result<Self, A::Error> {
        let mut entries = Vec::new();
        while let Some(name) = object.next_key_seed(Shape(PhantomData))? {
            let name: Option<Cow<'de, str>> = name;
            let value = object.next_value_seed(Shape(PhantomData))?;
            entries.push((name.unwrap_or_default(), value));
        }
        Ok(Self(entries))
    }
}

/// Hands each JSON shape to the constructor for it.
struct Shape<T>(PhantomData<T>);

impl<'de, T: Lenient<'de>> DeserializeSeed<'de> for Shape<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<T, D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de, T: Lenient<'de>> Visitor<'de> for Shape<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_u64<E>(self, number: u64) -> Result<T, E> {
        Ok(T::from_number(number as f64))
    }

    fn visit_i64<E>(self, number: i64) -> Result<T, E> {
        Ok(T::from_number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<T, E> {
        Ok(T::from_number(number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<T, E> {
        Ok(T::from_text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok(T::from_text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        T::from_list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<T, A::Error> {
        T::from_object(object)
    }
}
