//! Text counts against published vectors and against tiktoken-rs itself.

use std::fs;

use proptest::prelude::*;
use tiktoken_rs::CoreBPE;

use super::{count_text, passages};
use crate::models::Encoding;
use crate::tests::cases;

/// Every encoding with the tokenizer that its counts are compared with.
fn encodings() -> [(Encoding, &'static CoreBPE); 7] {
    [
        (Encoding::Cl100kBase, tiktoken_rs::cl100k_base_singleton()),
        (Encoding::O200kBase, tiktoken_rs::o200k_base_singleton()),
        (
            Encoding::O200kHarmony,
            tiktoken_rs::o200k_harmony_singleton(),
        ),
        (Encoding::P50kBase, tiktoken_rs::p50k_base_singleton()),
        (Encoding::P50kEdit, tiktoken_rs::p50k_edit_singleton()),
        (Encoding::R50kBase, tiktoken_rs::r50k_base_singleton()),
        (Encoding::Gpt2, tiktoken_rs::r50k_base_singleton()),
    ]
}

/// Those of them that differ in how they cut text or in their tokens.
fn distinct() -> [(Encoding, &'static CoreBPE); 4] {
    let [cl100k, o200k, _, p50k, _, r50k, _] = encodings();
    [cl100k, o200k, p50k, r50k]
}

/// Whole, and cut wherever it may be.
fn assert_exact(text: &str, encodings: &[(Encoding, &CoreBPE)]) {
    let cuts: Vec<_> = [0]
        .into_iter()
        .chain(passages::places(text, 1))
        .chain([text.len()])
        .collect();
    for (encoding, tokenizer) in encodings {
        let beginning: String = text.chars().take(60).collect();
        let expected = tokenizer.encode_ordinary(text).len();
        let what = format!("{encoding:?}, {} bytes: {beginning:?}", text.len());
        assert_eq!(count_text(text, *encoding), expected, "{what}");
        let parts = cuts
            .windows(2)
            .map(|part| count_text(&text[part[0]..part[1]], *encoding));
        assert_eq!(parts.sum::<usize>(), expected, "{what}, in parts");
    }
}

/// Reproducible numbers below `n` (xorshift).
fn numbers(mut seed: u64) -> impl FnMut(usize) -> usize {
    move |n| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % n as u64) as usize
    }
}

/// `len` random picks from `items`, joined.
fn pick(items: &[&str], len: usize, seed: u64) -> String {
    let mut below = numbers(seed);
    (0..len).map(|_| items[below(items.len())]).collect()
}

/// One of everything the expressions tell apart or could confuse: cases, contractions, marks, digits and symbols that are
/// not ASCII, every kind of white space, letters that are symbols, and what joins emoji.
const NASTY: &[&str] = &[
    "a",
    "B",
    "s",
    "S",
    "t",
    "ll",
    "\u{17f}",
    "é",
    "e\u{301}",
    "ß",
    "ю",
    "Σ",
    "中",
    "か",
    "ー",
    "々",
    "한",
    "ส",
    "ั",
    "ا",
    "7",
    "12345",
    "١",
    "½",
    "Ⅷ",
    " ",
    "  ",
    "\t",
    "\u{a0}",
    "\u{3000}",
    "\u{85}",
    "\u{2028}",
    "\n",
    "\r",
    "\r\n",
    "'",
    "'s",
    "'LL",
    "’",
    "!",
    "/",
    "//",
    "(",
    "_",
    "-",
    "=",
    "。",
    "，",
    "「",
    "…",
    "─",
    "①",
    "Ⓐ",
    "ª",
    "\0",
    "\u{200d}",
    "\u{fe0f}",
    "😀",
    "👩‍👩‍👧",
    "\u{301}",
    "\u{10ffff}",
];

#[test]
fn counts_equal_the_published_vectors() {
    use Encoding::{Cl100kBase, Gpt2, O200kBase, O200kHarmony, P50kBase, P50kEdit, R50kBase};
    for (text, encoding, tokens) in [
        // OpenAI cookbook, "How to count tokens with tiktoken"
        ("tiktoken is great!", Cl100kBase, 6),
        ("tiktoken is great!", O200kBase, 6),
        ("antidisestablishmentarianism", Cl100kBase, 6),
        ("antidisestablishmentarianism", O200kBase, 6),
        ("antidisestablishmentarianism", O200kHarmony, 6),
        ("antidisestablishmentarianism", P50kBase, 5),
        ("antidisestablishmentarianism", P50kEdit, 5),
        ("antidisestablishmentarianism", R50kBase, 5),
        ("antidisestablishmentarianism", Gpt2, 5),
        ("2 + 2 = 4", Cl100kBase, 7),
        ("2 + 2 = 4", O200kBase, 7),
        ("2 + 2 = 4", P50kBase, 5),
        ("お誕生日おめでとう", Cl100kBase, 9),
        ("お誕生日おめでとう", O200kBase, 8),
        ("", O200kBase, 0),
    ] {
        assert_eq!(count_text(text, encoding), tokens, "{text} {encoding:?}");
    }
}

#[test]
fn special_tokens_in_a_text_are_ordinary_text() {
    for (encoding, tokenizer) in encodings() {
        let tokens = count_text("<|endoftext|>", encoding);
        assert!(tokens > 1);
        assert_eq!(tokens, tokenizer.encode_ordinary("<|endoftext|>").len());
    }
}

