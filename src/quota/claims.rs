//! Who has been told to come back to a lane, and since when.
//!
//! Room is booked only a moment ahead, so whoever needs more than that is told when to ask again. Without a claim, room that flows
//! back meanwhile would go to whoever asks first: a large request would starve beside others that ask for little. So the
//! store remembers those that it sent away, and lets nobody before them who came later or is less urgent. A claim ends
//! by itself soon after its claimant should have come back: a crash leaves nothing.
//!
//! `redis/script.lua` does the same in Redis; change both.

use super::{Cost, volume::Volume};

/// How long a claim lasts behind the moment when its claimant should ask again, in milliseconds: late timers, slow networks.
pub(super) const GRACE_MS: f64 = 1_000.0;

/// The claims on one lane.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Claims(Vec<Claim>);

#[derive(Debug, Clone, Copy, PartialEq)]
struct Claim {
    claimant: u64,
    turn: Turn,
    estimate: Cost,
    until_ms: f64,
}

/// What decides between those who ask for the same room.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Turn {
    /// Higher goes first.
    pub urgency: i32,
    /// The moment by which its owner named to be served; earlier goes first. Infinite where it named none.
    pub due_ms: f64,
    /// The number that the store gave its owner when it first sent it away; lower goes first.
    pub ticket: u64,
}

impl Turn {
    /// The turn of one who was not sent away yet: behind all who were and are as urgent.
    pub const fn without_ticket(urgency: i32) -> Turn {
        Turn {
            urgency,
            due_ms: f64::INFINITY,
            ticket: u64::MAX,
        }
    }

    fn is_before(self, other: Turn) -> bool {
        let by_urgency = other.urgency.cmp(&self.urgency);
        by_urgency
            .then(self.due_ms.total_cmp(&other.due_ms))
            .then(self.ticket.cmp(&other.ticket))
            .is_lt()
    }
}

impl Claims {
    /// What those whose turn comes before another will take, as estimated.
    pub(super) fn before(&self, turn: Turn, now_ms: f64) -> Volume {
        let before = self
            .0
            .iter()
            .filter(|claim| claim.turn.is_before(turn) && claim.until_ms > now_ms);
        before.fold(Volume::default(), |sum, claim| {
            sum.with(claim.estimate.tokens, claim.estimate)
        })
    }

    /// Takes a claimant's claim away and returns its ticket.
    pub(super) fn take(&mut self, claimant: u64) -> Option<u64> {
        let at = self.0.iter().position(|claim| claim.claimant == claimant)?;
        Some(self.0.swap_remove(at).turn.ticket)
    }

    /// Enters a claim of one who will ask again after `ask_again_ms`.
    pub(super) fn enter(
        &mut self,
        claimant: u64,
        turn: Turn,
        estimate: Cost,
        ask_again_ms: f64,
        now_ms: f64,
    ) {
        self.0.retain(|claim| claim.until_ms > now_ms);
        self.0.push(Claim {
            claimant,
            turn,
            estimate,
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

    fn turn(urgency: i32, ticket: u64) -> Turn {
        Turn {
            ticket,
            ..Turn::without_ticket(urgency)
        }
    }

    #[test]
    fn claims_of_those_who_came_before_count_until_they_end() {
        let mut claims = Claims::default();
        claims.enter(1, turn(0, 1), tokens(10.0), 5_000.0, 0.0);
        claims.enter(2, turn(0, 3), tokens(20.0), 9_000.0, 100.0);
        assert_eq!(claims.before(turn(0, 1), 200.0).tokens, 0.0);
        assert_eq!(claims.before(turn(0, 2), 200.0).tokens, 10.0);
        assert_eq!(claims.before(Turn::without_ticket(0), 200.0).tokens, 30.0);
        assert_eq!(claims.before(turn(0, 4), 6_000.0).tokens, 20.0);
        assert!(!claims.is_empty(10_000.0) && claims.is_empty(10_100.0));
    }

    #[test]
    fn a_higher_priority_goes_before_whoever_came_earlier() {
        let mut claims = Claims::default();
        claims.enter(1, turn(0, 1), tokens(10.0), 5_000.0, 0.0);
        assert_eq!(claims.before(Turn::without_ticket(1), 100.0).tokens, 0.0);
        claims.enter(2, turn(1, 2), tokens(20.0), 5_000.0, 100.0);
        assert_eq!(claims.before(turn(0, 1), 100.0).tokens, 20.0);
        assert_eq!(claims.before(turn(-1, 0), 200.0).tokens, 30.0);
    }

    #[test]
    fn a_named_moment_goes_before_tickets_and_behind_urgency() {
        let mut claims = Claims::default();
        claims.enter(1, turn(0, 1), tokens(10.0), 5_000.0, 0.0);
        let due = Turn {
            due_ms: 9_000.0,
            ..turn(0, 2)
        };
        assert_eq!(claims.before(due, 0.0).tokens, 0.0);
        claims.enter(2, due, tokens(20.0), 5_000.0, 0.0);
        assert_eq!(claims.before(turn(0, 1), 0.0).tokens, 20.0);
        assert_eq!(claims.before(turn(1, 3), 0.0).tokens, 0.0);
    }

    #[test]
    fn a_claimant_that_comes_back_keeps_its_ticket() {
        let mut claims = Claims::default();
        claims.enter(1, turn(0, 7), tokens(10.0), 100.0, 0.0);
        assert_eq!(claims.take(1), Some(7));
        assert_eq!(claims.take(1), None);
        assert!(claims.is_empty(0.0));
    }
}
