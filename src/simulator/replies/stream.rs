//! A reply as server-sent events: the chunks of a streamed chat or completion, one after the other.

use std::fmt::Write as _;

use bytes::Bytes;
use fastrand::Rng;
use serde_json::json;

use super::reply::{FINGERPRINT, Reply, Usage};
use super::words::Words;
use crate::simulator::randomness::letters_and_digits;

/// Which chunks are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::simulator) enum ChunkForm {
    /// `chat.completion.chunk` with deltas.
    Chat,
    /// `text_completion` with texts.
    Completion,
}

/// What the request asks of its stream.
#[derive(Debug, Clone, Copy)]
pub(in crate::simulator) struct StreamForm {
    pub(in crate::simulator) chunks: ChunkForm,
    /// A last chunk with the usage, and `"usage":null` in all before it.
    pub(in crate::simulator) include_usage: bool,
    /// Random padding in each chat chunk against guessing its text from its size; on by default since 2025.
    pub(in crate::simulator) obfuscate: bool,
    /// Time before each round of tokens, in milliseconds.
    pub(in crate::simulator) ms_per_token: f64,
}

/// One event and the time that passes before it.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::simulator) struct Event {
    pub(in crate::simulator) bytes: Bytes,
    pub(in crate::simulator) pause_ms: f64,
}

/// The rest of a streamed reply. Its choices take turns, one token each, as they do when they are generated together.
#[derive(Debug)]
pub(in crate::simulator) struct EventStream {
    form: StreamForm,
    /// `data: {…,"choices":[`: the same in every chunk.
    head: String,
    /// Never empty, as in a [`Reply`].
    choices: Vec<Choice>,
    usage: Usage,
    padding: Rng,
    step: Step,
}

#[derive(Debug)]
struct Choice {
    words: Words,
    left: u32,
    finish_reason: &'static str,
}

/// What comes next; the number is the choice whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Role(usize),
    Token(usize),
    Finish(usize),
    Usage,
    Done,
    Ended,
}

