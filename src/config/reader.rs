//! Reads untrusted JSON field by field and says exactly what is wrong with it.
//!
//! Every message names the field by its path, the value, and the accepted form. Secrets are read by [`Field::secret`] and
//! [`Field::hidden`], which never show any part of the value.

use std::{fmt::Display, time::Duration};

use serde_json::{Map, Value};

use crate::{
    error::{Code, Error, Result},
    key::ApiKey,
};

/// The longest time that a setting may name: a day.
pub(super) const LONGEST_MS: f64 = 86_400_000.0;

/// A value with the path that leads to it.
#[derive(Debug, Clone)]
pub(crate) struct Field<'a> {
    path: String,
    value: &'a Value,
    code: Code,
}

impl<'a> Field<'a> {
    /// The outermost value, called `name` in messages; failures carry `code`. Without a name its fields are called by
    /// theirs alone, as the arguments of a function are.
    pub(crate) fn root(name: &str, value: &'a Value, code: Code) -> Self {
        Field {
            path: name.to_owned(),
            value,
            code,
        }
    }

    /// An error about this field: "`path` must be `accepted`, got `value`".
    pub(crate) fn must_be(&self, accepted: impl Display) -> Error {
        self.wrong(format!("must be {accepted}, got {}", shown(self.value)))
    }

    /// An error about this field that shows no part of its value.
    pub(crate) fn wrong(&self, what: impl Display) -> Error {
        Error::new(self.code, format!("`{}` {what}", self.path))
    }

    /// The fields of an object, all of which must be among `known`.
    pub(crate) fn object(&self, known: &[&str]) -> Result<Object<'a>> {
        let object = self.entries("an object")?;
        if let Some(unknown) = object.map.keys().find(|k| !known.contains(&k.as_str())) {
            return Err(self.wrong(format!(
                "has no field `{}`; it has: {}",
                unknown.escape_debug(),
                known.join(", ")
            )));
        }
        Ok(object)
    }

    /// The fields of an object with names of any kind.
    pub(crate) fn entries(&self, accepted: &str) -> Result<Object<'a>> {
        match self.value {
            Value::Object(map) => Ok(Object {
                path: self.path.clone(),
                map,
                code: self.code,
            }),
            // The value is not shown: people pass a bare key where an object of keys belongs.
            other => Err(self.wrong(format!("must be {accepted}, got {}", kind(other)))),
        }
    }

    /// Whether it is this text.
    pub(crate) fn is_text(&self, text: &str) -> bool {
        self.value.as_str() == Some(text)
    }

    pub(crate) fn is_array(&self) -> bool {
        self.value.is_array()
    }

    /// The elements of an array.
    pub(crate) fn elements(&self) -> Result<Vec<Field<'a>>> {
        let Value::Array(values) = self.value else {
            return Err(self.wrong(format!("must be an array, got {}", kind(self.value))));
        };
        Ok(values
            .iter()
            .enumerate()
            .map(|(index, value)| Field {
                path: format!("{}[{index}]", self.path),
                value,
                code: self.code,
            })
            .collect())
    }

    /// The value as JSON text.
    pub(crate) fn to_json(&self) -> String {
        self.value.to_string()
    }

    /// A string with at least one character.
    pub(crate) fn text(&self) -> Result<&'a str> {
        match self.value {
            Value::String(text) if !text.is_empty() => Ok(text),
            _ => Err(self.must_be("a non-empty string")),
        }
    }

    /// A string that must be kept secret; `accepted` says what else could stand in its place.
    pub(crate) fn secret(&self, accepted: &str) -> Result<ApiKey> {
        let Value::String(text) = self.value else {
            return Err(self.wrong(format!("must be {accepted}, got {}", kind(self.value))));
        };
        ApiKey::parse(text).map_err(|wrong| self.wrong(wrong))
    }

    /// The number of a function, for which the JavaScript side writes `{"function": number}`.
    pub(crate) fn function(&self) -> Option<u32> {
        let number = self.value.get("function")?.as_u64()?;
        u32::try_from(number).ok()
    }

    /// A non-empty string of any characters that no message may show.
    pub(crate) fn hidden(&self) -> Result<&'a str> {
        match self.value {
            Value::String(text) if !text.is_empty() => Ok(text),
            other => Err(self.wrong(format!(
                "must be a non-empty string, got {} (the value is not shown)",
                kind(other)
            ))),
        }
    }

    /// A finite number above zero.
    pub(crate) fn positive(&self) -> Result<f64> {
        self.number(f64::MIN_POSITIVE, f64::MAX, "a number above 0")
    }

    /// A finite number from zero up.
    pub(crate) fn zero_or_more(&self) -> Result<f64> {
        self.number(0.0, f64::MAX, "a number of at least 0")
    }

    /// True or false.
    pub(crate) fn flag(&self) -> Result<bool> {
        self.value
            .as_bool()
            .ok_or_else(|| self.must_be("true or false"))
    }

    /// A whole number in a range.
    pub(crate) fn whole(&self, least: i32, most: i32) -> Result<i32> {
        let accepted = format!("a whole number from {least} to {most}");
        let number = self.number(f64::from(least), f64::from(most), &accepted)?;
        if number.fract() != 0.0 {
            return Err(self.must_be(accepted));
        }
        // In range and whole, so the conversion is exact.
        Ok(number as i32)
    }

    /// A time in milliseconds, from `least_ms` to a day.
    pub(crate) fn milliseconds(&self, least_ms: f64) -> Result<Duration> {
        let accepted = format!("a number of milliseconds from {least_ms} to {LONGEST_MS}");
        let ms = self.number(least_ms, LONGEST_MS, &accepted)?;
        Ok(Duration::from_secs_f64(ms / 1000.0))
    }

    fn number(&self, least: f64, most: f64, accepted: &str) -> Result<f64> {
        match self.value.as_f64() {
            Some(number) if (least..=most).contains(&number) => Ok(number),
            _ => Err(self.must_be(accepted)),
        }
    }
}

