//! Whether an account may be used: parked after a refusal, held back after failures. Pure; times are milliseconds on the scheduler's
//! clock.
//!
//! *Parked* is an account that said no to everything (its key, its money) or to a model. It is left out, and asked again by a
//! single request after a while that doubles. A *breaker* is for servers that fail: after some failures in a row the account is
//! held back for a moment that doubles; others are used meanwhile, and where there is no other, requests wait.

use std::{collections::HashMap, sync::Arc};

use crate::attempt::{Loss, Outcome};

/// Failures in a row before an account is held back. One or two happen on any day.
const FAILURES_TO_OPEN: u32 = 5;
const FIRST_HOLD_MS: f64 = 1_000.0;
const LONGEST_HOLD_MS: f64 = 30_000.0;
const FIRST_PARK_MS: f64 = 60_000.0;
const LONGEST_PARK_MS: f64 = 600_000.0;
/// While one request asks a parked account again, others stay away for this long.
const PROBE_MS: f64 = 10_000.0;
/// Model names come from callers, so the number of closed models needs a bound.
const MOST_CLOSED_MODELS: usize = 256;

/// Whether an account may take a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Access {
    /// From this moment on.
    Open { not_before_ms: f64 },
    /// Not before this moment, because of this outcome.
    Parked { until_ms: f64, because: Outcome },
}

/// The health of one account.
#[derive(Debug)]
pub(super) struct Health {
    parked: Option<Park>,
    /// Why it gave no key, where that is what it is parked for.
    key_failure: Option<Arc<str>>,
    closed_models: HashMap<Arc<str>, Park>,
    failures_in_a_row: u32,
    held_until_ms: f64,
    /// The last one that counted.
    last_loss: Option<Loss>,
}

