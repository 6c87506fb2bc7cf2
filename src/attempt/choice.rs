//! Why an account was chosen for a call, and between which ones.

use std::{cmp::Ordering, sync::Arc, time::Duration};

/// More candidates than these are not told: of a hundred accounts nobody reads the last ones.
const MOST_CANDIDATES: usize = 10;

/// Why an account was chosen. The names are stable: they appear in results, errors and events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Because {
    /// No other account could take the request.
    Only,
    /// It could start before all others.
    Earliest,
    /// Several could start at the same moment; it had the smallest share in use for its weight.
    MostRoom,
    /// It is the home of the prompt's prefix.
    Cache,
    /// The home of the prompt's prefix would have started too late; it is the next in the same order.
    Spilled,
    /// The caller wanted no waiting.
    Forced,
}

impl Because {
    /// The stable name, as in `index.d.ts`.
    pub fn name(self) -> &'static str {
        match self {
            Because::Only => "only",
            Because::Earliest => "earliest",
            Because::MostRoom => "most_room",
            Because::Cache => "cache",
            Because::Spilled => "spilled",
            Because::Forced => "forced",
        }
    }
}

/// An account that a call could have gone to.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Its label.
    pub account: Arc<str>,
    /// Time from the moment of choosing until it could have started, as the books said then; `None` where it could not take
    /// the request, or waited for its first answer.
    pub wait: Option<Duration>,
}

/// The choice of an account for a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// Why this one.
    pub because: Because,
    /// Who else could have taken it, the chosen one included: the ten that could start first at most, earliest first.
    pub candidates: Vec<Candidate>,
}

impl Choice {
    /// A choice between these candidates, of which the one at `chosen` was taken. Among those that could start at the same
    /// moment it is told first, the others in the order given.
    pub fn new(because: Because, mut candidates: Vec<Candidate>, chosen: usize) -> Self {
        if chosen < candidates.len() {
            candidates[..=chosen].rotate_right(1);
        }
        // A stable sort.
        candidates.sort_by(|a, b| match (a.wait, b.wait) {
            (Some(a), Some(b)) => a.cmp(&b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        });
        candidates.truncate(MOST_CANDIDATES);
        Choice {
            because,
            candidates,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ten_that_could_start_first_are_told_earliest_first() {
        let candidates = (0..14_u64)
            .map(|index| Candidate {
                account: index.to_string().into(),
                wait: match index {
                    0 => None,
                    1..=3 => Some(Duration::from_secs(9)),
                    _ => Some(Duration::ZERO),
                },
            })
            .collect();
        let choice = Choice::new(Because::MostRoom, candidates, 6);
        let told: Vec<&str> = choice
            .candidates
            .iter()
            .map(|told| &*told.account)
            .collect();
        assert_eq!(told, ["6", "4", "5", "7", "8", "9", "10", "11", "12", "13"]);
    }

    #[test]
    fn who_could_not_start_stands_last() {
        let candidate = |account: &str, wait| Candidate {
            account: account.into(),
            wait,
        };
        let (now, later) = (Some(Duration::ZERO), Some(Duration::from_secs(1)));
        let candidates = vec![
            candidate("never", None),
            candidate("later", later),
            candidate("now", now),
        ];
        let choice = Choice::new(Because::Earliest, candidates, 2);
        let told: Vec<&str> = choice
            .candidates
            .iter()
            .map(|told| &*told.account)
            .collect();
        assert_eq!(told, ["now", "later", "never"]);
    }
}
