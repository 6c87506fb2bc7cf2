//! The embeddings of all parts, put together as they come.
//!
//! A body is read and let go when its part is there: what is kept is the numbers, at their place among all. Only where a caller wants
//! the texts of the server, or the server does not write floats in base64, are bodies kept to the end.

use std::{fmt::Write, ops::Range};

use bytes::Bytes;
use serde_json::json;

use super::{
    answer::{Answer, Vector, to_base64},
    form::Form,
};
use crate::{
    body::{Body, quoted},
    error::{Code, Error, Result},
    usage::Usage,
};

/// Bodies from this size on are read on a thread of their own, so that other requests do not wait behind them.
const LONG_BODY: usize = 256 * 1024;

/// What is there so far.
#[derive(Debug)]
pub(super) struct Assembly {
    form: Form,
    /// How many there are to be.
    inputs: usize,
    dimensions: Option<usize>,
    /// Of all inputs, one after the other; zeros where none is there.
    floats: Vec<f32>,
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    inputs: Range<usize>,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// Its numbers are in their place; this is the rest of its body, of the first part.
    Floats(Option<String>),
    /// As it came.
    Body(Bytes),
}

/// Everything that a caller gets.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Whole {
    /// JSON in OpenAI's shape, `data` null in it, and the numbers that belong there.
    Floats {
        head: String,
        dimensions: usize,
        floats: Vec<f32>,
    },
    /// JSON in OpenAI's shape.
    Json(Bytes),
}

impl Whole {
    /// Some of the inputs out of so many, which used so much.
    pub(super) fn share(
        &self,
        inputs: &Range<usize>,
        all: usize,
        usage: Option<&Usage>,
    ) -> Result<Self> {
        match self {
            Whole::Floats {
                head,
                dimensions,
                floats,
            } => {
                let mut head = Body::parse(head).map_err(|_| no_embeddings())?;
                set_usage(&mut head, usage);
                Ok(Whole::Floats {
                    head: head.to_json(),
                    dimensions: *dimensions,
                    floats: floats[inputs.start * dimensions..inputs.end * dimensions].to_vec(),
                })
            }
            Whole::Json(body) => {
                let Answer { mut head, vectors } =
                    parse(body, &(0..all)).ok_or_else(no_embeddings)?;
                let mut data = Data::default();
                for vector in &vectors[inputs.clone()] {
                    data.push(&vector.as_json());
                }
                set_usage(&mut head, usage);
                head.set("data", data.finish());
                Ok(Whole::Json(Bytes::from(head.to_json())))
            }
        }
    }
}

impl Assembly {
    pub(super) fn new(form: Form, inputs: usize) -> Self {
        Assembly {
            form,
            inputs,
            dimensions: None,
            floats: Vec::new(),
            parts: Vec::new(),
        }
    }

    /// Adds the body of a part. Reads it on a thread of its own where that takes long.
    pub(super) async fn add(self, inputs: Range<usize>, body: Bytes) -> Result<Self> {
        if body.len() < LONG_BODY {
            return self.with(inputs, body);
        }
        tokio::task::spawn_blocking(|| self.with(inputs, body))
            .await
            // The closure does not panic; a runtime that is shutting down drops it, and then nobody waits for the answer.
            .unwrap_or_else(|_| Err(Error::new(Code::Closed, "the process is ending")))
    }

    fn with(mut self, inputs: Range<usize>, body: Bytes) -> Result<Self> {
        let is_read = matches!(self.form, Form::Numbers | Form::Float32);
        let content = match is_read.then(|| self.take_in(&inputs, &body)).flatten() {
            Some(head) => Content::Floats((inputs.start == 0).then_some(head)),
            None if self.form == Form::Float32 => return Err(no_embeddings()),
            // The order of a single part is the server's own business, and so is its shape.
            None if inputs.len() < self.inputs && parse(&body, &inputs).is_none() => {
                return Err(no_embeddings());
            }
            None => Content::Body(body),
        };
        self.parts.push(Part { inputs, content });
        Ok(self)
    }

    /// Writes a part's numbers to their place and returns the rest of its body; `None` where they cannot stand there.
    fn take_in(&mut self, inputs: &Range<usize>, body: &Bytes) -> Option<String> {
        let Answer { head, vectors } = parse(body, inputs)?;
        let is_exact = vectors
            .iter()
            .all(|vector| matches!(vector, Vector::Base64(_)));
        if self.form == Form::Numbers && !is_exact {
            return None;
        }
        let dimensions = match self.dimensions {
            Some(dimensions) => dimensions,
            None => vectors.first()?.dimensions().filter(|count| *count > 0)?,
        };
        self.floats.resize(self.inputs * dimensions, 0.0);
        let places = &mut self.floats[inputs.start * dimensions..inputs.end * dimensions];
        let mut scratch = Vec::new();
        for (vector, place) in vectors.iter().zip(places.chunks_exact_mut(dimensions)) {
            vector.write(place, &mut scratch)?;
        }
        self.dimensions = Some(dimensions);
        Some(head.to_json())
    }

