//! As much of HTTP/1.1 as is needed to know what is asked for, and where the next request begins.

use std::borrow::Cow;

use memchr::memmem;

pub(crate) struct Request<'a> {
    pub(crate) path: &'a [u8],
    pub(crate) body: Cow<'a, [u8]>,
}

impl<'a> Request<'a> {
    /// The first request of what was received, and its length in bytes; none while it is not complete.
    pub(crate) fn parse(received: &'a [u8]) -> Option<(Self, usize)> {
        let head = memmem::find(received, b"\r\n\r\n")? + 4;
        let (first, headers) = received[..head].split_at(memchr::memchr(b'\n', received)?);
        let path = first.split(|byte| *byte == b' ').nth(1)?;
        let (body, length) = match Length::of(headers) {
            Length::Known(length) => (received.get(head..head + length)?.into(), length),
            Length::Chunked => chunked(&received[head..])?,
        };
        Some((Request { path, body }, head + length))
    }
}

enum Length {
    Known(usize),
    Chunked,
}

impl Length {
    fn of(headers: &[u8]) -> Self {
        for line in headers.split(|byte| *byte == b'\n') {
            let Some(colon) = memchr::memchr(b':', line) else {
                continue;
            };
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            if name.eq_ignore_ascii_case(b"content-length") {
                return Length::Known(number(value, 10).unwrap_or(0));
            }
            if name.eq_ignore_ascii_case(b"transfer-encoding") {
                return Length::Chunked;
            }
        }
        Length::Known(0)
    }
}

/// A body in chunks, and its length on the wire; none while it is not complete.
fn chunked(received: &[u8]) -> Option<(Cow<'_, [u8]>, usize)> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let line = memmem::find(&received[at..], b"\r\n")?;
        let size = number(&received[at..at + line], 16)?;
        let start = at + line + 2;
        let chunk = received.get(start..start + size + 2)?;
        body.extend_from_slice(&chunk[..size]);
        at = start + size + 2;
        if size == 0 {
            return Some((body.into(), at));
        }
    }
}

fn number(digits: &[u8], radix: u32) -> Option<usize> {
    usize::from_str_radix(str::from_utf8(digits).ok()?, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::Request;

    const POST: &[u8] = b"POST /v1/x HTTP/1.1\r\nhost: h\r\nContent-Length: 5\r\n\r\nhello";
    const CHUNKED: &[u8] = b"POST /v1/x HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n\
        2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";

    #[test]
    fn a_request_is_read_with_its_length_and_not_before_it_is_complete() {
        for bytes in [POST, CHUNKED] {
            for cut in 0..bytes.len() {
                assert!(Request::parse(&bytes[..cut]).is_none(), "cut at {cut}");
            }
            let (request, length) = Request::parse(bytes).expect("a request");
            assert_eq!(request.path, b"/v1/x");
            assert_eq!(*request.body, *b"hello");
            assert_eq!(length, bytes.len());
        }
    }

    #[test]
    fn of_several_requests_the_first_is_read() {
        let two = [CHUNKED, POST].concat();
        let (_, length) = Request::parse(&two).expect("a request");
        assert_eq!(length, CHUNKED.len());
        let (_, length) = Request::parse(&two[length..]).expect("the second");
        assert_eq!(length, POST.len());
    }

    #[test]
    fn without_a_length_there_is_no_body() {
        let get = b"GET /v1/models HTTP/1.1\r\nhost: h\r\n\r\n";
        let (request, length) = Request::parse(get).expect("a request");
        assert!(request.body.is_empty());
        assert_eq!(length, get.len());
    }
}
