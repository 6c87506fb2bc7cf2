//! Server-sent events: bytes in, events out, however the bytes are cut.
//!
//! The format is that of the [HTML standard](https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream),
//! with one liberty: an event that the end of the stream cuts off before its blank line is given as well, since some servers leave
//! the last one out. Whether it is a whole one, only its reader can tell. Ids and retry times mean nothing here.

use std::fmt;

/// The longest event, in bytes: more is no stream of anything that we know.
const LONGEST_EVENT: usize = 16 * 1024 * 1024;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What follows `event:`; empty where the stream names none.
    pub name: String,
    /// The lines of `data:`, joined by line feeds.
    pub data: String,
}

/// An event exceeds [the longest](LONGEST_EVENT).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "an event of the stream is longer than {LONGEST_EVENT} bytes"
        )
    }
}

/// Reads events out of a stream's bytes.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The line that has begun.
    line: Vec<u8>,
    /// Whether the last byte was a carriage return, which takes a line feed along.
    after_return: bool,
    /// Whether a line has ended: before that a byte order mark may stand.
    has_begun: bool,
    name: String,
    data: Option<String>,
}

impl Decoder {
    /// Takes bytes in, and gives each event that they complete to `each`.
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(Event)) -> Result<(), TooLong> {
        let mut rest = bytes;
        while !rest.is_empty() {
            if std::mem::take(&mut self.after_return) && rest[0] == b'\n' {
                rest = &rest[1..];
                continue;
            }
            let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                self.extend(rest)?;
                break;
            };
            self.extend(&rest[..end])?;
            self.after_return = rest[end] == b'\r';
            rest = &rest[end + 1..];
            if let Some(event) = self.end_line() {
                each(event);
            }
        }
        Ok(())
    }

    /// The event that the end of the stream has cut off, if there is one.
    pub fn finish(mut self) -> Option<Event> {
        let event = match self.line.is_empty() {
            true => None,
            false => self.end_line(),
        };
        event.or_else(|| self.end_event())
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        let data = self.data.as_ref().map_or(0, String::len);
        if self.line.len() + data + bytes.len() > LONGEST_EVENT {
            return Err(TooLong);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    /// A line is complete; an empty one ends the event.
    fn end_line(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        let mut line = line.as_slice();
        if !std::mem::replace(&mut self.has_begun, true) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        if line.is_empty() {
            return self.end_event();
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let (field, value) = match colon {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => {
                let value = String::from_utf8_lossy(value);
                match &mut self.data {
                    Some(data) => {
                        data.push('\n');
                        data.push_str(&value);
                    }
                    none => *none = Some(value.into_owned()),
                }
            }
            b"event" => self.name = String::from_utf8_lossy(value).into_owned(),
            // A comment (its field is empty), an id, a retry time, or what nobody knows.
            _ => {}
        }
        None
    }

    fn end_event(&mut self) -> Option<Event> {
        let name = std::mem::take(&mut self.name);
        let data = self.data.take()?;
        Some(Event { name, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(pieces: &[&[u8]]) -> Vec<(String, String)> {
        let mut decoder = Decoder::default();
        let mut events = Vec::new();
        for piece in pieces {
            let each = |event: Event| events.push((event.name, event.data));
            decoder.push(piece, each).unwrap();
        }
        events.extend(decoder.finish().map(|event| (event.name, event.data)));
        events
    }

    fn data(text: &str) -> Vec<String> {
        let events = events(&[text.as_bytes()]).into_iter();
        events.map(|(_, data)| data).collect()
    }

    const RECORDED: &str = "\u{feff}: hello\r\ndata: {\"a\":1}\r\n\r\nevent: response.created\rdata: {\"b\":\rdata:  \"ä€😀\"}\r\rid: 7\n\
        retry: 5\ndata\n\ndata:x\n\n\n\ndata: [DONE]\n\n";

    #[test]
    fn lines_of_every_kind_are_read() {
        let expected = [
            ("", "{\"a\":1}"),
            ("response.created", "{\"b\":\n \"ä€😀\"}"),
            ("", ""),
            ("", "x"),
            ("", "[DONE]"),
        ];
        let expected = expected.map(|(name, data)| (name.to_owned(), data.to_owned()));
        assert_eq!(events(&[RECORDED.as_bytes()]), expected);
    }

    #[test]
    fn cuts_at_any_two_bytes_change_nothing() {
        let bytes = RECORDED.as_bytes();
        let whole = events(&[bytes]);
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                assert_eq!(events(&pieces), whole, "{first} {second}");
            }
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(events(&single), whole);
    }

    #[test]
    fn the_last_event_needs_no_blank_line() {
        assert_eq!(data("data: a\n\ndata: b"), ["a", "b"]);
        assert_eq!(data("data: a\n\ndata: b\n"), ["a", "b"]);
        assert_eq!(data("data: a\n\n: only a comment\n"), ["a"]);
    }

    #[test]
    fn a_name_without_data_is_no_event() {
        assert_eq!(data("event: ping\n\ndata: a\n\n"), ["a"]);
        assert_eq!(events(&[b"event: ping\n\ndata: a\n\n"])[0].0, "");
    }

    #[test]
    fn a_line_without_an_end_is_not_kept_for_ever() {
        let mut decoder = Decoder::default();
        let piece = vec![b'a'; 1024 * 1024];
        let pushed: Result<(), TooLong> = (0..17).try_for_each(|_| decoder.push(&piece, |_| {}));
        assert_eq!(pushed, Err(TooLong));
    }

    #[test]
    fn bytes_that_are_no_text_become_replacement_characters() {
        assert_eq!(events(&[b"data: a\xff\n\n"])[0].1, "a\u{fffd}");
    }
}
