//! The end of a call as JavaScript gets it.

use super::Streaming;

/// What a call ends with.
#[derive(Debug)]
pub struct End {
    /// JSON.
    pub text: String,
    /// Numbers that belong into it; they cross the boundary as they lie in memory.
    pub floats: Option<Vec<f32>>,
    /// A stream that has begun; the text is its head, an object with fields.
    pub stream: Option<Box<Streaming>>,
}

impl From<String> for End {
    fn from(text: String) -> Self {
        End {
            text,
            floats: None,
            stream: None,
        }
    }
}

impl From<Box<Streaming>> for End {
    fn from(stream: Box<Streaming>) -> Self {
        End {
            text: stream.head(),
            floats: None,
            stream: Some(stream),
        }
    }
}
