//! What a model sees of the functions it may call.
//!
//! OpenAI turns function definitions into TypeScript before the model reads them. The form is not documented; this is
//! the one that openai-chat-tokens found by comparing with billed tokens. It is exact for most requests to gpt-3.5 and
//! gpt-4 and a few tokens high on newer models, and it counts what cannot be known exactly in any other way.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::MapAccess;

use super::lenient::{self, Lenient};
use super::schema::{self, Schema};

/// A function or custom tool a request offers.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Function<'a> {
    #[serde(borrow, deserialize_with = "lenient::any")]
    pub(super) name: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "lenient::any")]
    description: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "lenient::any")]
    parameters: Schema<'a>,
}

impl<'a> Lenient<'a> for Function<'a> {
    fn from_object<A: MapAccess<'a>>(object: A) -> Result<Self, A::Error> {
        lenient::members(object)
    }
}

/// An entry of `tools`. A custom tool counts as a function without parameters.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Tool<'a> {
    #[serde(borrow, deserialize_with = "lenient::any")]
    pub(super) function: Option<Box<Function<'a>>>,
    #[serde(borrow, deserialize_with = "lenient::any")]
    pub(super) custom: Option<Box<Function<'a>>>,
}

impl<'a> Lenient<'a> for Tool<'a> {
    fn from_object<A: MapAccess<'a>>(object: A) -> Result<Self, A::Error> {
        lenient::members(object)
    }
}

impl<'a> Tool<'a> {
    pub(super) fn definition(&self) -> Option<&Function<'a>> {
        self.function.as_deref().or(self.custom.as_deref())
    }
}

/// A call the model made: `function_call`, and inside the entries of `tool_calls`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Call<'a> {
    #[serde(borrow, deserialize_with = "lenient::any")]
    pub(super) name: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "lenient::any")]
    pub(super) arguments: Option<Cow<'a, str>>,
    /// What a custom tool gets in place of arguments.
    #[serde(borrow, deserialize_with = "lenient::any")]
    pub(super) input: Option<Cow<'a, str>>,
}

impl<'a> Lenient<'a> for Call<'a> {
    fn from_object<A: MapAccess<'a>>(object: A) -> Result<Self, A::Error> {
        lenient::members(object)
    }
}

impl Call<'_> {
    /// The texts of the call that the model reads.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        [&self.name, &self.arguments, &self.input]
            .into_iter()
            .filter_map(Option::as_deref)
    }
}

/// An entry of `tool_calls`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ToolCall<'a> {
    #[serde(borrow, deserialize_with = "lenient::any")]
    pub(super) function: Option<Box<Call<'a>>>,
    #[serde(borrow, deserialize_with = "lenient::any")]
    pub(super) custom: Option<Box<Call<'a>>>,
}

impl<'a> Lenient<'a> for ToolCall<'a> {
    fn from_object<A: MapAccess<'a>>(object: A) -> Result<Self, A::Error> {
        lenient::members(object)
    }
}

impl<'a> ToolCall<'a> {
    pub(super) fn call(&self) -> Option<&Call<'a>> {
        self.function.as_deref().or(self.custom.as_deref())
    }
}

/// `tool_choice` and `function_call`: a word, or the function to call.
#[derive(Debug, Clone, Default)]
pub(super) enum Choice<'a> {
    /// Nothing stated, `auto`, `required`, or something unknown.
    #[default]
    Free,
    /// No function may be called.
    None,
    /// This one must be called.
    Named(Cow<'a, str>),
}

impl<'a> Lenient<'a> for Choice<'a> {
    fn from_text(text: Cow<'a, str>) -> Self {
        if text == "none" {
            Self::None
        } else {
            Self::Free
        }
    }

    fn from_object<A: MapAccess<'a>>(object: A) -> Result<Self, A::Error> {
        /// `{"name": …}` of `function_call` or `{"function": {"name": …}}` of `tool_choice`.
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Raw<'a> {
            #[serde(borrow, deserialize_with = "lenient::any")]
            name: Option<Cow<'a, str>>,
            #[serde(borrow, deserialize_with = "lenient::any")]
            function: Call<'a>,
            #[serde(borrow, deserialize_with = "lenient::any")]
            custom: Call<'a>,
        }
        let raw: Raw<'a> = lenient::members(object)?;
        let name = raw.name.or(raw.function.name).or(raw.custom.name);
        Ok(name.map_or(Self::Free, Self::Named))
    }
}

/// The definitions as the model gets them.
pub(super) fn render<'a, 'b: 'a>(functions: impl Iterator<Item = &'a Function<'b>>) -> String {
    let mut out = String::from("namespace functions {\n\n");
    for function in functions {
        schema::write_comment(&mut out, function.description.as_deref());
        let name = function.name.as_deref().unwrap_or_default();
        if function.parameters.has_properties() {
            out.extend(["type ", name, " = (_: {\n"]);
            function.parameters.write_properties(&mut out, 0);
            out.push_str("}) => any;\n\n");
        } else {
            out.extend(["type ", name, " = () => any;\n\n"]);
        }
    }
    out.push_str("} // namespace functions");
    out
}