impl Default for Health {
    fn default() -> Self {
        Health {
            parked: None,
            key_failure: None,
            closed_models: HashMap::new(),
            failures_in_a_row: 0,
            held_until_ms: f64::NEG_INFINITY,
            last_loss: None,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Park {
    because: Outcome,
    until_ms: f64,
    next_ms: f64,
    /// Whether a request was let through to ask again.
    is_probed: bool,
}

impl Park {
    fn again(before: Option<Park>, because: Outcome, now_ms: f64) -> Park {
        // Refusals of requests that were in flight together count once.
        if let Some(park) = before.filter(|park| !park.is_probed && park.until_ms > now_ms) {
            return park;
        }
        let length_ms = before.map_or(FIRST_PARK_MS, |park| park.next_ms);
        Park {
            because,
            until_ms: now_ms + length_ms,
            next_ms: (length_ms * 2.0).min(LONGEST_PARK_MS),
            is_probed: false,
        }
    }
}

impl Health {
    /// Whether a request for this model group may use the account.
    pub(super) fn access(&self, model_group: &str, now_ms: f64) -> Access {
        self.parks(model_group)
            .filter(|park| park.until_ms > now_ms)
            .max_by(|a, b| a.until_ms.total_cmp(&b.until_ms))
            .map_or(
                Access::Open {
                    not_before_ms: self.held_until_ms,
                },
                |park| Access::Parked {
                    until_ms: park.until_ms,
                    because: park.because,
                },
            )
    }

    /// A request was admitted: if the account was parked, this one asks for all (true), and the others stay away meanwhile.
    pub(super) fn admitted(&mut self, model_group: &str, now_ms: f64) -> bool {
        let mut is_probe = false;
        let probed = self
            .parked
            .iter_mut()
            .chain(self.closed_models.get_mut(model_group));
        for park in probed {
            park.until_ms = now_ms + PROBE_MS;
            park.is_probed = true;
            is_probe = true;
        }
        is_probe
    }

    /// What the outcome of an attempt that was lost with others says about the account: something once, for all of them.
    pub(super) fn note_lost(
        &mut self,
        model_group: &Arc<str>,
        outcome: Outcome,
        loss: &Loss,
        now_ms: f64,
    ) {
        if self.last_loss.as_ref() != Some(loss) {
            self.last_loss = Some(loss.clone());
            self.note(model_group, outcome, now_ms);
        }
    }

    /// What an attempt's outcome says about the account.
    pub(super) fn note(&mut self, model_group: &Arc<str>, outcome: Outcome, now_ms: f64) {
        match outcome {
            Outcome::Overloaded | Outcome::Broken => {
                // Sent before the account was held back: one trouble with many requests in flight is still one.
                if now_ms < self.held_until_ms {
                    return;
                }
                self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
                if let Some(doublings) = self.failures_in_a_row.checked_sub(FAILURES_TO_OPEN) {
                    let hold_ms = FIRST_HOLD_MS * f64::from(doublings.min(10)).exp2();
                    self.held_until_ms = now_ms + hold_ms.min(LONGEST_HOLD_MS);
                }
                return;
            }
            // Says nothing about the account.
            Outcome::Aborted => return,
            Outcome::OutOfMoney | Outcome::KeyRefused => {
                self.park(outcome, now_ms);
            }
            Outcome::ModelRefused => {
                if self.closed_models.len() >= MOST_CLOSED_MODELS {
                    self.closed_models.retain(|_, park| park.until_ms > now_ms);
                }
                if self.closed_models.len() < MOST_CLOSED_MODELS {
                    let before = self.closed_models.get(model_group).copied();
                    let park = Park::again(before, outcome, now_ms);
                    self.closed_models.insert(model_group.clone(), park);
                }
            }
            Outcome::Ok | Outcome::Limited | Outcome::TooLarge | Outcome::BadRequest => {
                self.parked = None;
                self.key_failure = None;
                self.closed_models.remove(model_group);
            }
        }
        self.failures_in_a_row = 0;
        self.held_until_ms = f64::NEG_INFINITY;
    }

    /// There is no key to use it with, for this reason.
    pub(super) fn key_failed(&mut self, why: Arc<str>, now_ms: f64) {
        self.park(Outcome::KeyRefused, now_ms);
        self.key_failure = Some(why);
    }

    /// Why there was no key, where it is parked for that.
    pub(super) fn key_failure(&self) -> Option<Arc<str>> {
        self.key_failure.clone()
    }

    fn park(&mut self, because: Outcome, now_ms: f64) {
        self.parked = Some(Park::again(self.parked, because, now_ms));
        self.key_failure = None;
    }

    fn parks(&self, model_group: &str) -> impl Iterator<Item = Park> {
        let closed = self.closed_models.get(model_group).copied();
        self.parked.into_iter().chain(closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group() -> Arc<str> {
        "m".into()
    }

    fn is_parked(health: &Health, model: &str, now_ms: f64) -> bool {
        matches!(health.access(model, now_ms), Access::Parked { .. })
    }

    #[test]
    fn a_refused_key_parks_the_account_longer_each_time_until_it_works() {
        let mut health = Health::default();
        health.note(&group(), Outcome::KeyRefused, 0.0);
        assert!(is_parked(&health, "m", 59_999.0) && is_parked(&health, "other", 1.0));
        assert!(!is_parked(&health, "m", 60_000.0));
        health.admitted("m", 60_000.0);
        health.note(&group(), Outcome::KeyRefused, 60_000.0);
        assert!(is_parked(&health, "m", 179_999.0));
        health.note(&group(), Outcome::Ok, 180_000.0);
        assert!(!is_parked(&health, "m", 180_000.0));
        health.note(&group(), Outcome::OutOfMoney, 180_000.0);
        assert!(!is_parked(&health, "m", 240_000.0));
    }

    #[test]
    fn a_refused_model_closes_only_that_model() {
        let mut health = Health::default();
        health.note(&group(), Outcome::ModelRefused, 0.0);
        assert!(is_parked(&health, "m", 1.0) && !is_parked(&health, "other", 1.0));
        health.note(&"other".into(), Outcome::Ok, 1.0);
        assert!(is_parked(&health, "m", 1.0));
    }

    #[test]
    fn one_request_asks_a_parked_account_again_while_others_stay_away() {
        let mut health = Health::default();
        health.note(&group(), Outcome::OutOfMoney, 0.0);
        assert!(!is_parked(&health, "m", 60_000.0));
        health.admitted("m", 60_000.0);
        assert!(is_parked(&health, "m", 60_001.0));
    }

    #[test]
    fn failures_in_a_row_hold_an_account_back_and_an_answer_frees_it() {
        let mut health = Health::default();
        let held_until = |health: &Health| match health.access("m", 0.0) {
            Access::Open { not_before_ms } => not_before_ms,
            parked => panic!("{parked:?}"),
        };
        for _ in 0..4 {
            health.note(&group(), Outcome::Broken, 0.0);
        }
        assert!(held_until(&health) <= 0.0);
        health.note(&group(), Outcome::Overloaded, 0.0);
        assert_eq!(held_until(&health), 1_000.0);
        health.note(&group(), Outcome::Overloaded, 1_000.0);
        assert_eq!(held_until(&health), 3_000.0);
        for failure in 1..100 {
            health.note(&group(), Outcome::Overloaded, 40_000.0 * f64::from(failure));
        }
        assert_eq!(held_until(&health), 99.0 * 40_000.0 + 30_000.0);
        health.note(&group(), Outcome::BadRequest, 0.0);
        assert!(held_until(&health) <= 0.0);
    }

    #[test]
    fn failures_and_refusals_of_requests_in_flight_together_count_once() {
        let mut health = Health::default();
        for _ in 0..30 {
            health.note(&group(), Outcome::Broken, 0.0);
        }
        assert_eq!(
            health.access("m", 0.0),
            Access::Open {
                not_before_ms: 1_000.0
            }
        );
        for _ in 0..30 {
            health.note(&group(), Outcome::KeyRefused, 0.0);
        }
        assert!(is_parked(&health, "m", 59_999.0) && !is_parked(&health, "m", 60_000.0));
    }
}
