//! Which lasting things a request names: those that one account has made and no other one knows.

use std::{collections::HashSet, fmt};

use memchr::memmem;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::tokens::Endpoint;

/// What ids of lasting things begin with.
const KINDS: [&str; 9] = [
    "resp_", "conv_", "file-", "batch_", "vs_", "ftjob-", "upload_", "video_", "cntr_",
];

/// Fields that name such a thing, or several, wherever they stand in a body.
const FIELDS: [&str; 9] = [
    "previous_response_id",
    "conversation",
    "input_file_id",
    "training_file",
    "validation_file",
    "file_id",
    "file_ids",
    "vector_store_ids",
    "container",
];

/// The only one that a chat can have.
const FIELD_OF_CHATS: &[u8] = b"\"file_id\"";

/// Whether requests to an endpoint make something that lasts: those for chats and embeddings do not.
pub(super) fn can_make(endpoint: Endpoint) -> bool {
    matches!(endpoint, Endpoint::Responses | Endpoint::Other)
}

/// Whether an id is one of a lasting thing.
pub(super) fn is_lasting(id: &str) -> bool {
    KINDS.iter().any(|kind| id.starts_with(kind))
}

/// The ids of lasting things that a request names, in its path or in its body of JSON.
pub(super) fn named_by(endpoint: Endpoint, path: &str, body: Option<&str>) -> Vec<String> {
    let mut ids: Vec<String> = match can_make(endpoint) {
        true => path.split('/').map(str::to_owned).collect(),
        false => Vec::new(),
    };
    // Nearly no chat names anything, so that their bodies are not read for it.
    let can_name =
        |body: &&str| can_make(endpoint) || memmem::find(body.as_bytes(), FIELD_OF_CHATS).is_some();
    if let Some(body) = body.filter(can_name) {
        let mut json = serde_json::Deserializer::from_str(body);
        // What is no JSON names nothing beyond what was found up to there.
        let _ = Search::new(&mut ids).deserialize(&mut json);
    }
    ids.retain(|id| is_lasting(id));
    let mut seen = HashSet::new();
    ids.retain(|id| seen.insert(id.clone()));
    ids
}

/// Looks through a value for ids.
struct Search<'a> {
    found: &'a mut Vec<String>,
    /// Whether texts here are ids: it is the value of one of the fields.
    is_id: bool,
}

impl<'a> Search<'a> {
    fn new(found: &'a mut Vec<String>) -> Self {
        Search {
            found,
            is_id: false,
        }
    }

    fn inside(&mut self, is_id: bool) -> Search<'_> {
        Search {
            found: self.found,
            is_id,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Search<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Search<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        if self.is_id {
            self.found.push(text.to_owned());
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        let is_id = self.is_id;
        while list.next_element_seed(self.inside(is_id))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut object: A) -> Result<(), A::Error> {
        while let Some(Named { is_field, is_id }) = object.next_key_seed(Key)? {
            // A conversation can also be an object with its id.
            let is_id = is_field || (self.is_id && is_id);
            object.next_value_seed(self.inside(is_id))?;
        }
        Ok(())
    }
}

/// What a member's name says about its value.
struct Named {
    is_field: bool,
    is_id: bool,
}

/// Reads a member's name without keeping it.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Named;

    fn deserialize<D: Deserializer<'de>>(self, name: D) -> Result<Named, D::Error> {
        name.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Named;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Named, E> {
        Ok(Named {
            is_field: FIELDS.contains(&name),
            is_id: name == "id",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_in_paths_and_bodies() {
        for (endpoint, path, body, expected) in [
            (
                Endpoint::Other,
                "/files/file-9/content",
                None,
                vec!["file-9"],
            ),
            (
                Endpoint::Responses,
                "/responses",
                Some(
                    r#"{"previous_response_id":"resp_1","conversation":{"id":"conv_2","x":"conv_3"},"user":"file-3","input_file_id":null}"#,
                ),
                vec!["resp_1", "conv_2"],
            ),
            (
                Endpoint::Responses,
                "/responses",
                Some(
                    r#"{"input":[{"role":"user","content":[{"type":"input_file","file_id":"file-1"},{"type":"input_text",
                    "text":"\"file_id\": \"file-2\""}]}],"tools":[{"type":"file_search","vector_store_ids":["vs_1","vs_2"]},
                    {"type":"code_interpreter","container":"cntr_1"},{"container":{"type":"auto","file_ids":["file-4","file-1"]}}]}"#,
                ),
                vec!["file-1", "vs_1", "vs_2", "cntr_1", "file-4"],
            ),
            (
                Endpoint::Chat,
                "/file-0",
                Some(
                    r#"{"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"file-5"}}]}]}"#,
                ),
                vec!["file-5"],
            ),
            (
                Endpoint::Chat,
                "/chat/completions",
                Some(
                    r#"{"messages":[{"role":"user","content":"file-5"}],"previous_response_id":"resp_1"}"#,
                ),
                vec![],
            ),
            (
                Endpoint::Other,
                "/x",
                Some(r#"{"file_id":"file-1", oops"#),
                vec!["file-1"],
            ),
        ] {
            assert_eq!(named_by(endpoint, path, body), expected, "{body:?}");
        }
    }
}
