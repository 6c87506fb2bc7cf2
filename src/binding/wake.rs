//! When the JavaScript thread is woken for calls that have ended.
//!
//! Each wake-up takes that thread through its event loop and some system calls. So a worker goes on with what is ready, and wakes it
//! before it goes to sleep itself; while many calls are open, sooner: so that neither of the two waits for the other.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
};

/// The open calls are delivered in so many parts, each while the next one is under way. Gathered until the worker sleeps, four callers
/// got 25,000 requests a second instead of 39,000, in two parts 33,000; at 64 callers two parts take a twentieth less of the JavaScript
/// thread than four, which took a tenth less than parts of two ends (November 2026).
const PARTS_OF_FEW: usize = 4;
const PARTS_OF_MANY: usize = 2;

/// From so many open calls on they are many.
const MANY: usize = 16;

/// So many ends are worth a wake-up, however many calls are open: they are read in less than a millisecond.
const MOST: usize = 64;

/// Whoever waits for ends of calls.
pub(super) trait Waiting {
    /// Wakes it if there is something to take for which it was not woken.
    fn wake(&self);
}

thread_local! {
    /// Whether this thread tells before it goes to sleep. One that has done so once will do so again: all that would keep a worker from it
    /// for good is `block_in_place`, which nothing here uses.
    static TELLS: Cell<bool> = const { Cell::new(false) };
    /// Who is to be woken, each once.
    static WAITING: RefCell<Vec<Arc<dyn Waiting>>> = const { RefCell::new(Vec::new()) };
    /// How many calls have ended since somebody waits.
    static ENDED: Cell<usize> = const { Cell::new(0) };
}

/// Whether as many calls have ended as are worth a wake-up, of those that were open.
pub(super) fn is_due(ended: usize, open: usize) -> bool {
    let parts = if open < MANY {
        PARTS_OF_FEW
    } else {
        PARTS_OF_MANY
    };
    ended >= MOST || ended * parts >= open
}

/// Has somebody woken before this thread goes to sleep, or at once where it does not tell.
pub(super) fn soon(who: &Arc<impl Waiting + 'static>) {
    if !TELLS.get() {
        return who.wake();
    }
    WAITING.with_borrow_mut(|waiting| {
        let is_known =
            |known: &Arc<dyn Waiting>| Arc::as_ptr(known).addr() == Arc::as_ptr(who).addr();
        if !waiting.iter().any(is_known) {
            waiting.push(who.clone());
        }
    });
}

/// A call has ended on this thread. One that is always busy, for whomever, keeps nobody waiting for long.
pub(super) fn one_more_ended() {
    if WAITING.with_borrow(Vec::is_empty) {
        return;
    }
    ENDED.set(ENDED.get() + 1);
    if ENDED.get() >= MOST {
        wake_all();
    }
}

/// What a worker does before it goes to sleep.
pub(super) fn going_to_sleep() {
    TELLS.set(true);
    wake_all();
}

fn wake_all() {
    ENDED.set(0);
    for waiting in WAITING.take() {
        waiting.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        thread,
    };

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Waiting for Woken {
        fn wake(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Woken {
        fn times(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    /// On a thread of its own, as what is tested is each thread's.
    fn on_a_thread(test: impl FnOnce() + Send) {
        thread::scope(|scope| scope.spawn(test).join()).expect("a test that holds");
    }

    #[test]
    fn few_open_calls_are_delivered_at_once_and_many_in_parts() {
        assert!(is_due(1, 1));
        assert!(is_due(1, 4));
        assert!(!is_due(1, 5));
        assert!(is_due(4, 15));
        assert!(!is_due(31, 64));
        assert!(is_due(32, 64));
        assert!(!is_due(63, 10_000));
        assert!(is_due(64, 10_000));
    }

    #[test]
    fn a_thread_that_never_told_wakes_at_once() {
        on_a_thread(|| {
            let woken = Arc::new(Woken::default());
            soon(&woken);
            assert_eq!(woken.times(), 1);
        });
    }

    #[test]
    fn a_thread_that_tells_wakes_each_once_before_it_sleeps() {
        on_a_thread(|| {
            going_to_sleep();
            let both = [Arc::new(Woken::default()), Arc::new(Woken::default())];
            for woken in both.iter().chain(&both) {
                soon(woken);
                one_more_ended();
            }
            assert_eq!(both.each_ref().map(|woken| woken.times()), [0, 0]);
            going_to_sleep();
            assert_eq!(both.each_ref().map(|woken| woken.times()), [1, 1]);
            going_to_sleep();
            assert_eq!(both.each_ref().map(|woken| woken.times()), [1, 1]);
        });
    }

    #[test]
    fn a_thread_that_never_sleeps_wakes_after_the_ends_of_others() {
        on_a_thread(|| {
            going_to_sleep();
            let woken = Arc::new(Woken::default());
            soon(&woken);
            for _ in 1..MOST {
                one_more_ended();
            }
            assert_eq!(woken.times(), 0);
            one_more_ended();
            assert_eq!(woken.times(), 1);
        });
    }
}