/// An object whose fields are read by name.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    path: String,
    map: &'a Map<String, Value>,
    code: Code,
}

impl<'a> Object<'a> {
    /// A field that is there and not `null`.
    pub(crate) fn get(&self, name: &str) -> Option<Field<'a>> {
        let value = self.map.get(name).filter(|value| !value.is_null())?;
        Some(self.field(name, value))
    }

    /// Whether a field is there, be it `null`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    /// Reads a field into `target`: one that is left out changes nothing, and `null` is the default.
    pub(crate) fn set<T>(
        &self,
        name: &str,
        target: &mut T,
        default: T,
        read: impl FnOnce(&Field<'a>) -> Result<T>,
    ) -> Result<()> {
        match self.map.get(name) {
            None => {}
            Some(Value::Null) => *target = default,
            Some(value) => *target = read(&self.field(name, value))?,
        }
        Ok(())
    }

    /// A field that must be there; a missing one reads as `null`, so its error names it.
    pub(crate) fn required(&self, name: &str) -> Field<'a> {
        self.field(name, self.map.get(name).unwrap_or(&Value::Null))
    }

    /// Every field in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'a str, Field<'a>)> + '_ {
        self.map
            .iter()
            .map(|(name, value)| (name.as_str(), self.field(name, value)))
    }

    fn field(&self, name: &str, value: &'a Value) -> Field<'a> {
        Field {
            path: if self.path.is_empty() {
                name.escape_debug().to_string()
            } else {
                format!("{}.{}", self.path, name.escape_debug())
            },
            value,
            code: self.code,
        }
    }
}

/// A value for a message: JSON, cut to 60 characters, with its type where JSON does not show it.
fn shown(value: &Value) -> String {
    let json = value.to_string();
    let short: String = json.chars().take(60).collect();
    let dots = if short.len() < json.len() { "…" } else { "" };
    format!("{short}{dots} ({})", kind(value))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
