//! The store in random histories.

mod hostile;
mod interleavings;
mod turns;

use proptest::prelude::*;

use super::*;

/// The same store once more, to see what would come of a question.
fn copy(store: &MemoryStore) -> MemoryStore {
    let families = store.families();
    let copies = families.iter().map(|(name, family)| {
        let copy = Family {
            lanes: family.lanes.clone(),
            tickets: family.tickets,
        };
        (name.clone(), copy)
    });
    MemoryStore {
        families: Mutex::new(copies.collect()),
    }
}
