//! Which lane takes a request, and when. Pure: lanes in, a choice out.
//!
//! The earliest lane; among equals the one with the largest share left (the smallest share in use for its weight); then the first.
//!
//! *Prompt caches* belong to an organization, so a request whose prefix may be cached has a home among the lanes: the largest
//! product of its [affinity](Candidate::affinity) and the lane's limit, which is rendezvous hashing with weights. It goes there as
//! long as that starts little enough later than the earliest lane, and within its patience; else to the next in the same order.
//!
//! `redis/script.lua` does the same in Redis; change both.

use std::cmp::Ordering;

use super::{Ask, Because, Candidate, Cost, Metric, Standing, claims::Turn, lane::Lane};

/// How far ahead room is booked, in milliseconds: several round trips to a store, so that nobody is late for its moment.
/// Longer ties requests to an account on what is known long before they are sent; claims keep the order until then.
pub const HORIZON_MS: f64 = 200.0;

/// A caller that waits for a lane to start asks again after this time at the latest, in milliseconds; an answer wakes it sooner.
pub(super) const START_AGAIN_MS: f64 = 100.0;

/// The choice for an ask. Candidates are indices among the ask's.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Choice {
    /// The candidate that takes it, after this many milliseconds.
    At {
        candidate: usize,
        wait_ms: f64,
        because: Because,
        /// Of each candidate; infinite where it cannot take it, or has not started.
        waits_ms: Vec<f64>,
    },
    /// This lane, and every other that could start within the horizon, has unknown limits and enough under way: the next
    /// answer will tell.
    Starting { candidate: usize },
    /// No candidate can ever take it.
    Never { metric: Metric, limit: f64 },
}

/// A candidate that could take the request.
#[derive(Debug, Clone, Copy)]
struct Offer {
    candidate: usize,
    wait_ms: f64,
    /// Among equal waits, higher is better.
    preference: f64,
    /// The place among the request's homes: higher is nearer, 0 for all where it has none.
    nearness: f64,
}

/// Chooses for an ask. `lanes` are its candidates' lanes, in order; `turn` is the asker's.
pub(super) fn choose(ask: &Ask, lanes: &[&Lane], turn: Turn, now_ms: f64) -> Choice {
    let mut offers: Vec<Offer> = Vec::with_capacity(lanes.len());
    let mut starting: Vec<Offer> = Vec::new();
    let mut too_small: Option<(Metric, f64)> = None;
    for (index, (candidate, lane)) in ask.candidates.iter().zip(lanes).enumerate() {
        if let Some((metric, limit)) = lane.exceeded_by(ask.cost).filter(|_| !ask.force) {
            if too_small.is_none_or(|(_, largest)| limit > largest) {
                too_small = Some((metric, limit));
            }
            continue;
        }
        let start_ms = lane.start_wait(turn, now_ms);
        let is_starting = start_ms > 0.0 && !ask.force;
        let (wait_ms, preference) = match is_starting {
            true => (start_ms.max(candidate.not_before_ms - now_ms), 0.0),
            false => rank(candidate, lane, ask.cost, turn, now_ms),
        };
        let to_join = if is_starting {
            &mut starting
        } else {
            &mut offers
        };
        to_join.push(Offer {
            candidate: index,
            wait_ms,
            preference,
            nearness: candidate.affinity * candidate.weight * lane.home_share(),
        });
    }
    let home = nearest(&offers);
    let Some(earliest) = earliest(&offers) else {
        return match (nearest(&starting), too_small) {
            (Some(Offer { candidate, .. }), _) => Choice::Starting { candidate },
            (None, Some((metric, limit))) => Choice::Never { metric, limit },
            // An ask has at least one candidate; without any, nothing can ever take it.
            (None, None) => Choice::Never {
                metric: Metric::RequestsPerMinute,
                limit: 0.0,
            },
        };
    };
    let patience_ms = ask.patience_ms.max(earliest.wait_ms);
    let latest_ms = (earliest.wait_ms + ask.cache_worth_ms).min(patience_ms);
    if let Some(home_to_be) = nearest(&starting) {
        let is_home = home.is_none_or(|home| home_to_be.nearness > home.nearness);
        let is_worth_it = match is_home {
            true => home_to_be.wait_ms <= latest_ms,
            false => earliest.wait_ms > HORIZON_MS && home_to_be.wait_ms < earliest.wait_ms,
        };
        if is_worth_it {
            let candidate = home_to_be.candidate;
            return Choice::Starting { candidate };
        }
    }
    let (chosen, because) = match home {
        _ if ask.force => (earliest, Because::Forced),
        _ if offers.len() == 1 && starting.is_empty() => (earliest, Because::Only),
        Some(home) if home.nearness > 0.0 => {
            let soon = offers.iter().filter(|offer| offer.wait_ms <= latest_ms);
            let nearest = nearest(soon).unwrap_or(earliest);
            // Several keys of one organization are one home.
            let group = |offer: Offer| ask.candidates[offer.candidate].quota_group;
            let because = match group(nearest) == group(home) {
                true => Because::Cache,
                false => Because::Spilled,
            };
            (nearest, because)
        }
        _ => {
            let equals = offers
                .iter()
                .filter(|offer| offer.wait_ms == earliest.wait_ms);
            let because = match equals.count() {
                1 => Because::Earliest,
                _ => Because::MostRoom,
            };
            (earliest, because)
        }
    };
    let mut waits_ms = vec![f64::INFINITY; ask.candidates.len()];
    for offer in &offers {
        waits_ms[offer.candidate] = offer.wait_ms;
    }
    Choice::At {
        candidate: chosen.candidate,
        wait_ms: chosen.wait_ms,
        because,
        waits_ms,
    }
}

/// The first that no other precedes; among equals the one that is preferred.
fn earliest(offers: &[Offer]) -> Option<Offer> {
    offers.iter().copied().reduce(|best, next| {
        let by_wait = next.wait_ms.total_cmp(&best.wait_ms);
        match by_wait.then(best.preference.total_cmp(&next.preference)) {
            Ordering::Less => next,
            _ => best,
        }
    })
}

/// The first that no other is nearer than.
fn nearest<'a>(offers: impl IntoIterator<Item = &'a Offer>) -> Option<Offer> {
    let nearer = |best: &'a Offer, next: &'a Offer| match next.nearness > best.nearness {
        true => next,
        false => best,
    };
    offers.into_iter().reduce(nearer).copied()
}

/// How one candidate stands.
pub(super) fn standing(candidate: &Candidate, lane: &Lane, cost: Cost, now_ms: f64) -> Standing {
    let last = Turn::without_ticket(i32::MIN);
    let (wait_ms, preference) = rank(candidate, lane, cost, last, now_ms);
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
fn rank(candidate: &Candidate, lane: &Lane, cost: Cost, turn: Turn, now_ms: f64) -> (f64, f64) {
    let wait_ms = lane
        .wait_for(cost, turn, now_ms)
        .max(candidate.not_before_ms - now_ms);
    // What is in use, for each unit of weight: an account of weight 3 is used three times as much as one of weight 1.
    let used = 1.0 - lane.share_left_after(cost, now_ms + wait_ms);
    let preference = -used / candidate.weight;
    (wait_ms, preference)
}
