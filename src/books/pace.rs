//! When reports go to Redis: the first count at once, later ones together.

use std::time::{Duration, Instant};

/// Counts gather for so long since the last report began.
const FLOOR: Duration = Duration::from_millis(100);

/// The pause after the first failure in a row; it doubles with each further one.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What there is to report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urge {
    /// Nothing, but whether Redis still has all is looked at this often.
    Look(Duration),
    Counts,
    /// Somebody waits for the answer.
    Asks,
}

/// The rhythm of reports. One is under way at a time.
#[derive(Debug, Default)]
pub(super) struct Pace {
    began: Option<Instant>,
    failures: u32,
    retry_at: Option<Instant>,
    is_hurried: bool,
}

impl Pace {
    /// The next report goes at once, whatever came before it.
    pub(super) fn hurry(&mut self) {
        self.is_hurried = true;
    }

    pub(super) fn began(&mut self, now: Instant) {
        self.began = Some(now);
        self.is_hurried = false;
    }

    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
        self.retry_at = None;
    }

    pub(super) fn failed(&mut self, now: Instant) {
        let doubled = SHORTEST_PAUSE.saturating_mul(2_u32.saturating_pow(self.failures));
        self.retry_at = Some(now + doubled.min(LONGEST_PAUSE));
        self.failures = self.failures.saturating_add(1);
    }

    /// How long to wait from now.
    pub(super) fn wait(&self, urge: Urge, now: Instant) -> Duration {
        // Whoever asks does so of a Redis that answers; what failed then was something else, such as one server of a cluster.
        if self.is_hurried || urge == Urge::Asks {
            return Duration::ZERO;
        }
        if let Some(retry_at) = self.retry_at {
            return retry_at.saturating_duration_since(now);
        }
        let since = |pause: Duration| {
            let began = self.began.map(|began| began + pause);
            began.map_or(Duration::ZERO, |due| due.saturating_duration_since(now))
        };
        match urge {
            Urge::Asks => Duration::ZERO,
            Urge::Counts => since(FLOOR),
            Urge::Look(every) => since(every),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_count_goes_at_once_and_the_next_after_the_floor() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        assert_eq!(pace.wait(Urge::Counts, start), Duration::ZERO);
        pace.began(start);
        let later = start + Duration::from_millis(30);
        assert_eq!(pace.wait(Urge::Counts, later), Duration::from_millis(70));
        assert_eq!(pace.wait(Urge::Asks, later), Duration::ZERO);
        let look = Urge::Look(Duration::from_secs(20));
        assert_eq!(pace.wait(look, later), Duration::from_millis(19_970));
        pace.hurry();
        assert_eq!(pace.wait(Urge::Counts, later), Duration::ZERO);
        pace.began(later);
        assert_eq!(pace.wait(Urge::Counts, later), FLOOR);
    }

    #[test]
    fn pauses_grow_while_redis_fails() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        let pauses: Vec<u128> = (0..8)
            .map(|_| {
                pace.failed(now);
                pace.wait(Urge::Counts, now).as_millis()
            })
            .collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1600, 2000, 2000]);
        assert_eq!(pace.wait(Urge::Asks, now), Duration::ZERO);
        pace.succeeded();
        assert_eq!(pace.wait(Urge::Counts, now), Duration::ZERO);
    }
}
