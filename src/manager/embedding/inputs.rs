//! The inputs of an embeddings request: how large each is, and where it stands in the body.

use std::ops::Range;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::form::Form;
use crate::{
    body::quoted,
    error::{Code, Error, Result},
    manager::{Request, request::parse_object},
    models::{self, Encoding},
    tokens::{self, Estimate},
};

/// A request whose body can be taken apart.
#[derive(Debug, Clone)]
pub(super) struct Inputs {
    /// The whole request, as it is sent where it is sent in one.
    whole: Request,
    /// How its embeddings are given back.
    pub(super) form: Form,
    /// The body without its inputs.
    rest: String,
    /// Where they stand in the body of `whole`, all together.
    all: Range<usize>,
    /// Where each input stands in the body of `whole`; nothing where there is one, which is no list, or none that OpenAI takes.
    spans: Vec<Range<usize>>,
    /// The size of each; nothing where OpenAI does not take them.
    sizes: Vec<Estimate>,
}

/// What requests must have in common for their inputs to go together: the rest of their bodies, how they are given back, and whether
/// they are texts, which do not go with tokens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Kin {
    rest: String,
    form: Form,
    are_texts: bool,
}

impl Inputs {
    /// Takes a request apart. Fails where an input is longer than OpenAI's model takes. Takes as long as counting its tokens.
    pub(super) fn read(request: Request) -> Result<Self> {
        let json = std::str::from_utf8(&request.body).unwrap_or_default();
        let mut body = parse_object(json, "params")?;
        let form = Form::of(&body);
        let sent = form.sent(&request.model);
        if let Some(sent) = sent {
            body.set("encoding_format", quoted(sent));
        }
        let raw = body.remove("input").unwrap_or_default();
        let (items, sizes) = measured(&raw, models::encoding(&request.model));
        let rest = body.to_json();
        let (whole, at) = match sent {
            None => (request.body.clone(), offset(json, &raw)),
            Some(_) => {
                let (head, tail) = with_input(&rest);
                let at = head.len();
                (Bytes::from(head + &raw + tail), at)
            }
        };
        let spans = items
            .iter()
            .map(|item| at + item.start..at + item.end)
            .collect();
        refuse_too_long(&request.model, &sizes, !items.is_empty())?;
        let whole = Request {
            body: whole,
            counted: sum(&sizes),
            ..request.clone()
        };
        Ok(Inputs {
            whole,
            form,
            rest,
            all: at..at + raw.len(),
            spans,
            sizes,
        })
    }

    /// The inputs of requests that are kin, one after the other; of at least one.
    pub(super) fn merged(mut members: Vec<Self>) -> Self {
        if members.len() == 1 {
            return members.remove(0);
        }
        let (head, tail) = with_input(&members[0].rest);
        let mut body = head.into_bytes();
        let start = body.len();
        let mut spans = Vec::new();
        let mut sizes = Vec::new();
        for (index, member) in members.iter().enumerate() {
            body.push(if index == 0 { b'[' } else { b',' });
            let from = member.items(&(0..member.len()));
            let moved = body.len();
            let own = std::slice::from_ref(&member.all);
            let own = if member.spans.is_empty() {
                own
            } else {
                &member.spans
            };
            spans.extend(
                own.iter()
                    .map(|span| moved + span.start - from.start..moved + span.end - from.start),
            );
            body.extend_from_slice(&member.whole.body[from]);
            sizes.extend_from_slice(&member.sizes);
        }
        body.push(b']');
        let all = start..body.len();
        body.extend_from_slice(tail.as_bytes());
        let first = members.remove(0);
        Inputs {
            whole: Request {
                body: Bytes::from(body),
                counted: sum(&sizes),
                ..first.whole
            },
            all,
            spans,
            sizes,
            ..first
        }
    }

    /// The request for all of them.
    pub(super) fn request(&self) -> &Request {
        &self.whole
    }

    /// `None` where OpenAI does not take them: then they must not go with others.
    pub(super) fn kin(&self) -> Option<Kin> {
        if self.sizes.is_empty() {
            return None;
        }
        let first = self.items(&(0..1)).start;
        Some(Kin {
            rest: self.rest.clone(),
            form: self.form,
            are_texts: self.whole.body.get(first) == Some(&b'"'),
        })
    }

