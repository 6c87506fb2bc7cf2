//! Searching the pilots of a perfect hash (`src/tokens/vocabulary/hash.rs` says what they are).

use crate::hash;

/// Keys to a pilot, on average. More would save little memory and take much longer to search.
const GROUP: usize = 4;

/// A table in which every key has a slot of its own.
pub(crate) struct Perfect {
    /// The pilot of each group.
    pub(crate) pilots: Vec<u16>,
    /// Which key each slot is for; one slot in twenty is for none, so that the last keys find theirs.
    pub(crate) slots: Vec<Option<usize>>,
}

/// Finds a slot for each of the keys with these hashes.
pub(crate) fn perfect(hashes: &[u64]) -> Perfect {
    let mut slots = vec![None; hashes.len() + hashes.len() / 20 + 1];
    let mut groups = vec![Vec::new(); hashes.len() / GROUP + 1];
    let count = groups.len();
    for (key, &hash) in hashes.iter().enumerate() {
        groups[hash::group(hash, count)].push(key);
    }
    let mut order: Vec<usize> = (0..count).collect();
    // The largest first, while there is room.
    order.sort_by_key(|&group| std::cmp::Reverse(groups[group].len()));
    let mut pilots = vec![0; count];
    for group in order {
        let keys = &groups[group];
        let places = |pilot: u16| -> Vec<usize> {
            let place = |&key: &usize| hash::slot(hashes[key], pilot, slots.len());
            let mut places: Vec<usize> = keys.iter().map(place).collect();
            places.retain(|&place| slots[place].is_none());
            places
        };
        let is_free = |pilot: &u16| {
            let mut places = places(*pilot);
            places.sort_unstable();
            places.dedup();
            places.len() == keys.len()
        };
        let pilot = (0..=u16::MAX).find(is_free).expect("a pilot exists");
        pilots[group] = pilot;
        for (key, place) in keys.iter().zip(places(pilot)) {
            slots[place] = Some(*key);
        }
    }
    Perfect { pilots, slots }
}
