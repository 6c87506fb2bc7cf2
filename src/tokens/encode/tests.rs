//! Each way to encode against merging by the letter of its definition.

use std::{collections::HashMap, sync::LazyLock};

use fastrand::Rng;
use proptest::prelude::*;
use tiktoken_rs::CoreBPE;

use super::{Encoder, neighbours, windows};
use crate::tests::cases;
use crate::tokens::vocabulary::{self, Rank, Vocabulary};

/// A vocabulary as tiktoken-rs has it.
struct Reference {
    ours: &'static Vocabulary,
    ranks: HashMap<Vec<u8>, Rank>,
}

static REFERENCES: LazyLock<[Reference; 4]> = LazyLock::new(|| {
    let reference = |ours, theirs: &CoreBPE, last: Rank| Reference {
        ours,
        ranks: (0..=last)
            .filter_map(|rank| Some((theirs.decode_bytes(&[rank]).ok()?, rank)))
            .filter(|(token, _)| token != b"<|endoftext|>")
            .collect(),
    };
    [
        reference(
            &vocabulary::CL100K_BASE,
            tiktoken_rs::cl100k_base_singleton(),
            100_255,
        ),
        reference(
            &vocabulary::O200K_BASE,
            tiktoken_rs::o200k_base_singleton(),
            199_997,
        ),
        reference(
            &vocabulary::P50K_BASE,
            tiktoken_rs::p50k_base_singleton(),
            50_280,
        ),
        reference(
            &vocabulary::R50K_BASE,
            tiktoken_rs::r50k_base_singleton(),
            50_255,
        ),
    ]
});

impl Reference {
    /// Merges the pair of lowest rank, of several the leftmost, until there is none.
    fn merge(&self, text: &[u8]) -> Vec<Rank> {
        let mut starts: Vec<usize> = (0..=text.len()).collect();
        let makes = |starts: &[usize], at: usize| {
            let end = starts.get(at + 2)?;
            self.ranks.get(&text[starts[at]..*end]).copied()
        };
        let mut pairs: Vec<_> = (0..text.len()).map(|at| makes(&starts, at)).collect();
        loop {
            let ranked = (0..)
                .zip(&pairs)
                .filter_map(|(at, rank)| Some(((*rank)?, at)));
            let Some((_, at)) = ranked.min() else { break };
            starts.remove(at + 1);
            pairs.remove(at + 1);
            pairs[at] = makes(&starts, at);
            if at > 0 {
                pairs[at - 1] = makes(&starts, at - 1);
            }
        }
        let tokens = starts.windows(2);
        tokens
            .map(|ends| self.ranks[&text[ends[0]..ends[1]]])
            .collect()
    }

    fn assert_all_ways_agree(&self, piece: &[u8]) {
        let expected = self.merge(piece);
        let mut encoder = Encoder::new(self.ours);
        let ranks = |encoder: &Encoder| -> Vec<Rank> {
            encoder.tokens.iter().map(|token| token.rank).collect()
        };
        let shown = String::from_utf8_lossy(&piece[..piece.len().min(80)]);
        encoder
            .merging
            .encode(piece, self.ours, &mut encoder.tokens);
        assert_eq!(ranks(&encoder), expected, "by merging: {shown}");
        encoder.longest.begin();
        if encoder
            .longest
            .encode(piece, piece.len(), self.ours, &mut encoder.tokens)
        {
            assert_eq!(ranks(&encoder), expected, "by the longest: {shown}");
        }
        for size in [SMALL, windows::SIZE] {
            assert_eq!(
                encoder.count_in_windows(piece, piece.len(), size),
                expected.len(),
                "{size}: {shown}"
            );
        }
    }
}

/// The smallest size of a window that leaves room for the longest token.
const SMALL: usize = 150;

/// Sets of characters whose mixtures are hard: letters, symbols, spaces, marks, ideographs, emoji.
const ALPHABETS: &[&str] = &[
    "abcdefghijklmnopqrstuvwxyz",
    "abc",
    "aeinorst",
    "ABCDabcd0123+/",
    "=-",
    "=",
    "#*/_-=~",
    " ",
    " \t\n",
    "\n\r",
    "\u{301}\u{302}\u{1ab0}",
    "的是不了人我在有他这",
    "ののはをに。、",
    "가나다라마",
    "😀🎉👩\u{200d}\u{fe0f}🇩🇪",
    "абвгд",
    "\0\u{1}\u{7f}",
    "é\u{e9}ñß",
];

