//! The table of a vocabulary. `src/tokens/vocabulary/mod.rs` reads what [`table`] writes, so keep them in sync.

use tiktoken_rs::CoreBPE;

use crate::{
    hash,
    merges::{Part, Parts, splits},
    perfect::{Perfect, perfect},
};

/// The rank of a token that merging does not arrive at, and of a slot without a token.
const NO_RANK: u32 = u32::MAX;

/// What no pair of tokens is looked up by.
const NO_PAIR: u64 = u64::MAX;

/// The bytes of the ordinary tokens by rank; empty where a rank has none.
pub(crate) fn tokens(tokenizer: &CoreBPE) -> Vec<Vec<u8>> {
    let special = tokenizer.special_tokens();
    let is_special = |token: &[u8]| special.iter().any(|name| name.as_bytes() == token);
    let token = |rank| {
        let token = tokenizer.decode_bytes(&[rank]).unwrap_or_default();
        if is_special(&token) {
            Vec::new()
        } else {
            token
        }
    };
    let mut tokens: Vec<_> = (0..1 << 18).map(token).collect();
    let last = tokens.iter().rposition(|token| !token.is_empty());
    tokens.truncate(last.map_or(0, |last| last + 1));
    tokens
}

/// The length of each section in bytes, and then the sections. All numbers have their lowest byte first.
pub(crate) fn table(tokens: &[Vec<u8>]) -> Vec<u8> {
    assert!(tokens.iter().all(|token| token.len() <= LONGEST));
    let splits = splits(tokens);
    let mut sections = Sections(Vec::new());
    let of_number = |key| hash::of_number(u64::from_le_bytes(key));
    let of_medium = |key| hash::of_medium(u128::from_le_bytes(key));
    add_keys(
        &mut sections,
        &known(tokens, &splits, 1..=hash::SHORT),
        of_number,
    );
    add_keys(
        &mut sections,
        &known(tokens, &splits, hash::SHORT + 1..=hash::MEDIUM),
        of_medium,
    );
    add_long(
        &mut sections,
        &known(tokens, &splits, hash::MEDIUM + 1..=LONGEST),
    );
    add_merges(&mut sections, &splits);
    sections.add(lengths(tokens));
    sections.add(long_lengths(tokens));
    sections.add([bytes(tokens)]);
    sections.joined()
}

/// No token is longer; as in `src/tokens/vocabulary/lengths.rs`.
const LONGEST: usize = 128;

/// A token's bytes, and its rank if merging arrives at it.
type Known<'a> = (&'a [u8], u32);

/// The tokens of these lengths.
fn known<'a>(
    tokens: &'a [Vec<u8>],
    splits: &[Option<(u32, u32)>],
    lengths: std::ops::RangeInclusive<usize>,
) -> Vec<Known<'a>> {
    let ranked = (0..).zip(tokens.iter().zip(splits));
    ranked
        .filter(|(_, (token, _))| lengths.contains(&token.len()))
        .map(|(rank, (token, split))| {
            let reached = token.len() == 1 || split.is_some();
            (token.as_slice(), if reached { rank } else { NO_RANK })
        })
        .collect()
}