    /// The tokens of all, as OpenAI will state them.
    pub(super) fn prompt_tokens(&self) -> u64 {
        self.sizes.iter().map(|size| size.prompt_tokens).sum()
    }

    /// Where some of them stand in the body, with what separates them.
    fn items(&self, inputs: &Range<usize>) -> Range<usize> {
        match self.spans.get(inputs.clone()) {
            Some([first, .., last]) => first.start..last.end,
            Some([only]) => only.clone(),
            _ => self.all.clone(),
        }
    }

    /// How many there are, as far as parts go: one that is no list is one.
    pub(super) fn len(&self) -> usize {
        self.spans.len().max(1)
    }

    /// The tokens of each that are booked.
    pub(super) fn tokens(&self) -> Vec<u64> {
        match self.sizes.len() == self.len() {
            true => self.sizes.iter().map(Estimate::admission_tokens).collect(),
            false => vec![0],
        }
    }

    /// The request for some of them.
    pub(super) fn part(&self, inputs: &Range<usize>) -> Request {
        if *inputs == (0..self.len()) {
            return self.whole.clone();
        }
        let (head, tail) = with_input(&self.rest);
        let span = self.items(inputs);
        let mut body = Vec::with_capacity(head.len() + span.len() + tail.len() + 2);
        body.extend_from_slice(head.as_bytes());
        body.push(b'[');
        body.extend_from_slice(&self.whole.body[span]);
        body.push(b']');
        body.extend_from_slice(tail.as_bytes());
        Request {
            body: Bytes::from(body),
            counted: sum(&self.sizes[inputs.clone()]),
            ..self.whole.clone()
        }
    }
}

/// What stands before and behind the inputs in a body; `rest` is an object with a model.
fn with_input(rest: &str) -> (String, &'static str) {
    let open = rest.strip_suffix('}').unwrap_or(rest);
    (format!("{open},\"input\":"), "}")
}

/// Where a part of a text begins.
fn offset(text: &str, part: &str) -> usize {
    part.as_ptr() as usize - text.as_ptr() as usize
}

/// Where each item of a list of inputs stands in its JSON, and the size of each input. A text, or a list of tokens, is one input and no
/// list; what OpenAI does not take has no sizes: its own error says more about it than ours could.
fn measured(raw: &str, encoding: Encoding) -> (Vec<Range<usize>>, Vec<Estimate>) {
    let size = |raw: &str| {
        tokens::estimate_input(raw, encoding).unwrap_or_else(|_| Estimate::by_length(raw.len()))
    };
    if raw.starts_with('"') {
        return (Vec::new(), vec![size(raw)]);
    }
    let items: Vec<&RawValue> = serde_json::from_str(raw).unwrap_or_default();
    let begin_with = |accepted: fn(char) -> bool| {
        let mut items = items.iter();
        items.all(|item| item.get().starts_with(accepted))
    };
    if items.is_empty() {
        return (Vec::new(), Vec::new());
    }
    if begin_with(|first| first.is_ascii_digit()) {
        return (Vec::new(), vec![size(raw)]);
    }
    if !begin_with(|first| first == '"') && !begin_with(|first| first == '[') {
        return (Vec::new(), Vec::new());
    }
    let items = items.into_iter().map(RawValue::get);
    items
        .map(|item| {
            let at = offset(raw, item);
            (at..at + item.len(), size(item))
        })
        .unzip()
}

/// The size of some inputs together; `None` of none.
fn sum(sizes: &[Estimate]) -> Option<Estimate> {
    sizes.iter().copied().reduce(|sum, size| Estimate {
        prompt_tokens: sum.prompt_tokens.saturating_add(size.prompt_tokens),
        characters: sum.characters.saturating_add(size.characters),
        ..sum
    })
}

/// What the longest input may have is known of OpenAI's own models.
fn refuse_too_long(model: &str, sizes: &[Estimate], is_list: bool) -> Result<()> {
    let Some(model) = models::find(model).filter(|model| model.embedding()) else {
        return Ok(());
    };
    let most = model.context_window;
    let too_long = sizes.iter().position(|size| size.prompt_tokens > most);
    let Some(index) = too_long else {
        return Ok(());
    };
    let which = match is_list {
        true => format!("input {index}"),
        false => "the input".to_owned(),
    };
    Err(Error::new(
        Code::TooLarge,
        format!(
            "{which} has {} tokens, and {} takes {most} in one input; split it",
            sizes[index].prompt_tokens, model.name
        ),
    ))
}

