//! The errors of wants that get no permit.

use std::time::Duration;

use super::{Candidates, Scheduler, Want, milliseconds};
use crate::{
    books::Over,
    error::{Code, Error},
};

impl Candidates {
    /// When an account that is left out now may be used again.
    pub(super) fn wake_ms(&self) -> Option<f64> {
        let parked = self.parked.iter().map(|(_, _, left_ms)| *left_ms);
        let over = self.over.iter().map(|(_, _, left_ms)| *left_ms);
        parked.chain(over).chain(self.held_ms).reduce(f64::min)
    }
}

fn spent(over: &Over) -> String {
    let whose = match &over.account {
        Some(account) => format!("{account} has spent its budget"),
        None => "the pool has spent its budget".to_owned(),
    };
    let (budget, limit) = (over.budget, over.limit);
    format!(
        "{whose} ({budget}: {limit}; the next period begins on {})",
        over.next_period()
    )
}

impl Scheduler {
    /// No account can serve the want; says why for each.
    pub(super) fn nobody(&self, want: &Want, candidates: &Candidates) -> Error {
        let roster = &candidates.roster;
        let allowed = want.accounts.iter().flatten();
        let gone = allowed.filter(|label| roster.of(label).is_none());
        let mut reasons: Vec<String> = candidates
            .parked
            .iter()
            .map(|(seat, because, left_ms)| {
                let seat = &roster.seats[*seat];
                let why = seat.health().key_failure();
                let why = why.map(|why| format!(": its key function failed: {why}"));
                format!(
                    "{} is parked ({}{}; asked again in {:.0} s)",
                    seat.account.label,
                    because.name(),
                    why.unwrap_or_default(),
                    left_ms / 1000.0
                )
            })
            .chain(
                want.refused_by
                    .iter()
                    .map(|label| format!("{label} refused this request")),
            )
            .chain(candidates.without_model.iter().map(|seat| {
                let label = &roster.seats[*seat].account.label;
                format!("{label} has no deployment of \"{}\"", want.model)
            }))
            .chain(gone.map(|label| format!("{label} is not configured any more")))
            .chain(candidates.over.iter().map(|(_, over, _)| spent(over)))
            .collect();
        // All accounts have the pool's budget.
        reasons.dedup();
        let parked_ms = candidates.parked.iter().map(|(_, _, left_ms)| *left_ms);
        let parked_ms = parked_ms.fold(f64::INFINITY, f64::min);
        let over_ms = candidates.over.iter().map(|(_, _, left_ms)| *left_ms);
        let over_ms = over_ms.fold(f64::INFINITY, f64::min);
        let error = Error::new(
            // What can help first.
            if over_ms.is_finite() && over_ms <= parked_ms {
                Code::Budget
            } else {
                Code::NoAccount
            },
            format!(
                "no account can take a request for \"{}\": {}",
                want.model_group,
                reasons.join(", ")
            ),
        );
        match candidates.wake_ms() {
            Some(left_ms) => error.with_retry_after(milliseconds(left_ms)),
            None => error,
        }
    }

    /// The room comes after the want's patience ends.
    pub(super) async fn too_late(&self, want: &Want, wait: Option<Duration>) -> Error {
        let wait = match wait {
            Some(wait) => Some(wait),
            None => self.wait_as_it_stands(want).await,
        };
        let patience = want.patience.as_millis();
        let now_ms = self.now_ms();
        let candidates = self.candidates(want, now_ms);
        if candidates.lanes.is_empty() && candidates.held_ms.is_some() {
            return Error::new(
                Code::Wait,
                format!(
                    "requests in flight may use up what is left of a budget, and the request may wait {patience} ms (maxWaitMs)"
                ),
            );
        }
        match wait {
            Some(wait) => Error::new(
                Code::Wait,
                format!(
                    "no account has room for {} tokens of \"{}\" for another {} ms, and the request may wait {patience} \
                     ms (maxWaitMs)",
                    want.cost.tokens,
                    want.model_group,
                    wait.as_millis()
                ),
            )
            .with_retry_after(wait),
            None => Error::new(
                Code::Wait,
                format!(
                    "no account was free for \"{}\" within {patience} ms (maxWaitMs)",
                    want.model_group
                ),
            ),
        }
    }

    /// The shortest wait of any usable account by the books, those who wait already left aside.
    async fn wait_as_it_stands(&self, want: &Want) -> Option<Duration> {
        let lanes = self.usable_lanes(want).await?;
        let wait_ms = lanes.iter().map(|lane| lane.wait_ms).reduce(f64::min)?;
        wait_ms.is_finite().then(|| milliseconds(wait_ms))
    }
}
