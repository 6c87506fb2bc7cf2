//! The tokens of an encoding, as tables that the build script wrote (`build/vocabulary.rs`; keep in sync).

pub(super) mod hash;
mod lengths;
mod prefix;

use hash::{MEDIUM, SHORT};
pub(super) use lengths::Lengths;
pub(super) use prefix::Prefix;

/// The place of a token in the order in which tokens were made; its name in everything that is not about its bytes.
pub(super) type Rank = u32;

/// Of a token that is a whole piece or nothing: merging does not arrive at it.
const NO_RANK: [u8; 4] = Rank::MAX.to_le_bytes();

/// The tokens of an encoding: which bytes are one, and which two merge into which.
#[derive(Debug)]
pub(super) struct Vocabulary {
    /// One of [`Vocabulary::COUNT`].
    pub(super) number: usize,
    short: Keys<8>,
    medium: Keys<16>,
    long: Long,
    merges: Merges,
    /// For each hash of a token's beginning the lengths of the tokens that begin so, up to [`MEDIUM`]. Bit 0 is for all above.
    lengths: &'static [[u8; 2]],
    /// For each hash of a long token's beginning the lengths of the tokens that begin so, from [`hash::LONG_PREFIX`] on.
    long_lengths: &'static [[u8; 4]],
    bytes: &'static [u8],
}

/// Tokens whose bytes and length fit in a number of so many bytes.
#[derive(Debug)]
struct Keys<const SIZE: usize> {
    pilots: &'static [[u8; 2]],
    keys: &'static [[u8; SIZE]],
    ranks: &'static [[u8; 4]],
}

/// The other tokens.
#[derive(Debug)]
struct Long {
    pilots: &'static [[u8; 2]],
    /// Where a token begins and ends in `bytes`, and its rank.
    slots: &'static [[[u8; 4]; 3]],
    bytes: &'static [u8],
}

/// What merges into what.
#[derive(Debug)]
struct Merges {
    pilots: &'static [[u8; 2]],
    /// A pair of ranks and the rank they make, 20 bits each.
    slots: &'static [[u8; 8]],
    /// What [`Vocabulary::first_part`] and [`Vocabulary::last_part`] give for each rank, 20 bits each.
    first_parts: &'static [[u8; 5]],
    last_parts: &'static [[u8; 5]],
}

pub(super) static CL100K_BASE: Vocabulary =
    Vocabulary::read(0, include_bytes!(concat!(env!("OUT_DIR"), "/cl100k_base")));
pub(super) static O200K_BASE: Vocabulary =
    Vocabulary::read(1, include_bytes!(concat!(env!("OUT_DIR"), "/o200k_base")));
pub(super) static P50K_BASE: Vocabulary =
    Vocabulary::read(2, include_bytes!(concat!(env!("OUT_DIR"), "/p50k_base")));
pub(super) static R50K_BASE: Vocabulary =
    Vocabulary::read(3, include_bytes!(concat!(env!("OUT_DIR"), "/r50k_base")));

impl Vocabulary {
    pub(super) const COUNT: usize = 4;

    const fn read(number: usize, table: &'static [u8]) -> Self {
        let (lengths, rest) = table.split_at(4 * Sections::COUNT);
        let mut sections = Sections { lengths, rest };
        Self {
            number,
            short: Keys::read(&mut sections),
            medium: Keys::read(&mut sections),
            long: Long {
                pilots: sections.next().as_chunks().0,
                slots: sections.next().as_chunks().0.as_chunks().0,
                bytes: sections.next(),
            },
            merges: Merges {
                pilots: sections.next().as_chunks().0,
                slots: sections.next().as_chunks().0,
                first_parts: sections.next().as_chunks().0,
                last_parts: sections.next().as_chunks().0,
            },
            lengths: sections.next().as_chunks().0,
            long_lengths: sections.next().as_chunks().0,
            bytes: sections.next(),
        }
    }

    /// Whether the first `len` bytes are a token.
    #[inline]
    pub(super) fn is_token(&self, text: Prefix<'_>, len: usize) -> bool {
        self.find(text, len).is_some()
    }

    /// The token that the first `len` bytes are, if merging arrives at it.
    #[inline]
    pub(super) fn rank(&self, text: Prefix<'_>, len: usize) -> Option<Rank> {
        let rank = self.find(text, len).filter(|&&rank| rank != NO_RANK)?;
        Some(Rank::from_le_bytes(*rank))
    }

