//! The messages of a chat, as far as counting needs them.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{MapAccess, SeqAccess};

use super::lenient::{self, Lenient};
use super::tools::{Call, ToolCall};

/// One message.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Message<'a> {
    #[serde(borrow, deserialize_with = "lenient::any")]
    pub(super) role: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "lenient::any")]
    pub(super) content: Content<'a>,
    #[serde(borrow, deserialize_with = "lenient::any")]
    pub(super) refusal: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "lenient::any")]
    pub(super) name: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "lenient::any")]
    pub(super) tool_calls: Vec<ToolCall<'a>>,
    #[serde(borrow, deserialize_with = "lenient::any")]
    pub(super) function_call: Option<Box<Call<'a>>>,
}

impl<'a> Lenient<'a> for Message<'a> {
    fn from_object<A: MapAccess<'a>>(object: A) -> Result<Self, A::Error> {
        lenient::members(object)
    }
}

impl Message<'_> {
    /// Whether it instructs the model rather than speaks to it.
    pub(super) fn is_system(&self) -> bool {
        matches!(self.role.as_deref(), Some("system" | "developer"))
    }
}

/// The content of a message, as a list of parts; a plain string is one part.
#[derive(Debug, Clone, Default)]
pub(super) struct Content<'a>(pub(super) Vec<Part<'a>>);

impl<'a> Lenient<'a> for Content<'a> {
    fn from_text(text: Cow<'a, str>) -> Self {
        Self(vec![Part::Text(text)])
    }

    fn from_list<A: SeqAccess<'a>>(list: A) -> Result<Self, A::Error> {
        Lenient::from_list(list).map(Self)
    }
}

impl Content<'_> {
    /// The texts of all parts.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_ref()),
            _ => None,
        })
    }
}

/// One part of a content.
#[derive(Debug, Clone, Default)]
pub(super) enum Part<'a> {
    Text(Cow<'a, str>),
    Image(Image<'a>),
    Audio(Audio<'a>),
    /// Files and whatever comes: their tokens cannot be known here.
    #[default]
    Other,
}

/// `image_url`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Image<'a> {
    #[serde(borrow, deserialize_with = "lenient::any")]
    pub(super) url: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "lenient::any")]
    pub(super) detail: Option<Cow<'a, str>>,
}

impl<'a> Lenient<'a> for Option<Image<'a>> {
    /// The Responses API and some compatible servers take the URL itself.
    fn from_text(url: Cow<'a, str>) -> Self {
        Some(Image {
            url: Some(url),
            detail: None,
        })
    }

    fn from_object<A: MapAccess<'a>>(object: A) -> Result<Self, A::Error> {
        lenient::members(object).map(Some)
    }
}

/// `input_audio`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Audio<'a> {
    #[serde(borrow, deserialize_with = "lenient::any")]
    pub(super) data: Option<Cow<'a, str>>,
}

impl<'a> Lenient<'a> for Option<Audio<'a>> {
    fn from_object<A: MapAccess<'a>>(object: A) -> Result<Self, A::Error> {
        lenient::members(object).map(Some)
    }
}

impl<'a> Lenient<'a> for Part<'a> {
    fn from_text(text: Cow<'a, str>) -> Self {
        Self::Text(text)
    }

    /// The kind follows from the member that is there, so `type` need not be read.
    fn from_object<A: MapAccess<'a>>(object: A) -> Result<Self, A::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Raw<'a> {
            #[serde(borrow, deserialize_with = "lenient::any")]
            text: Option<Cow<'a, str>>,
            #[serde(borrow, deserialize_with = "lenient::any")]
            refusal: Option<Cow<'a, str>>,
            #[serde(borrow, deserialize_with = "lenient::any")]
            image_url: Option<Image<'a>>,
            #[serde(borrow, deserialize_with = "lenient::any")]
            input_audio: Option<Audio<'a>>,
            /// Beside the URL, where that is a text.
            #[serde(borrow, deserialize_with = "lenient::any")]
            detail: Option<Cow<'a, str>>,
        }
        let raw: Raw<'a> = lenient::members(object)?;
        let text = raw.text.or(raw.refusal).map(Self::Text);
        let image = || {
            raw.image_url.map(|image| {
                Self::Image(Image {
                    detail: image.detail.or(raw.detail),
                    ..image
                })
            })
        };
        let audio = || raw.input_audio.map(Self::Audio);
        Ok(text.or_else(image).or_else(audio).unwrap_or_default())
    }
}
