//! Reading a JSON object field by field, so that every complaint names the field and the value it found.

use serde_json::{Map, Value};

use super::SettingsError;

/// One object of the settings and the names read from it so far.
#[derive(Debug)]
pub(super) struct Fields<'v> {
    /// Path of the object, `accounts[0]`; empty at the root.
    path: String,
    object: &'v Map<String, Value>,
    known: Vec<&'static str>,
}

/// One entry of an object whose names are the user's own: its path, name and value.
pub(super) type Entry<'v> = (String, &'v str, &'v Value);

impl<'v> Fields<'v> {
    pub(super) fn new(path: String, value: &'v Value) -> Result<Fields<'v>, SettingsError> {
        match value {
            Value::Object(object) => Ok(Fields {
                path,
                object,
                known: Vec::new(),
            }),
            other => {
                let name = if path.is_empty() { "settings" } else { &path };
                Err(mismatch(name, "an object", other))
            }
        }
    }

    /// The path of a field of this object.
    pub(super) fn path(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// The field's value. Absent and `null` are the same: the default.
    pub(super) fn value(&mut self, name: &'static str) -> Option<&'v Value> {
        self.known.push(name);
        self.object.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(&mut self, name: &'static str) -> Result<Option<&'v str>, SettingsError> {
        self.value(name)
            .map(|value| match value.as_str() {
                Some(text) if !text.is_empty() => Ok(text),
                _ => Err(mismatch(&self.path(name), "a non-empty string", value)),
            })
            .transpose()
    }

    /// As `text`, but the complaint does not show the value.
    pub(super) fn secret(&mut self, name: &'static str) -> Result<Option<&'v str>, SettingsError> {
        self.text(name).map_err(|_| {
            SettingsError::new(format!("{} must be a non-empty string", self.path(name)))
        })
    }

    /// A whole number from `least` to `most`.
    pub(super) fn integer(
        &mut self,
        name: &'static str,
        least: u64,
        most: u64,
    ) -> Result<Option<u64>, SettingsError> {
        self.value(name)
            .map(|value| integer(&self.path(name), value, least, most))
            .transpose()
    }

    /// A number from `least` to `most`.
    pub(super) fn number(
        &mut self,
        name: &'static str,
        least: f64,
        most: f64,
    ) -> Result<Option<f64>, SettingsError> {
        self.value(name)
            .map(|value| number(&self.path(name), value, least, most))
            .transpose()
    }

    /// The elements of a list, each with its path.
    pub(super) fn list(
        &mut self,
        name: &'static str,
    ) -> Result<Option<Vec<(String, &'v Value)>>, SettingsError> {
        let path = self.path(name);
        self.value(name)
            .map(|value| match value {
                Value::Array(elements) => Ok(elements
                    .iter()
                    .enumerate()
                    .map(|(index, element)| (format!("{path}[{index}]"), element))
                    .collect()),
                other => Err(mismatch(&path, "a list", other)),
            })
            .transpose()
    }

    /// All entries of an object.
    pub(super) fn map(
        &mut self,
        name: &'static str,
    ) -> Result<Option<Vec<Entry<'v>>>, SettingsError> {
        let path = self.path(name);
        self.value(name)
            .map(|value| match value {
                Value::Object(entries) => Ok(entries
                    .iter()
                    .map(|(key, value)| (format!("{path}[{key:?}]"), key.as_str(), value))
                    .collect()),
                other => Err(mismatch(&path, "an object", other)),
            })
            .transpose()
    }

    /// Complains about a field that nobody read: most often a misspelt one.
    pub(super) fn finish(self) -> Result<(), SettingsError> {
        match self
            .object
            .keys()
            .find(|key| !self.known.contains(&key.as_str()))
        {
            None => Ok(()),
            Some(stranger) => Err(SettingsError::new(format!(
                "{} is not a setting; known here are {}",
                self.path(stranger),
                self.known.join(", ")
            ))),
        }
    }
}

/// A whole number from `least` to `most`.
pub(super) fn integer(
    path: &str,
    value: &Value,
    least: u64,
    most: u64,
) -> Result<u64, SettingsError> {
    // JavaScript writes 1e21 and 5.0 as numbers that serde_json keeps as floats.
    let whole = value.as_u64().or_else(|| {
        value
            .as_f64()
            .filter(|number| *number >= 0.0 && *number < 1e19 && number.fract() == 0.0)
            .map(|number| number as u64)
    });
    whole
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| {
            mismatch(
                path,
                &format!("a whole number from {least} to {most}"),
                value,
            )
        })
}

/// A number from `least` to `most`.
pub(super) fn number(
    path: &str,
    value: &Value,
    least: f64,
    most: f64,
) -> Result<f64, SettingsError> {
    value
        .as_f64()
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| mismatch(path, &format!("a number from {least} to {most}"), value))
}

/// A non-empty string.
pub(super) fn text<'v>(path: &str, value: &'v Value) -> Result<&'v str, SettingsError> {
    value
        .as_str()
        .filter(|text| !text.is_empty())
        .ok_or_else(|| mismatch(path, "a non-empty string", value))
}

/// The complaint about a value of the wrong kind.
pub(super) fn mismatch(path: &str, expected: &str, found: &Value) -> SettingsError {
    let shown: String = found.to_string().chars().take(80).collect();
    SettingsError::new(format!("{path} must be {expected}, got {shown}"))
}