    /// All parts together, which used so much; what a single part says of that stays as it came.
    pub(super) fn finish(mut self, usage: Option<&Usage>) -> Result<Whole> {
        self.parts.sort_unstable_by_key(|part| part.inputs.start);
        if let [
            Part {
                inputs,
                content: Content::Body(body),
            },
        ] = &self.parts[..]
            && !self.is_in_another_form(body, inputs)
        {
            return Ok(Whole::Json(body.clone()));
        }
        let first = self.parts.first().ok_or_else(no_embeddings)?;
        let head = match &first.content {
            Content::Floats(head) => head.clone().unwrap_or_default(),
            Content::Body(body) => {
                let answer = parse(body, &first.inputs).ok_or_else(no_embeddings)?;
                answer.head.to_json()
            }
        };
        let mut head = Body::parse(&head).map_err(|_| no_embeddings())?;
        if self.parts.len() > 1 {
            set_usage(&mut head, usage);
        }
        let bodies = |part: &Part| matches!(part.content, Content::Body(_));
        match self.dimensions.filter(|_| !self.parts.iter().any(bodies)) {
            Some(dimensions) => Ok(Whole::Floats {
                head: head.to_json(),
                dimensions,
                floats: self.floats,
            }),
            None => {
                let data = self.data()?;
                head.set("data", data);
                Ok(Whole::Json(Bytes::from(head.to_json())))
            }
        }
    }

    /// Whether the server has answered a caller who wants base64 with numbers.
    fn is_in_another_form(&self, body: &Bytes, inputs: &Range<usize>) -> bool {
        let is_json = |vector: &Vector<'_>| matches!(vector, Vector::Json(_));
        self.form == Form::Base64
            && parse(body, inputs).is_some_and(|answer| answer.vectors.iter().any(is_json))
    }

    /// All embeddings as JSON.
    fn data(&self) -> Result<String> {
        let mut data = Data::default();
        for part in &self.parts {
            match &part.content {
                Content::Floats(_) => {
                    let dimensions = self.dimensions.unwrap_or_default();
                    for index in part.inputs.clone() {
                        let at = index * dimensions;
                        data.push(&numbers_json(&self.floats[at..at + dimensions]));
                    }
                }
                Content::Body(body) => {
                    let answer = parse(body, &part.inputs).ok_or_else(no_embeddings)?;
                    for vector in &answer.vectors {
                        data.push(&self.as_wanted(vector));
                    }
                }
            }
        }
        Ok(data.finish())
    }

    /// An embedding as JSON, in the form that the caller wants.
    fn as_wanted(&self, vector: &Vector<'_>) -> String {
        let floats = || {
            let mut floats = vec![0.0; vector.dimensions()?];
            vector.write(&mut floats, &mut Vec::new())?;
            Some(floats)
        };
        match (vector, self.form) {
            (Vector::Base64(_), Form::Numbers) => floats().as_deref().map(numbers_json),
            (Vector::Json(_), Form::Base64) => floats().map(|floats| quoted(&to_base64(&floats))),
            _ => None,
        }
        .unwrap_or_else(|| vector.as_json())
    }
}

/// A list of embeddings in OpenAI's shape, as it grows.
#[derive(Debug, Default)]
struct Data {
    json: String,
    count: usize,
}

impl Data {
    fn push(&mut self, embedding: &str) {
        let before = if self.count == 0 { '[' } else { ',' };
        let index = self.count;
        let _ = write!(
            self.json,
            r#"{before}{{"object":"embedding","index":{index},"embedding":{embedding}}}"#
        );
        self.count += 1;
    }

    fn finish(mut self) -> String {
        self.json.push_str(if self.count == 0 { "[]" } else { "]" });
        self.json
    }
}

fn parse<'a>(body: &'a Bytes, inputs: &Range<usize>) -> Option<Answer<'a>> {
    Answer::parse(std::str::from_utf8(body).ok()?, inputs.len())
}

/// The numbers that a float's bits stand for, as OpenAI's own client gives them; JSON has no word for those that are none.
fn numbers_json(floats: &[f32]) -> String {
    json!(floats.iter().copied().map(f64::from).collect::<Vec<_>>()).to_string()
}

fn set_usage(head: &mut Body<'_>, usage: Option<&Usage>) {
    match usage {
        Some(usage) => head.set(
            "usage",
            format!(
                r#"{{"prompt_tokens":{},"total_tokens":{}}}"#,
                usage.input_tokens, usage.total_tokens
            ),
        ),
        None => drop(head.remove("usage")),
    }
}

fn no_embeddings() -> Error {
    Error::new(
        Code::Upstream,
        "the answer does not hold one embedding for each input",
    )
}
