//! When the JavaScript thread is woken for calls that have ended.
//!
//! A wake-up costs that thread as much as reading half an answer does. So a worker goes on with what is ready, and wakes it before it goes
//! to sleep itself; while many calls are open, sooner: so that neither of the two waits for the other.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
};

use super::completions::Shared;

/// So many parts of the open calls are delivered one after the other, each while the next one is under way. With one, half of the time
/// one of the threads was idle at four calls at a time; with many, nothing is gathered.
const PARTS: usize = 4;

thread_local! {
    /// Whether this thread tells before it goes to sleep. A thread that has done so once will do so again.
    static TELLS: Cell<bool> = const { Cell::new(false) };
    static WAITING: RefCell<Vec<Arc<Shared>>> = const { RefCell::new(Vec::new()) };
}

/// Whether as many calls have ended as are worth a wake-up, of those that were open.
pub(super) fn is_due(ended: usize, open: usize) -> bool {
    ended * PARTS >= open
}

/// Has this thread wake another one before it goes to sleep. `false` where it cannot be relied on to do that.
pub(super) fn before_sleep(shared: &Arc<Shared>) -> bool {
    if TELLS.get() {
        WAITING.with_borrow_mut(|waiting| waiting.push(shared.clone()));
    }
    TELLS.get()
}

/// What a worker does before it goes to sleep.
pub(super) fn going_to_sleep() {
    TELLS.set(true);
    for shared in WAITING.take() {
        shared.wake_for_ended();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_open_calls_are_delivered_at_once_and_many_in_parts() {
        assert!(is_due(1, 1));
        assert!(is_due(1, 4));
        assert!(!is_due(1, 5));
        assert!(!is_due(15, 64));
        assert!(is_due(16, 64));
    }
}
