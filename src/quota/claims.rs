//! Who has been told to come back to a lane, and since when.
//!
//! Room is booked only a moment ahead, so whoever needs more than that is told when to ask again. Without a claim, room that flows
//! back meanwhile would go to whoever asks first: a large request, or the line of a process whose first request is large,
//! would starve beside others that ask for little. So the store remembers those that it sent away, and lets nobody before
//! them who came later. A claim ends by itself soon after its claimant should have come back: a crash leaves nothing.

use super::Cost;

/// How long a claim lasts behind the moment when its claimant should ask again, in milliseconds: late timers, slow networks.
const GRACE_MS: f64 = 1_000.0;

/// The claims on one lane.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Claims(Vec<Claim>);

#[derive(Debug, Clone, Copy, PartialEq)]
struct Claim {
    claimant: u64,
    estimate: Cost,
    since_ms: f64,
    until_ms: f64,
}

impl Claims {
    /// What those who came before a moment, or at it, will take.
    pub(super) fn before(&self, since_ms: f64, now_ms: f64) -> Cost {
        let before = self
            .0
            .iter()
            .filter(|claim| claim.since_ms <= since_ms && claim.until_ms > now_ms);
        before.fold(Cost::NOTHING, |sum, claim| Cost {
            requests: sum.requests + claim.estimate.requests,
            tokens: sum.tokens + claim.estimate.tokens,
        })
    }

    /// Takes a claimant's claim away and returns since when it stood.
    pub(super) fn take(&mut self, claimant: u64) -> Option<f64> {
        let at = self.0.iter().position(|claim| claim.claimant == claimant)?;
        Some(self.0.swap_remove(at).since_ms)
    }

    /// Enters a claim of one who will ask again after `ask_again_ms`.
    pub(super) fn enter(
        &mut self,
        claimant: u64,
        estimate: Cost,
        since_ms: f64,
        ask_again_ms: f64,
        now_ms: f64,
    ) {
        self.0.retain(|claim| claim.until_ms > now_ms);
        self.0.push(Claim {
            claimant,
            estimate,
            since_ms,
            until_ms: now_ms + ask_again_ms + GRACE_MS,
        });
    }

    /// Whether nobody will come back.
    pub(super) fn is_empty(&self, now_ms: f64) -> bool {
        self.0.iter().all(|claim| claim.until_ms <= now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(tokens: f64) -> Cost {
        Cost {
            requests: 1.0,
            tokens,
        }
    }

    #[test]
    fn claims_of_those_who_came_before_count_until_they_end() {
        let mut claims = Claims::default();
        claims.enter(1, tokens(10.0), 0.0, 5_000.0, 0.0);
        claims.enter(2, tokens(20.0), 100.0, 9_000.0, 100.0);
        assert_eq!(claims.before(50.0, 200.0).tokens, 10.0);
        assert_eq!(claims.before(200.0, 200.0).tokens, 30.0);
        assert_eq!(claims.before(200.0, 6_000.0).tokens, 20.0);
        assert!(!claims.is_empty(10_000.0) && claims.is_empty(10_100.0));
    }

    #[test]
    fn a_claimant_that_comes_back_keeps_its_place() {
        let mut claims = Claims::default();
        claims.enter(1, tokens(10.0), 0.0, 100.0, 0.0);
        assert_eq!(claims.take(1), Some(0.0));
        assert_eq!(claims.take(1), None);
        assert!(claims.is_empty(0.0));
    }
}
