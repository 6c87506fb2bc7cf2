//! The classes of characters, from the tables of the regex engine that tiktoken-rs splits with, so that they are the same version of
//! Unicode.

use std::ops::RangeInclusive;

use regex_syntax::hir::{Class, HirKind};

/// What each bit of a class stands for; keep in sync with `src/tokens/split/class.rs`.
const CLASSES: [(&str, u8); 8] = [
    (r"[\p{Lu}\p{Lt}]", 1),
    (r"\p{Ll}", 2),
    (r"[\p{Lm}\p{Lo}]", 4),
    (r"\p{M}", 8),
    (r"\p{N}", 16),
    (r"\s", 32),
    (r"[\r\n]", 64),
    (r"[^\s\p{L}\p{N}\p{M}]", 128),
];

/// Characters whose classes stand together.
const BLOCK: usize = 256;

/// For each block of characters the number of its classes, one byte each; behind that the classes, where equal ones stand once.
pub(crate) fn table() -> Vec<u8> {
    let mut classes = vec![0_u8; 0x11_0000];
    for (pattern, bit) in CLASSES {
        for range in ranges(pattern) {
            for character in range {
                classes[character as usize] |= bit;
            }
        }
    }
    let mut numbers = Vec::new();
    let mut blocks: Vec<&[u8]> = Vec::new();
    for block in classes.chunks(BLOCK) {
        let known = blocks.iter().position(|&known| known == block);
        let number = known.unwrap_or(blocks.len());
        if known.is_none() {
            blocks.push(block);
        }
        numbers.push(u8::try_from(number).expect("at most 256 blocks differ"));
    }
    numbers.extend(blocks.concat());
    numbers
}

fn ranges(pattern: &str) -> Vec<RangeInclusive<u32>> {
    let parsed = regex_syntax::parse(pattern).expect("the pattern is right");
    match parsed.kind() {
        HirKind::Class(Class::Unicode(class)) => class
            .iter()
            .map(|range| range.start() as u32..=range.end() as u32)
            .collect(),
        kind => panic!("{pattern} is no class but {kind:?}"),
    }
}
