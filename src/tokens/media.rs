//! Sizes of images and sounds, from the headers in their data URLs.
//!
//! Base64 is read byte by byte where a header has something to say, so that a picture of megabytes costs a few reads.

use super::images::Size;

/// The size of the image in a `data:` URL: PNG, JPEG, GIF or WebP. `None` for other URLs and broken data.
pub(super) fn image_size(url: &str) -> Option<Size> {
    let (header, data) = url.strip_prefix("data:")?.split_once(',')?;
    let data = Base64(header.ends_with(";base64").then_some(data.as_bytes())?);
    let size = png(data)
        .or_else(|| gif(data))
        .or_else(|| webp(data))
        .or_else(|| jpeg(data))?;
    (size.width > 0 && size.height > 0).then_some(size)
}

/// The length in milliseconds of a WAV file in base64, as `input_audio` has it. `None` for other formats.
pub(super) fn wav_milliseconds(data: &str) -> Option<u64> {
    let data = Base64(data.as_bytes());
    if !(data.has(0, b"RIFF") && data.has(8, b"WAVEfmt ")) {
        return None;
    }
    let bytes_per_second = u64::from(data.little_endian(28, 4)?);
    let samples = data.len().saturating_sub(44) as u64;
    (samples * 1_000).checked_div(bytes_per_second)
}

fn png(data: Base64<'_>) -> Option<Size> {
    // Signature, then the IHDR chunk, which is always first: length, name, width, height.
    let is_png = data.has(0, b"\x89PNG\r\n\x1a\n") && data.has(12, b"IHDR");
    is_png.then_some(())?;
    Some(Size {
        width: data.big_endian(16, 4)?,
        height: data.big_endian(20, 4)?,
    })
}

fn gif(data: Base64<'_>) -> Option<Size> {
    (data.has(0, b"GIF87a") || data.has(0, b"GIF89a")).then_some(())?;
    Some(Size {
        width: data.little_endian(6, 2)?,
        height: data.little_endian(8, 2)?,
    })
}

fn webp(data: Base64<'_>) -> Option<Size> {
    (data.has(0, b"RIFF") && data.has(8, b"WEBP")).then_some(())?;
    let (width, height) = if data.has(12, b"VP8X") {
        // Extended: 24 bits each, less one.
        (
            data.little_endian(24, 3)? + 1,
            data.little_endian(27, 3)? + 1,
        )
    } else if data.has(12, b"VP8L") {
        // Lossless: after a signature byte, 14 bits each, less one.
        let bits = data.little_endian(21, 4)?;
        ((bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1)
    } else if data.has(12, b"VP8 ") {
        // Lossy: after the frame tag and start code, 14 bits each under 2 bits of scale.
        (
            data.little_endian(26, 2)? & 0x3fff,
            data.little_endian(28, 2)? & 0x3fff,
        )
    } else {
        return None;
    };
    Some(Size { width, height })
}

/// Steps from segment to segment until the frame header, which may come after a large preview or colour profile.
fn jpeg(data: Base64<'_>) -> Option<Size> {
    /// No real file has so many segments before its frame; a hostile one could have millions.
    const MAX_SEGMENTS: usize = 1_000;
    data.has(0, &[0xff, 0xd8]).then_some(())?;
    let mut at = 2;
    for _ in 0..MAX_SEGMENTS {
        if data.byte(at)? != 0xff {
            return None;
        }
        match data.byte(at + 1)? {
            // Padding before a marker.
            0xff => at += 1,
            // Markers without a body.
            0x01 | 0xd0..=0xd7 => at += 2,
            // Start of frame of any coding; the three left out are tables.
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                return Some(Size {
                    width: data.big_endian(at + 7, 2)?,
                    height: data.big_endian(at + 5, 2)?,
                });
            }
            _ => at += 2 + data.big_endian(at + 2, 2)? as usize,
        }
    }
    None
}

/// Base64 text that can be read at any byte of what it encodes.
#[derive(Clone, Copy)]
struct Base64<'a>(&'a [u8]);

impl Base64<'_> {
    /// Bytes encoded, padding included.
    fn len(self) -> usize {
        self.0.len() / 4 * 3
    }

    fn byte(self, index: usize) -> Option<u8> {
        // Four digits of six bits are three bytes: byte 0 is in digits 0 and 1, byte 1 in 1 and 2, byte 2 in 2 and 3.
        let (group, within) = (index / 3, index % 3);
        let digit = |n: usize| self.0.get(group * 4 + n).copied().and_then(digit_value);
        let pair = (u16::from(digit(within)?) << 6) | u16::from(digit(within + 1)?);
        Some((pair >> (4 - 2 * within)) as u8)
    }

    fn has(self, start: usize, expected: &[u8]) -> bool {
        let mut bytes = (start..).map(|index| self.byte(index));
        expected
            .iter()
            .all(|byte| bytes.next() == Some(Some(*byte)))
    }

    fn big_endian(self, start: usize, len: usize) -> Option<u32> {
        (start..start + len).try_fold(0, |number, at| {
            Some((number << 8) | u32::from(self.byte(at)?))
        })
    }

    fn little_endian(self, start: usize, len: usize) -> Option<u32> {
        (start..start + len).rev().try_fold(0, |number, at| {
            Some((number << 8) | u32::from(self.byte(at)?))
        })
    }
}

fn digit_value(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}
