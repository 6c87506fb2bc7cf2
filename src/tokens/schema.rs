//! The JSON Schema of a function's parameters, as far as a model gets to see it.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::Deserialize;
use serde::de::{MapAccess, SeqAccess};

use super::lenient::{self, Entries, Lenient};

/// A schema node. What it does not hold (formats, limits, defaults) is not shown to the model either.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Schema<'a> {
    #[serde(rename = "type", borrow, deserialize_with = "lenient::any")]
    types: Types<'a>,
    #[serde(borrow, deserialize_with = "lenient::any")]
    description: Option<Cow<'a, str>>,
    #[serde(rename = "enum", borrow, deserialize_with = "lenient::any")]
    values: Vec<Value<'a>>,
    #[serde(borrow, deserialize_with = "lenient::any")]
    properties: Entries<'a, Schema<'a>>,
    #[serde(borrow, deserialize_with = "lenient::any")]
    required: Vec<Option<Cow<'a, str>>>,
    #[serde(borrow, deserialize_with = "lenient::any")]
    items: Option<Box<Schema<'a>>>,
    #[serde(rename = "anyOf", borrow, deserialize_with = "lenient::any")]
    any_of: Vec<Schema<'a>>,
}

impl<'a> Lenient<'a> for Schema<'a> {
    fn from_object<A: MapAccess<'a>>(object: A) -> Result<Self, A::Error> {
        lenient::members(object)
    }
}

/// `"type": "string"` or `"type": ["string", "null"]`.
#[derive(Debug, Clone, Default)]
struct Types<'a>(Vec<Option<Cow<'a, str>>>);

impl<'a> Lenient<'a> for Types<'a> {
    fn from_text(text: Cow<'a, str>) -> Self {
        Self(vec![Some(text)])
    }

    fn from_list<A: SeqAccess<'a>>(list: A) -> Result<Self, A::Error> {
        Lenient::from_list(list).map(Self)
    }
}

/// One value of an `enum`.
#[derive(Debug, Clone, Default)]
enum Value<'a> {
    Text(Cow<'a, str>),
    Number(f64),
    #[default]
    Other,
}

impl<'a> Lenient<'a> for Value<'a> {
    fn from_text(text: Cow<'a, str>) -> Self {
        Self::Text(text)
    }

    fn from_number(number: f64) -> Self {
        Self::Number(number)
    }
}

impl Schema<'_> {
    /// Whether this is an object with properties.
    pub(super) fn has_properties(&self) -> bool {
        !self.properties.0.is_empty()
    }

    /// Writes the properties as members of a TypeScript type, a line each, `depth` levels deep.
    ///
    /// Only the outermost properties keep their descriptions (found by the measurements behind openai-chat-tokens).
    pub(super) fn write_properties(&self, out: &mut String, depth: usize) {
        let required: HashSet<&str> = self.required.iter().flatten().map(AsRef::as_ref).collect();
        for (name, property) in &self.properties.0 {
            if depth == 0 {
                write_comment(out, property.description.as_deref());
            }
            indent(out, depth);
            let optional = if required.contains(name.as_ref()) {
                ""
            } else {
                "?"
            };
            out.extend([name, optional, ": "]);
            property.write_type(out, depth);
            out.push_str(",\n");
        }
    }

    fn write_type(&self, out: &mut String, depth: usize) {
        if !self.any_of.is_empty() {
            write_union(out, &self.any_of, |out, option| {
                option.write_type(out, depth)
            });
            return;
        }
        let types: Vec<&str> = self.types.0.iter().flatten().map(AsRef::as_ref).collect();
        match types.as_slice() {
            [] if self.values.is_empty() => out.push_str("any"),
            [] => self.write_values(out),
            _ => write_union(out, &types, |out, name| {
                self.write_named_type(name, out, depth)
            }),
        }
    }

    fn write_named_type(&self, name: &str, out: &mut String, depth: usize) {
        match name {
            "string" | "number" | "integer" if !self.values.is_empty() => self.write_values(out),
            "string" | "boolean" | "null" => out.push_str(name),
            "number" | "integer" => out.push_str("number"),
            "array" => {
                match &self.items {
                    Some(items) => items.write_type(out, depth),
                    None => out.push_str("any"),
                }
                out.push_str("[]");
            }
            "object" => {
                out.push_str("{\n");
                self.write_properties(out, depth + 1);
                indent(out, depth);
                out.push('}');
            }
            _ => out.push_str("any"),
        }
    }

    fn write_values(&self, out: &mut String) {
        write_union(out, &self.values, |out, value| match value {
            Value::Text(text) => out.extend(["\"", text, "\""]),
            Value::Number(number) => out.push_str(&number.to_string()),
            Value::Other => out.push_str("null"),
        });
    }
}

/// Writes a description, if there is one, as a line of comment.
pub(super) fn write_comment(out: &mut String, description: Option<&str>) {
    if let Some(description) = description.filter(|text| !text.is_empty()) {
        out.extend(["// ", description, "\n"]);
    }
}

fn write_union<T>(out: &mut String, options: &[T], mut write: impl FnMut(&mut String, &T)) {
    for (index, option) in options.iter().enumerate() {
        if index > 0 {
            out.push_str(" | ");
        }
        write(out, option);
    }
}

fn indent(out: &mut String, depth: usize) {
    out.extend(std::iter::repeat_n("  ", depth));
}