#[test]
fn long_ordinary_texts_are_counted_exactly() {
    const PROSE: &str = "It's said that \"they'll\" pay $1,234.56 by 2026-11-23 — won't they?\n\n  * naïve café: Übergröße, Привет мир\n";
    const CODE: &str = "fn main() {\n    let xs = vec![1, 2, 3]; // why\n\tif xs[0] != 1 { panic!(\"x\"); }\r\n}\n";
    const JSON: &str = r#"{"id":17,"tags":["a","b"],"nested":{"ok":true,"x":null}},"#;
    const CJK: &str =
        "日本語の文章、改行なし。中文也没有空格，只有标点！한국어는 띄어쓰기가 있다.「括弧」";
    const THAI: &str = "ภาษาไทยไม่มีช่องว่างระหว่างคำ แต่มีระหว่างประโยค ";
    const QUOTED: &str = "'a','b','c',";
    const BASE64: &str = "iVBORw0KGgoAAAANSUhEUgAAB9AAAAfQCAYAAACaOMR5AAAABGdBTUEAALGPC/xhBQ";
    const LINES: &str = "{\n},\n[\n];\n----\n";
    for text in [PROSE, CODE, JSON, CJK, THAI, QUOTED, BASE64, LINES] {
        assert_exact(&text.repeat(20_000 / text.len()), &encodings());
    }
    let parts = [
        PROSE, CODE, JSON, CJK, THAI, BASE64, " ", "\n", "=====", "'",
    ];
    assert_exact(&pick(&parts, 300, 7), &encodings());
    for seed in 1..=20 {
        assert_exact(&pick(NASTY, 5_000, seed), &encodings());
    }
}

#[test]
fn our_own_files_are_counted_exactly() {
    let files = [
        "README.md",
        "CHANGELOG.md",
        "Cargo.lock",
        "index.d.ts",
        "index.js",
        "package-lock.json",
        "src/tokens/text_tests.rs",
        "src/models/encoding.rs",
        "__test__/simulator.test.js",
    ];
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        assert_exact(&text, &distinct());
    }
}

#[test]
fn every_two_characters_side_by_side_are_counted_exactly() {
    let mut text = String::new();
    for before in NASTY {
        for after in NASTY {
            for begin in ["", "x", " ", "!"] {
                text.extend([begin, before, after]);
                assert_exact(&text, &distinct());
                text.clear();
            }
        }
    }
}

#[test]
fn every_character_is_counted_exactly() {
    for (encoding, tokenizer) in distinct() {
        let mut text = String::new();
        for character in '\0'..=char::MAX {
            text.push(character);
            // In between, something that it may belong to or not.
            text.push_str(["a", " ", "A", "1", "!", "\n"][character as usize % 6]);
            if text.len() > 60_000 || character == char::MAX {
                let exact = tokenizer.encode_ordinary(&text).len();
                assert_eq!(
                    count_text(&text, encoding),
                    exact,
                    "{encoding:?} {character:?}"
                );
                text.clear();
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn any_text_is_counted_exactly(text in any::<String>()) {
        assert_exact(&text, &distinct());
    }

    #[test]
    fn any_mixture_of_nasty_parts_is_counted_exactly(
        parts in prop::collection::vec((prop::sample::select(NASTY), 1..4_usize), 0..40),
    ) {
        let text: String = parts.iter().map(|(part, times)| part.repeat(*times)).collect();
        assert_exact(&text, &distinct());
    }

    #[test]
    fn any_mixture_of_few_letters_is_counted_exactly(
        letters in "[a-zA-Z]{1,4}", places in prop::collection::vec(0..4_usize, 0..3_000),
    ) {
        let letters = letters.as_bytes();
        let text = places.iter().map(|place| char::from(letters[place % letters.len()]));
        assert_exact(&text.collect::<String>(), &distinct());
    }
}

/// Texts of about `len` bytes without a place to cut anywhere, or with every reason to be slow.
fn hostile(len: usize) -> Vec<String> {
    let letters: Vec<String> = ('a'..='z').map(String::from).collect();
    let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
    let mut texts = vec![
        pick(&letters, len, 3),
        pick(&["the", "and", "house", "water"], len / 5, 4),
        pick(&["#", "$", "%", "+", "=", "~", "/", "\\"], len, 5),
        pick(&["\u{301}", "\u{302}", "\u{1ab0}", "\u{20dd}"], len / 3, 6),
        pick(&["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"], len, 7),
        pick(&["中", "文", "也", "没", "有", "空", "格"], len / 3, 8),
        pick(
            &["😀", "🎉", "👩", "\u{200d}", "\u{fe0f}", "🇩", "🇪"],
            len / 4,
            9,
        ),
    ];
    let repeated = [
        " ",
        "a",
        "A",
        "aA",
        "7",
        "=",
        "\n",
        "\r\n",
        "\t",
        " \n",
        "\u{a0}",
        "a'",
        "'ll",
        "!\n/\n",
        "😀",
        "👩‍👩‍👧",
        "e\u{301}",
        "\u{301}",
        "中",
        "สวัสดี",
        "\0",
        "hello",
        "ab",
        "-=",
        "*",
        "_",
        "ſ",
        "\u{10ffff}",
    ];
    texts.extend(repeated.map(|text| text.repeat(len / text.len())));
    texts
}

#[test]
fn hostile_texts_are_counted_exactly() {
    for text in hostile(40_000) {
        assert_exact(&text, &distinct());
    }
    // Of odd lengths, so that what is repeated does not come out even.
    for text in hostile(1_025) {
        assert_exact(&text, &distinct());
    }
}

#[test]
fn a_megabyte_of_spaces_is_counted_though_the_reference_panics() {
    // Whole, as a piece: the longest tokens of spaces, and what is left over.
    let spaces = " ".repeat(1 << 20);
    for (encoding, longest) in [(Encoding::Cl100kBase, 128), (Encoding::O200kBase, 128)] {
        assert_eq!(count_text(&spaces, encoding), (1 << 20) / longest);
    }
}
