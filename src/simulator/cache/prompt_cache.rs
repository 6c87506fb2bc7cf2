//! One organization's prompt cache.

use std::collections::{BTreeMap, HashMap};

/// Hashes kept at most, some 7 MB. A prompt of 20,000 tokens over the wire has about 300.
const MOST_ENTRIES: usize = 100_000;

/// What the models of one organization have read lately.
///
/// A prompt is a chain of hashes, each of everything from the prompt's start to one place; the first hash must depend on
/// the model and the `prompt_cache_key` too, as nothing is shared between them. Prompts with the same beginning have
/// chains with the same beginning, and that is all the cache compares.
///
/// The distance of places is the caller's choice. With one hash for every [`STEP_TOKENS`](Self::STEP_TOKENS), a visit
/// that knows `n` of them found `cached_tokens(n × STEP_TOKENS)`.
///
/// ```
/// use openai_request_manager::simulator::PromptCache;
///
/// let mut cache = PromptCache::new();
/// // 1,280 tokens, and a second prompt that begins with 1,152 of them.
/// let first: Vec<u64> = (0..10).collect();
/// let second: Vec<u64> = (0..9).chain([77, 78]).collect();
/// assert_eq!(cache.visit(&first, 0.0), 0);
/// assert_eq!(cache.visit(&second, 1_000.0), 9);
/// assert_eq!(PromptCache::cached_tokens(9 * PromptCache::STEP_TOKENS), 1_152);
/// ```
#[derive(Debug, Clone)]
pub struct PromptCache {
    idle_ms: f64,
    /// The turn in which each hash was last used.
    turns: HashMap<u64, u64>,
    /// The same the other way round: the hash that was unused for longest comes first.
    entries: BTreeMap<u64, Entry>,
    next_turn: u64,
    /// The latest moment seen.
    now_ms: f64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    hash: u64,
    used_ms: f64,
}

impl Default for PromptCache {
    fn default() -> PromptCache {
        PromptCache::new()
    }
}

impl PromptCache {
    /// The shortest prompt that is cached, in tokens, and the shortest hit.
    pub const LEAST_TOKENS: u64 = 1_024;
    /// Hits are multiples of so many tokens.
    pub const STEP_TOKENS: u64 = 128;
    /// How long an entry lives without use: ten minutes, the upper end of what is documented.
    pub const IDLE_MS: f64 = 600_000.0;

    /// An empty cache whose entries live [`IDLE_MS`](Self::IDLE_MS) without use.
    pub fn new() -> PromptCache {
        PromptCache::with_idle_ms(PromptCache::IDLE_MS)
    }

    /// An empty cache whose entries live so many milliseconds without use. With 0 it never knows anything.
    pub fn with_idle_ms(idle_ms: f64) -> PromptCache {
        PromptCache {
            idle_ms,
            turns: HashMap::new(),
            entries: BTreeMap::new(),
            next_turn: 0,
            now_ms: f64::NEG_INFINITY,
        }
    }

    /// Reads a prompt at the moment `now_ms` (milliseconds of any clock): how many hashes from its start were known.
    /// From now on all are, and none of them has been idle.
    ///
    /// The longest unused are forgotten where there are too many. A `now_ms` before the last one counts as the last
    /// one: threads read the clock before they get the cache.
    pub fn visit(&mut self, prefix: &[u64], now_ms: f64) -> usize {
        self.now_ms = self.now_ms.max(now_ms);
        let idle_since = self.now_ms - self.idle_ms;
        while let Some(longest_unused) = self.entries.first_entry()
            && longest_unused.get().used_ms <= idle_since
        {
            self.turns.remove(&longest_unused.remove().hash);
        }
        let known = prefix
            .iter()
            .take_while(|hash| self.turns.contains_key(hash))
            .count();
        // From the end to the start, so that the end of a prompt is forgotten before its beginning.
        for hash in prefix.iter().rev() {
            self.use_now(*hash);
        }
        while self.entries.len() > MOST_ENTRIES
            && let Some((_, longest_unused)) = self.entries.pop_first()
        {
            self.turns.remove(&longest_unused.hash);
        }
        known
    }

