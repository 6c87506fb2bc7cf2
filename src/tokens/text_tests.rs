//! Text counts against published vectors and against tiktoken-rs itself.

use tiktoken_rs::CoreBPE;

use super::{boundary, count_text};
use crate::models::Encoding;

/// The encodings with expressions of their own, with the tokenizer the counts are compared with.
fn encodings() -> [(Encoding, &'static CoreBPE); 3] {
    [
        (Encoding::Cl100kBase, tiktoken_rs::cl100k_base_singleton()),
        (Encoding::O200kBase, tiktoken_rs::o200k_base_singleton()),
        (Encoding::R50kBase, tiktoken_rs::r50k_base_singleton()),
    ]
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
fn cutting_at_a_boundary_changes_no_token() {
    for (encoding, tokenizer) in encodings() {
        let mut cuts = 0;
        for seed in 1..=1_500 {
            let text = pick(NASTY, 14, seed);
            let whole = tokenizer.encode_ordinary(&text);
            for limit in 0..text.len() {
                let Some(at) = boundary::last_within(&text, limit, encoding) else {
                    continue;
                };
                assert!(0 < at && at <= limit);
                let mut halves = tokenizer.encode_ordinary(&text[..at]);
                halves.extend(tokenizer.encode_ordinary(&text[at..]));
                assert_eq!(halves, whole, "{encoding:?} {text:?} at {at}");
                cuts += 1;
            }
        }
        assert!(cuts > 10_000, "{cuts}");
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
    let mixed = pick(
        &[
            PROSE, CODE, JSON, CJK, THAI, BASE64, " ", "\n", "=====", "'",
        ],
        300,
        7,
    );
    for (encoding, tokenizer) in encodings() {
        for text in [PROSE, CODE, JSON, CJK, THAI, QUOTED, BASE64] {
            let long = text.repeat(20_000 / text.len());
            let exact = tokenizer.encode_ordinary(&long).len();
            assert_eq!(count_text(&long, encoding), exact, "{encoding:?} {text}");
        }
        let exact = tokenizer.encode_ordinary(&mixed).len();
        assert_eq!(count_text(&mixed, encoding), exact, "{encoding:?}");
        for seed in 1..=20 {
            let nasty = pick(NASTY, 5_000, seed);
            let exact = tokenizer.encode_ordinary(&nasty).len();
            assert_eq!(
                count_text(&nasty, encoding),
                exact,
                "{encoding:?} seed {seed}"
            );
        }
    }
    for (encoding, tokenizer) in &encodings()[..2] {
        let long = LINES.repeat(1_000);
        assert_eq!(
            count_text(&long, *encoding),
            tokenizer.encode_ordinary(&long).len()
        );
    }
}

/// Texts of about `len` bytes without a boundary anywhere, or with every reason to be slow.
fn hostile(len: usize) -> Vec<String> {
    let letters: Vec<String> = ('a'..='z').map(String::from).collect();
    let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
    let mut texts = vec![
        pick(&letters, len, 3),
        pick(&["the", "and", "house", "water"], len / 5, 4),
        pick(&["#", "$", "%", "+", "=", "~", "/", "\\"], len, 5),
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
    ];
    texts.extend(repeated.map(|text| text.repeat(len / text.len())));
    texts
}

#[test]
fn cuts_in_runs_without_a_boundary_cost_about_a_token_each() {
    // Short enough for tiktoken-rs to count at once.
    for text in hostile(40_000) {
        for (encoding, tokenizer) in encodings() {
            let exact = tokenizer.encode_ordinary(&text).len();
            let cuts = text.len() / 2_045;
            let difference = count_text(&text, encoding).abs_diff(exact);
            assert!(
                difference <= 2 * cuts,
                "{encoding:?} {:?} {difference}",
                &text[..20]
            );
        }
    }
}

#[test]
fn megabytes_of_hostile_text_are_counted_without_panic() {
    const SHORT: usize = 40_000;
    const TIMES: usize = 25;
    for (short, long) in hostile(SHORT).iter().zip(hostile(SHORT * TIMES)) {
        for (encoding, _) in &encodings()[..2] {
            // The long text is the short one over and over, or as good as that.
            let expected = count_text(short, *encoding) * TIMES;
            let actual = count_text(&long, *encoding);
            let tolerance = 2 * long.len() / 2_045 + expected / 50;
            assert!(
                actual.abs_diff(expected) <= tolerance,
                "{encoding:?} {:?}",
                &long[..20]
            );
        }
    }
}