    // In both places the compiler then knows more of the length.
    #[inline(always)]
    fn find(&self, text: Prefix<'_>, len: usize) -> Option<&'static [u8; 4]> {
        match len {
            0 => None,
            1..=SHORT => {
                let key = text.short(len);
                self.short.find(key.to_le_bytes(), hash::of_number(key))
            }
            _ if len <= MEDIUM => {
                let key = text.medium(len);
                self.medium.find(key.to_le_bytes(), hash::of_medium(key))
            }
            _ => self.long.find(text.bytes(len)),
        }
    }

    /// The lengths that tokens have with which `text` may begin.
    #[inline]
    pub(super) fn lengths(&self, text: Prefix<'_>) -> Lengths {
        let medium = self.lengths[hash::prefix(text.first(), self.lengths.len())];
        let medium = u16::from_le_bytes(medium);
        let lengths = Lengths::medium(medium & !1);
        if medium & 1 == 0 {
            return lengths;
        }
        let long = self.long_lengths[hash::long_prefix(text.head(), self.long_lengths.len())];
        lengths.and_long(u32::from_le_bytes(long))
    }

    /// The token that a byte is.
    #[inline]
    pub(super) fn byte(&self, byte: u8) -> Rank {
        Rank::from(self.bytes[usize::from(byte)])
    }

    /// The token that two neighbours merge into.
    #[inline]
    pub(super) fn merge(&self, left: Rank, right: Rank) -> Option<Rank> {
        let Merges { pilots, slots, .. } = self.merges;
        let pair = hash::pair(left, right);
        let merge = u64::from_le_bytes(slots[slot(pilots, slots.len(), hash::of_number(pair))]);
        (merge >> 20 == pair).then_some((merge & 0xf_ffff) as Rank)
    }

    /// The largest of the tokens at a token's beginning on the way to it that could merge with something before it instead.
    #[inline]
    pub(super) fn first_part(&self, rank: Rank) -> Option<Part> {
        Part::read(self.merges.first_parts[rank as usize])
    }

    /// The largest of the tokens at a token's end on the way to it that could merge with something behind it instead.
    #[inline]
    pub(super) fn last_part(&self, rank: Rank) -> Option<Part> {
        Part::read(self.merges.last_parts[rank as usize])
    }
}

/// A token that becomes part of another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) rank: Rank,
    /// It merges with something else if what that makes has a lower rank than this.
    pub(super) before: Rank,
}

impl Part {
    #[inline]
    fn read([a, b, c, d, e]: [u8; 5]) -> Option<Self> {
        let part = u64::from_le_bytes([a, b, c, d, e, 0, 0, 0]);
        let (rank, before) = ((part >> 20) as Rank, (part & 0xf_ffff) as Rank);
        (before > 0).then_some(Self { rank, before })
    }
}

impl<const SIZE: usize> Keys<SIZE> {
    const fn read(sections: &mut Sections) -> Self {
        Self {
            pilots: sections.next().as_chunks().0,
            keys: sections.next().as_chunks().0,
            ranks: sections.next().as_chunks().0,
        }
    }

    #[inline]
    fn find(&self, key: [u8; SIZE], hash: u64) -> Option<&'static [u8; 4]> {
        let slot = slot(self.pilots, self.keys.len(), hash);
        (self.keys[slot] == key).then(|| &self.ranks[slot])
    }
}

impl Long {
    #[inline(never)]
    fn find(&self, token: &[u8]) -> Option<&'static [u8; 4]> {
        let [start, end, rank] =
            &self.slots[slot(self.pilots, self.slots.len(), hash::of_long(token))];
        let place = |place: &[u8; 4]| u32::from_le_bytes(*place) as usize;
        (&self.bytes[place(start)..place(end)] == token).then_some(rank)
    }
}

/// Where a hash leads.
#[inline]
fn slot(pilots: &[[u8; 2]], slots: usize, hash: u64) -> usize {
    let pilot = u16::from_le_bytes(pilots[hash::group(hash, pilots.len())]);
    hash::slot(hash, pilot, slots)
}

/// The parts of a table, in their order.
struct Sections {
    /// What is left of the lengths, four bytes each.
    lengths: &'static [u8],
    rest: &'static [u8],
}

impl Sections {
    const COUNT: usize = 16;

    const fn next(&mut self) -> &'static [u8] {
        let Some((length, lengths)) = self.lengths.split_first_chunk() else {
            return &[];
        };
        let (section, rest) = self.rest.split_at(u32::from_le_bytes(*length) as usize);
        (self.lengths, self.rest) = (lengths, rest);
        section
    }
}