    /// The tokens that a reply reports as cached where its prompt shares so many with an earlier one: full steps, and
    /// none below the least.
    pub const fn cached_tokens(shared_tokens: u64) -> u64 {
        if shared_tokens < PromptCache::LEAST_TOKENS {
            0
        } else {
            shared_tokens - shared_tokens % PromptCache::STEP_TOKENS
        }
    }

    fn use_now(&mut self, hash: u64) {
        let used_ms = self.now_ms;
        let turn = self.next_turn;
        self.next_turn += 1;
        if let Some(earlier) = self.turns.insert(hash, turn) {
            self.entries.remove(&earlier);
        }
        self.entries.insert(turn, Entry { hash, used_ms });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(hashes: std::ops::Range<u64>) -> Vec<u64> {
        hashes.collect()
    }

    #[test]
    fn a_prompt_is_known_as_far_as_it_begins_like_an_earlier_one() {
        let mut cache = PromptCache::new();
        assert_eq!(cache.visit(&chain(0..10), 0.0), 0);
        assert_eq!(cache.visit(&chain(0..10), 0.0), 10);
        assert_eq!(cache.visit(&chain(0..14), 0.0), 10, "grown");
        assert_eq!(cache.visit(&chain(0..14), 0.0), 14);
        assert_eq!(cache.visit(&chain(0..3), 0.0), 3, "cut short");
        assert_eq!(cache.visit(&[0, 1, 99, 3, 4], 0.0), 2, "changed within");
        assert_eq!(cache.visit(&chain(1..10), 0.0), 9);
        assert_eq!(cache.visit(&[], 0.0), 0);
    }

    #[test]
    fn hits_are_reported_from_1024_tokens_on_in_steps_of_128() {
        for (shared, cached) in [
            (0, 0),
            (1_023, 0),
            (1_024, 1_024),
            (1_151, 1_024),
            (1_152, 1_152),
            (2_000, 1_920),
        ] {
            assert_eq!(PromptCache::cached_tokens(shared), cached, "{shared}");
        }
    }

    #[test]
    fn what_is_used_stays_and_what_is_idle_for_ten_minutes_ends() {
        let mut cache = PromptCache::new();
        cache.visit(&chain(0..10), 0.0);
        assert_eq!(cache.visit(&chain(0..4), 599_999.0), 4);
        let known = cache.clone().visit(&chain(0..10), 599_999.0);
        assert_eq!(known, 10, "the rest is still there");
        let known = cache.visit(&chain(0..10), 600_000.0);
        assert_eq!(known, 4, "the rest was idle");
        assert_eq!(cache.visit(&chain(0..10), 1_200_000.0), 0);
    }

    #[test]
    fn moments_out_of_order_change_nothing() {
        let mut cache = PromptCache::with_idle_ms(100.0);
        cache.visit(&chain(0..2), 1_000.0);
        cache.visit(&chain(2..4), 950.0);
        assert_eq!(cache.visit(&chain(2..4), 1_099.0), 2);
        assert_eq!(cache.visit(&chain(0..2), 1_099.0), 2);
    }

    #[test]
    fn a_cache_without_time_to_live_knows_nothing() {
        let mut cache = PromptCache::with_idle_ms(0.0);
        cache.visit(&chain(0..10), 5.0);
        assert_eq!(cache.visit(&chain(0..10), 5.0), 0);
    }

    #[test]
    fn a_full_cache_forgets_the_longest_unused_and_of_a_prompt_its_end_first() {
        let most = MOST_ENTRIES as u64;
        let mut cache = PromptCache::new();
        cache.visit(&chain(0..10), 0.0);
        cache.visit(&chain(10..most), 1.0);
        cache.visit(&chain(most..most + 4), 2.0);
        assert_eq!(cache.entries.len(), MOST_ENTRIES);
        assert_eq!(cache.turns.len(), MOST_ENTRIES);
        assert_eq!(cache.visit(&chain(0..10), 3.0), 6);
    }
}
