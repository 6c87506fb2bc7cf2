//! Which lane takes a request, and when. Pure: lanes in, a choice out.

use std::cmp::Ordering;

use super::{Ask, Candidate, Cost, Metric, Standing, lane::Lane};

/// How far ahead room is booked, in milliseconds. Longer would give exact order further ahead, but ties requests to an account
/// long before they are sent, and what is learned meanwhile cannot move them.
pub const HORIZON_MS: f64 = 1_000.0;

/// A caller that waits for a lane to start asks again after this time at the latest, in milliseconds; an answer wakes it sooner.
pub(super) const START_AGAIN_MS: f64 = 100.0;

/// The choice for an ask.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Choice {
    /// The candidate that can start first, after this many milliseconds.
    Earliest { candidate: usize, wait_ms: f64 },
    /// Every lane that could start within the horizon has unknown limits and enough under way: the next answer will tell.
    Starting,
    /// No candidate can ever take it.
    Never { metric: Metric, limit: f64 },
}

/// The earliest lane; among equals the one with the largest share left (the smallest share in use for its weight); then the first.
///
/// `lanes` are the ask's candidates' lanes, in order; the asker came at `since_ms`.
pub(super) fn choose(ask: &Ask, lanes: &[&Lane], since_ms: f64, now_ms: f64) -> Choice {
    let mut best: Option<(usize, f64, f64)> = None;
    let mut too_small: Option<(Metric, f64)> = None;
    let mut is_starting = false;
    for (index, (candidate, lane)) in ask.candidates.iter().zip(lanes).enumerate() {
        let exceeded = lane.exceeded_by(ask.cost).filter(|_| !ask.force);
        if let Some((metric, limit)) = exceeded {
            if too_small.is_none_or(|(_, largest)| limit > largest) {
                too_small = Some((metric, limit));
            }
            continue;
        }
        if !ask.force && lane.is_starting(now_ms) {
            is_starting = true;
            continue;
        }
        let (wait_ms, preference) = rank(candidate, lane, ask.cost, since_ms, now_ms);
        let better = best.is_none_or(|(_, best_wait, best_preference)| {
            match wait_ms.total_cmp(&best_wait) {
                Ordering::Less => true,
                Ordering::Equal => preference > best_preference,
                Ordering::Greater => false,
            }
        });
        if better {
            best = Some((index, wait_ms, preference));
        }
    }
    match (best, too_small) {
        (Some((_, wait_ms, _)), _) if is_starting && wait_ms > HORIZON_MS => Choice::Starting,
        (Some((candidate, wait_ms, _)), _) => Choice::Earliest { candidate, wait_ms },
        (None, _) if is_starting => Choice::Starting,
        (None, Some((metric, limit))) => Choice::Never { metric, limit },
        // An ask has at least one candidate; without any, nothing can ever take it.
        (None, None) => Choice::Never {
            metric: Metric::RequestsPerMinute,
            limit: 0.0,
        },
    }
}

/// How one candidate stands.
pub(super) fn standing(candidate: &Candidate, lane: &Lane, cost: Cost, now_ms: f64) -> Standing {
    let (wait_ms, preference) = rank(candidate, lane, cost, now_ms, now_ms);
    let (requests_left, tokens_left) = lane.left(now_ms);
    let (requests_limit, tokens_limit) = lane.limits();
    Standing {
        wait_ms: if lane.exceeded_by(cost).is_some() {
            f64::INFINITY
        } else {
            wait_ms
        },
        preference,
        requests_left,
        tokens_left,
        requests_limit,
        tokens_limit,
    }
}

/// The wait, and the preference among equal waits.
fn rank(candidate: &Candidate, lane: &Lane, cost: Cost, since_ms: f64, now_ms: f64) -> (f64, f64) {
    let wait_ms = lane
        .wait_for(cost, since_ms, now_ms)
        .max(candidate.not_before_ms - now_ms);
    // What is in use, for each unit of weight: an account of weight 3 is used three times as much as one of weight 1.
    let used = 1.0 - lane.share_left_after(cost, now_ms + wait_ms);
    let preference = -used / candidate.weight;
    (wait_ms, preference)
}
