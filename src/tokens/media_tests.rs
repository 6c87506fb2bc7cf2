//! Headers of image and sound files, made here byte by byte.

use super::images::Size;
use super::media::{image_size, wav_milliseconds};

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |chunk: &[u8]| {
        let bits = (0..3).fold(0, |bits, at| {
            bits << 8 | u32::from(*chunk.get(at).unwrap_or(&0))
        });
        let digit = |at: usize| match at <= chunk.len() {
            true => char::from(DIGITS[(bits >> (18 - 6 * at)) as usize & 63]),
            false => '=',
        };
        [digit(0), digit(1), digit(2), digit(3)]
    };
    bytes.chunks(3).flat_map(group).collect()
}

fn data_url(kind: &str, bytes: &[u8]) -> String {
    format!("data:image/{kind};base64,{}", base64(bytes))
}

fn png() -> Vec<u8> {
    [
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(),
        &[0, 0, 4, 1, 0, 0, 2, 3],
        &[8, 6, 0, 0, 0],
    ]
    .concat()
}

/// A JPEG whose frame comes after `before` bytes of application data.
fn jpeg(before: u16) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xe1];
    bytes.extend((before + 2).to_be_bytes());
    bytes.extend(std::iter::repeat_n(0xab, before.into()));
    // A table that is no frame, a padded marker, then the frame: 515 high, 1025 wide.
    bytes.extend([
        0xff, 0xc4, 0, 3, 7, 0xff, 0xff, 0xc2, 0, 17, 8, 2, 3, 4, 1, 3,
    ]);
    bytes
}

fn webp(chunk: &[u8]) -> Vec<u8> {
    [b"RIFF\x24\0\0\0WEBP".as_slice(), chunk].concat()
}

#[test]
fn sizes_are_read_from_the_header_of_every_format() {
    let size = |width, height| Some(Size { width, height });
    for (what, bytes, expected) in [
        ("png", png(), size(1_025, 515)),
        (
            "gif",
            b"GIF89a\x01\x04\x03\x02\xf7\0\0".to_vec(),
            size(1_025, 515),
        ),
        ("jpeg", jpeg(0), size(1_025, 515)),
        ("jpeg after a preview", jpeg(65_000), size(1_025, 515)),
        (
            "webp lossy",
            webp(b"VP8 \x18\0\0\0\x30\x01\0\x9d\x01\x2a\x01\x44\x03\x82"),
            size(1_025, 515),
        ),
        // 1024 | 514 << 14
        (
            "webp lossless",
            webp(b"VP8L\x18\0\0\0\x2f\x00\x84\x80\x00\x00"),
            size(1_025, 515),
        ),
        (
            "webp extended",
            webp(b"VP8X\x0a\0\0\0\x10\0\0\0\x00\x04\x00\x02\x02\x00"),
            size(1_025, 515),
        ),
        (
            "png without pixels",
            png()[..16].iter().copied().chain([0; 8]).collect(),
            None,
        ),
        ("unknown", b"BM\0\0\0\0\0\0".to_vec(), None),
        ("nothing", Vec::new(), None),
    ] {
        assert_eq!(image_size(&data_url("x", &bytes)), expected, "{what}");
    }
}

#[test]
fn what_has_no_readable_header_has_no_size() {
    let whole = data_url("png", &png());
    for url in [
        "https://example.com/image.png",
        "",
        "data:",
        "data:,",
        "data:image/png,raw",
        "data:image/png;base64,",
        "data:image/png;base64,ééé",
        &whole.replace("base64,", "base64, "),
    ] {
        assert_eq!(image_size(url), None, "{url}");
    }
}

#[test]
fn a_file_cut_off_anywhere_is_no_panic() {
    for bytes in [
        png(),
        jpeg(3),
        webp(b"VP8X\x0a\0\0\0\x10\0\0\0\x00\x04\x00\x02\x02\x00"),
    ] {
        let url = data_url("x", &bytes);
        for end in 0..url.len() {
            image_size(&url[..end]);
        }
    }
}

#[test]
fn a_jpeg_of_endless_segments_is_given_up() {
    let mut bytes = vec![0xff, 0xd8];
    bytes.extend([0xff, 0xe1, 0, 2].repeat(100_000));
    bytes.extend([0xff, 0xc0, 0, 17, 8, 2, 3, 4, 1, 3]);
    assert_eq!(image_size(&data_url("jpeg", &bytes)), None);
}

#[test]
fn the_length_of_a_wav_follows_from_its_byte_rate() {
    let wav = |rate: u32, samples: usize| {
        let mut bytes = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0".to_vec();
        bytes.extend(rate.to_le_bytes());
        bytes.extend(b"\x02\0\x10\0data\0\0\0\0");
        bytes.resize(44 + samples, 0);
        base64(&bytes)
    };
    assert_eq!(wav_milliseconds(&wav(32_000, 48_001)), Some(1_500));
    assert_eq!(wav_milliseconds(&wav(32_000, 0)), Some(0));
    assert_eq!(wav_milliseconds(&wav(0, 100)), None);
    assert_eq!(wav_milliseconds("SUQzBAAAAAA="), None);
}