/// Reads a request apart on a thread of its own where that takes long.
pub(super) async fn read(request: Request) -> Result<Inputs> {
    if !request.is_long() {
        return Inputs::read(request);
    }
    tokio::task::spawn_blocking(|| Inputs::read(request))
        .await
        // The closure does not panic; a runtime that is shutting down drops it, and then nobody waits for the answer.
        .unwrap_or_else(|_| Err(Error::new(Code::Closed, "the process is ending")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{CallOptions, Settings},
        tokens::Endpoint,
    };

    fn inputs(json: &str) -> Inputs {
        let settings = Settings::parse(r#"{"accounts":{"a":"k"}}"#).unwrap();
        let options = CallOptions::default();
        Inputs::read(Request::new(Endpoint::Embeddings, json.into(), options, &settings).unwrap())
            .unwrap()
    }

    fn body(request: &Request) -> &str {
        std::str::from_utf8(&request.body).unwrap()
    }

    #[test]
    fn a_part_has_its_inputs_byte_for_byte_and_all_else() {
        let own = inputs(r#"{"input" : [ "a\u0062" ,"]," , "\"x" ],"model":"own","n":1.0}"#);
        assert_eq!((own.len(), own.form), (3, Form::Numbers));
        assert_eq!(
            body(&own.part(&(0..2))),
            r#"{"model":"own","n":1.0,"input":["a\u0062" ,"],"]}"#
        );
        assert_eq!(
            body(&own.part(&(2..3))),
            r#"{"model":"own","n":1.0,"input":["\"x"]}"#
        );
        // In one it goes as it came.
        assert!(body(&own.part(&(0..3))).starts_with(r#"{"input" : [ "#));
        let openais = inputs(r#"{"input":[[1,2],[3]],"model":"text-embedding-3-small"}"#);
        assert_eq!(
            body(&openais.part(&(1..2))),
            r#"{"model":"text-embedding-3-small","encoding_format":"base64","input":[[3]]}"#
        );
    }

    #[test]
    fn a_part_is_counted_as_its_body_would_be() {
        let all = inputs(r#"{"model":"own","input":["one","two words",""]}"#);
        for part in [0..3, 0..2, 1..3] {
            let request = all.part(&part);
            let encoding = models::encoding("own");
            let counted = tokens::estimate(Endpoint::Embeddings, body(&request), encoding);
            assert_eq!(request.counted, Some(counted.unwrap()));
        }
    }

    #[test]
    fn merged_inputs_are_those_of_all_one_after_the_other() {
        let rest = r#""model":"own""#;
        let members = [r#""a""#, r#"[ "b", "c" ]"#, r#"["d"]"#];
        let members = members.map(|input| inputs(&format!(r#"{{{rest},"input":{input}}}"#)));
        assert!(
            members
                .windows(2)
                .all(|pair| pair[0].kin() == pair[1].kin())
        );
        let merged = Inputs::merged(members.to_vec());
        assert_eq!(
            body(merged.request()),
            r#"{"model":"own","input":["a","b", "c","d"]}"#
        );
        assert_eq!(
            body(&merged.part(&(1..3))),
            r#"{"model":"own","input":["b", "c"]}"#
        );
        assert_eq!(
            body(&merged.part(&(3..4))),
            r#"{"model":"own","input":["d"]}"#
        );
        assert_eq!(merged.prompt_tokens(), 4);
    }

    #[test]
    fn what_openai_does_not_take_stays_in_one_and_alone() {
        for input in [
            "[]",
            "null",
            r#"["a",1]"#,
            r#"["a",["b"]]"#,
            "[null]",
            "{}",
            "7",
        ] {
            let json = format!(r#"{{"model":"own","input":{input},"x":0}}"#);
            let settings = Settings::parse(r#"{"accounts":{"a":"k"}}"#).unwrap();
            let Ok(request) = Request::new(
                Endpoint::Embeddings,
                json,
                CallOptions::default(),
                &settings,
            ) else {
                continue;
            };
            let odd = Inputs::read(request).unwrap();
            assert_eq!((odd.len(), odd.kin()), (1, None), "{input}");
            assert_eq!(odd.tokens(), [0]);
        }
    }
}