impl EventStream {
    pub(in crate::simulator) fn new(reply: &Reply<'_>, form: StreamForm) -> EventStream {
        let (object, tier) = match form.chunks {
            ChunkForm::Chat => ("chat.completion.chunk", r#""service_tier":"default","#),
            ChunkForm::Completion => ("text_completion", ""),
        };
        let head = format!(
            r#"data: {{"id":"{}","object":"{object}","created":{},"model":{},{tier}"system_fingerprint":"{FINGERPRINT}","choices":["#,
            reply.id,
            reply.created,
            json!(reply.model),
        );
        EventStream {
            head,
            choices: reply
                .outputs
                .iter()
                .map(|output| Choice {
                    words: Words::new(output.seed),
                    left: output.tokens,
                    finish_reason: output.finish_reason(),
                })
                .collect(),
            usage: reply.usage(),
            padding: Rng::with_seed(reply.outputs.first().map_or(0, |output| !output.seed)),
            step: match form.chunks {
                ChunkForm::Chat => Step::Role(0),
                ChunkForm::Completion => Step::Token(0),
            },
            form,
        }
    }

    fn role(&mut self, index: usize) -> Event {
        self.step = if index + 1 < self.choices.len() {
            Step::Role(index + 1)
        } else {
            Step::Token(0)
        };
        let delta = r#"{"role":"assistant","content":"","refusal":null}"#;
        self.chunk(&chat_choice(index, delta, "null"), 0.0)
    }

    /// The next token of the next choice that has one; `None` when all are written.
    fn token(&mut self, turn: usize) -> Option<Event> {
        let turns = self.choices.len();
        let index = (turn..turn + turns).find(|at| self.choices[at % turns].left > 0)?;
        // Past the last choice a new round begins, and with it the time of one token.
        let pause_ms = if turn == 0 || index >= turns {
            self.form.ms_per_token
        } else {
            0.0
        };
        let index = index % turns;
        let choice = &mut self.choices[index];
        choice.left -= 1;
        let word = choice.words.next().unwrap_or_default();
        self.step = Step::Token((index + 1) % turns);
        let body = match self.form.chunks {
            ChunkForm::Chat => chat_choice(index, &format!(r#"{{"content":"{word}"}}"#), "null"),
            ChunkForm::Completion => text_choice(index, word, "null"),
        };
        Some(self.chunk(&body, pause_ms))
    }

    fn finish(&mut self, index: usize) -> Event {
        self.step = if index + 1 < self.choices.len() {
            Step::Finish(index + 1)
        } else if self.form.include_usage {
            Step::Usage
        } else {
            Step::Done
        };
        let reason = format!(r#""{}""#, self.choices[index].finish_reason);
        let body = match self.form.chunks {
            ChunkForm::Chat => chat_choice(index, "{}", &reason),
            ChunkForm::Completion => text_choice(index, "", &reason),
        };
        self.chunk(&body, 0.0)
    }

    fn usage(&mut self) -> Event {
        self.step = Step::Done;
        // Numbers always serialize.
        let usage = serde_json::to_string(&self.usage).unwrap_or_default();
        self.event("", &usage, 0.0)
    }

    fn chunk(&mut self, choice: &str, pause_ms: f64) -> Event {
        self.event(choice, "null", pause_ms)
    }

    fn event(&mut self, choice: &str, usage: &str, pause_ms: f64) -> Event {
        let mut text = String::with_capacity(self.head.len() + choice.len() + usage.len() + 64);
        text.push_str(&self.head);
        text.push_str(choice);
        text.push(']');
        // Writing into a String cannot fail.
        if self.form.include_usage {
            let _ = write!(text, r#","usage":{usage}"#);
        }
        if self.form.obfuscate && self.form.chunks == ChunkForm::Chat {
            let length = self.padding.usize(1..=16);
            let padding = letters_and_digits(&mut self.padding, length);
            let _ = write!(text, r#","obfuscation":"{padding}""#);
        }
        text.push_str("}\n\n");
        Event {
            bytes: Bytes::from(text),
            pause_ms,
        }
    }
}

impl Iterator for EventStream {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        Some(match self.step {
            Step::Role(index) => self.role(index),
            Step::Token(turn) => match self.token(turn) {
                Some(event) => event,
                None => self.finish(0),
            },
            Step::Finish(index) => self.finish(index),
            Step::Usage => self.usage(),
            Step::Done => {
                self.step = Step::Ended;
                Event {
                    bytes: Bytes::from_static(b"data: [DONE]\n\n"),
                    pause_ms: 0.0,
                }
            }
            Step::Ended => return None,
        })
    }
}

fn chat_choice(index: usize, delta: &str, finish_reason: &str) -> String {
    format!(
        r#"{{"index":{index},"delta":{delta},"logprobs":null,"finish_reason":{finish_reason}}}"#
    )
}

fn text_choice(index: usize, text: &str, finish_reason: &str) -> String {
    format!(
        r#"{{"text":"{text}","index":{index},"logprobs":null,"finish_reason":{finish_reason}}}"#
    )
}

#[cfg(test)]
mod tests {
    use super::super::Output;
    use super::*;
    use serde_json::Value;

    const PLAIN: StreamForm = StreamForm {
        chunks: ChunkForm::Chat,
        include_usage: false,
        obfuscate: false,
        ms_per_token: 3.0,
    };

    fn reply(lengths: &[u32]) -> Reply<'static> {
        Reply {
            id: "chatcmpl-1".to_owned(),
            created: 1_790_000_000,
            model: "gpt-\"4o",
            prompt_tokens: 9,
            cached_tokens: 0,
            outputs: lengths
                .iter()
                .enumerate()
                .map(|(index, tokens)| Output {
                    seed: index as u64,
                    tokens: *tokens,
                    cut: index == 1,
                })
                .collect(),
        }
    }

    /// The JSON of all events but the last, which must be `[DONE]`.
    fn chunks(reply: &Reply<'_>, form: StreamForm) -> Vec<Value> {
        let mut texts: Vec<String> = EventStream::new(reply, form)
            .map(|event| String::from_utf8(event.bytes.to_vec()).unwrap())
            .collect();
        assert_eq!(texts.pop().unwrap(), "data: [DONE]\n\n");
        texts
            .iter()
            .map(|text| {
                let json = text.strip_prefix("data: ").unwrap();
                serde_json::from_str(json.strip_suffix("\n\n").unwrap()).unwrap()
            })
            .collect()
    }

    #[test]
    fn a_chat_streams_its_role_its_words_and_its_end() {
        let chunks = chunks(&reply(&[3]), PLAIN);
        assert_eq!(chunks.len(), 1 + 3 + 1);
        assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
        assert_eq!(chunks[0]["choices"][0]["delta"]["content"], "");
        let text: String = chunks[1..4]
            .iter()
            .map(|chunk| chunk["choices"][0]["delta"]["content"].as_str().unwrap())
            .collect();
        assert_eq!(
            text,
            Words::text(0, 3),
            "the same words as in a whole reply"
        );
        assert_eq!(chunks[4]["choices"][0]["delta"], json!({}));
        assert_eq!(chunks[4]["choices"][0]["finish_reason"], "stop");
        for chunk in &chunks {
            assert_eq!(chunk["object"], "chat.completion.chunk");
            assert_eq!(chunk["model"], "gpt-\"4o");
            assert_eq!(chunk.get("usage"), None);
            assert_eq!(chunk.get("obfuscation"), None);
        }
    }

    #[test]
    fn usage_comes_in_a_chunk_of_its_own_and_only_when_asked_for() {
        let form = StreamForm {
            include_usage: true,
            obfuscate: true,
            ..PLAIN
        };
        let chunks = chunks(&reply(&[2]), form);
        let (last, others) = chunks.split_last().unwrap();
        assert_eq!(last["choices"], json!([]));
        assert_eq!(last["usage"]["total_tokens"], 11);
        for chunk in others {
            assert_eq!(chunk.get("usage"), Some(&Value::Null));
            assert!(chunk["obfuscation"].is_string());
        }
    }

    #[test]
    fn choices_take_turns_and_time_passes_once_a_round() {
        let reply = reply(&[2, 1, 3]);
        let stream = EventStream::new(&reply, PLAIN);
        let pauses: Vec<f64> = stream.map(|event| event.pause_ms).collect();
        let turns: Vec<u64> = chunks(&reply, PLAIN)
            .iter()
            .map(|chunk| chunk["choices"][0]["index"].as_u64().unwrap())
            .collect();
        assert_eq!(turns, [0, 1, 2, 0, 1, 2, 0, 2, 2, 0, 1, 2]);
        assert_eq!(
            pauses,
            [
                0.0, 0.0, 0.0, 3.0, 0.0, 0.0, 3.0, 0.0, 3.0, 0.0, 0.0, 0.0, 0.0
            ]
        );
    }

    #[test]
    fn a_completion_streams_texts() {
        let form = StreamForm {
            chunks: ChunkForm::Completion,
            obfuscate: true,
            ..PLAIN
        };
        let chunks = chunks(&reply(&[2, 0]), form);
        assert_eq!(chunks.len(), 2 + 2);
        assert_eq!(chunks[0]["object"], "text_completion");
        assert_eq!(chunks[0]["choices"][0]["text"], Words::text(0, 1));
        assert_eq!(chunks[3]["choices"][0]["finish_reason"], "length");
        assert_eq!(chunks[0].get("obfuscation"), None);
    }
}