/// Pilots, keys, and the rank of each key.
fn add_keys<const SIZE: usize>(
    sections: &mut Sections,
    tokens: &[Known<'_>],
    hash: impl Fn([u8; SIZE]) -> u64,
) {
    let keys: Vec<[u8; SIZE]> = tokens.iter().map(|(token, _)| key(token)).collect();
    let hashes: Vec<_> = keys.iter().map(|key| hash(*key)).collect();
    let Perfect { pilots, slots } = perfect(&hashes);
    let key = |slot: &Option<usize>| slot.map_or([0; SIZE], |place| keys[place]);
    let rank = |slot: &Option<usize>| slot.map_or(NO_RANK, |place| tokens[place].1);
    sections.add(pilots.iter().map(|pilot| pilot.to_le_bytes()));
    sections.add(slots.iter().map(key));
    sections.add(slots.iter().map(|slot| rank(slot).to_le_bytes()));
}

/// The bytes of a token as one number, with its length in the last byte.
fn key<const SIZE: usize>(token: &[u8]) -> [u8; SIZE] {
    let mut key = [0; SIZE];
    key[..token.len()].copy_from_slice(token);
    key[SIZE - 1] = token.len() as u8;
    key
}

/// Pilots, the place of each token in the bytes and its rank, and the bytes.
fn add_long(sections: &mut Sections, tokens: &[Known<'_>]) {
    let hashes: Vec<_> = tokens
        .iter()
        .map(|(token, _)| hash::of_long(token))
        .collect();
    let Perfect { pilots, slots } = perfect(&hashes);
    let mut bytes = Vec::new();
    let slots = slots.iter().map(|slot| {
        let (token, rank) = slot.map_or((&[][..], NO_RANK), |place| tokens[place]);
        let start = bytes.len() as u32;
        bytes.extend_from_slice(token);
        [start, bytes.len() as u32, rank]
            .map(u32::to_le_bytes)
            .concat()
    });
    let slots: Vec<_> = slots.collect();
    sections.add(pilots.iter().map(|pilot| pilot.to_le_bytes()));
    sections.add(slots);
    sections.add([bytes]);
}

/// Pilots, each pair that is merged with the rank it makes, and the parts of each rank.
fn add_merges(sections: &mut Sections, splits: &[Option<(u32, u32)>]) {
    let ranked = (0_u32..).zip(splits);
    let merges: Vec<(u64, u32)> = ranked
        .filter_map(|(rank, split)| split.map(|(left, right)| (hash::pair(left, right), rank)))
        .collect();
    let hashes: Vec<_> = merges
        .iter()
        .map(|(pair, _)| hash::of_number(*pair))
        .collect();
    let Perfect { pilots, slots } = perfect(&hashes);
    let merge = |slot: &Option<usize>| {
        slot.map_or(NO_PAIR, |place| {
            let (pair, rank) = merges[place];
            (pair << 20) | u64::from(rank)
        })
    };
    let part = |part: &Option<Part>| {
        let (rank, before) = part.map_or((0, 0), |part| (part.rank, part.before));
        hash::pair(rank, before).to_le_bytes()[..5].to_vec()
    };
    sections.add(pilots.iter().map(|pilot| pilot.to_le_bytes()));
    sections.add(slots.iter().map(|slot| merge(slot).to_le_bytes()));
    let parts = Parts::of(splits);
    sections.add(parts.first.iter().map(part));
    sections.add(parts.last.iter().map(part));
}

/// For each hash of a token's beginning a set of the lengths of the tokens that begin so, bit by bit; bit 0 is for all above a
/// medium key's.
fn lengths(tokens: &[Vec<u8>]) -> Vec<[u8; 2]> {
    let mut sets = vec![0_u16; tokens.len().next_power_of_two()];
    let places = sets.len();
    for token in tokens {
        if let Some(prefix) = token.first_chunk::<{ hash::PREFIX }>() {
            let length = if token.len() > hash::MEDIUM {
                0
            } else {
                token.len()
            };
            sets[hash::prefix(u32::from_le_bytes(*prefix), places)] |= 1 << length;
        }
    }
    sets.into_iter().map(u16::to_le_bytes).collect()
}

/// For each hash of a long token's beginning a set of the lengths of the tokens that begin so, bit by bit from the length of the
/// beginning on; the last bit is for all above as well.
fn long_lengths(tokens: &[Vec<u8>]) -> Vec<[u8; 4]> {
    let is_long = |token: &&Vec<u8>| token.len() >= hash::LONG_PREFIX;
    let count = tokens.iter().filter(is_long).count();
    let mut sets = vec![0_u32; 2 * count.next_power_of_two()];
    let places = sets.len();
    for token in tokens {
        if let Some(prefix) = token.first_chunk() {
            let place = hash::long_prefix(u128::from_le_bytes(*prefix), places);
            sets[place] |= 1 << (token.len() - hash::LONG_PREFIX).min(31);
        }
    }
    sets.into_iter().map(u32::to_le_bytes).collect()
}

/// The rank of each byte.
fn bytes(tokens: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![0; 256];
    for (rank, token) in (0..=255).zip(tokens) {
        bytes[usize::from(token[0])] = rank;
    }
    bytes
}

struct Sections(Vec<Vec<u8>>);

impl Sections {
    fn add<T: AsRef<[u8]>>(&mut self, items: impl IntoIterator<Item = T>) {
        let mut section = Vec::new();
        for item in items {
            section.extend_from_slice(item.as_ref());
        }
        self.0.push(section);
    }

    fn joined(self) -> Vec<u8> {
        let lengths = self
            .0
            .iter()
            .flat_map(|section| (section.len() as u32).to_le_bytes());
        let mut table: Vec<u8> = lengths.collect();
        self.0
            .iter()
            .for_each(|section| table.extend_from_slice(section));
        table
    }
}