#[test]
fn every_way_to_encode_gives_what_merging_is_defined_to_give() {
    let mut rng = Rng::with_seed(1);
    for reference in REFERENCES.iter() {
        for alphabet in ALPHABETS {
            let characters: Vec<char> = alphabet.chars().collect();
            for len in [1, 2, 3, 7, 40, 150, 500, 1_500] {
                let text: String = (0..len)
                    .map(|_| characters[rng.usize(..characters.len())])
                    .collect();
                reference.assert_all_ways_agree(text.as_bytes());
            }
        }
    }
}

#[test]
fn every_token_is_found_and_comes_about_as_it_is_defined_to() {
    for reference in REFERENCES.iter() {
        let mut encoder = Encoder::new(reference.ours);
        for token in reference.ranks.keys() {
            assert_eq!(encoder.count(token, 0, token.len()), 1);
            let expected = reference.merge(token);
            encoder
                .merging
                .encode(token, reference.ours, &mut encoder.tokens);
            assert!(
                encoder.tokens.iter().map(|token| token.rank).eq(expected),
                "{token:?}"
            );
        }
    }
}

#[test]
fn tokens_are_neighbours_exactly_if_their_text_is_encoded_as_them() {
    let mut rng = Rng::with_seed(2);
    for reference in REFERENCES.iter() {
        let mut tokens: Vec<(&Vec<u8>, Rank)> = reference
            .ranks
            .iter()
            .map(|(token, rank)| (token, *rank))
            .collect();
        tokens.sort();
        let (mut can_be, mut cannot) = (0, 0);
        let mut check = |left: &[u8], right: &[u8]| {
            let known = [left, right].map(|part| reference.ranks.get(part).copied());
            let [Some(left_rank), Some(right_rank)] = known else {
                return;
            };
            // Some tokens are whole pieces or nothing.
            if reference.merge(left) != [left_rank] || reference.merge(right) != [right_rank] {
                return;
            }
            let text = [left, right].concat();
            let expected = reference.merge(&text) == [left_rank, right_rank];
            let actual = neighbours::can_be(left_rank, right_rank, reference.ours);
            assert_eq!(actual, expected, "{:?}", String::from_utf8_lossy(&text));
            let is_token = |len: usize| reference.ranks.contains_key(&text[..len]);
            if !(left.len() + 1..=text.len()).any(is_token) {
                let actual =
                    neighbours::can_be_behind_longest(left_rank, right_rank, reference.ours);
                assert_eq!(actual, expected, "{:?}", String::from_utf8_lossy(&text));
            }
            *(if actual { &mut can_be } else { &mut cannot }) += 1;
        };
        for _ in 0..20_000 {
            let (token, _) = tokens[rng.usize(..tokens.len())];
            // A random one, one that begins alike, and the same once more; cut in two, what were tokens themselves.
            let (other, _) = tokens[rng.usize(..tokens.len())];
            check(token, other);
            check(token, token);
            let cut = rng.usize(..=token.len());
            check(&token[..cut], &token[cut..]);
            check(&token[cut..], other);
            check(other, &token[..cut]);
        }
        assert!(can_be > 10_000 && cannot > 1_000, "{can_be} {cannot}");
    }
}

#[test]
fn windows_that_do_not_go_together_are_done_again_as_larger_ones() {
    let mut met = 0;
    for reference in REFERENCES.iter() {
        let mut encoder = Encoder::new(reference.ours);
        for lead in 0..5 {
            let piece = "x".repeat(lead) + &" ".repeat(3_000);
            let piece = piece.as_bytes();
            met += usize::from(
                encoder
                    .count_in_windows_of(piece, piece.len(), SMALL)
                    .is_none(),
            );
            let expected = reference.merge(piece).len();
            assert_eq!(
                encoder.count_in_windows(piece, piece.len(), SMALL),
                expected
            );
        }
    }
    assert!(met > 0);
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn any_bytes_are_encoded_as_merging_is_defined(piece in prop::collection::vec(any::<u8>(), 1..300)) {
        for reference in REFERENCES.iter() {
            reference.assert_all_ways_agree(&piece);
        }
    }
}
