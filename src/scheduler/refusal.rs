//! The errors of wants that get no permit.

use std::time::Duration;

use super::{Candidates, Scheduler, Want, milliseconds};
use crate::error::{Code, Error};

impl Scheduler {
    /// No account can serve the want; says why for each.
    pub(super) fn nobody(&self, want: &Want, candidates: &Candidates) -> Error {
        let roster = &candidates.roster;
        let allowed = want.accounts.iter().flatten();
        let gone = allowed.filter(|label| roster.of(label).is_none());
        let reasons: Vec<String> = candidates
            .parked
            .iter()
            .map(|(seat, because, left_ms)| {
                format!(
                    "{} is parked ({}; asked again in {:.0} s)",
                    roster.seats[*seat].account.label,
                    because.name(),
                    left_ms / 1000.0
                )
            })
            .chain(
                want.refused_by
                    .iter()
                    .map(|label| format!("{label} refused this request")),
            )
            .chain(gone.map(|label| format!("{label} is not configured any more")))
            .collect();
        let error = Error::new(
            Code::NoAccount,
            format!(
                "no account can take a request for \"{}\": {}",
                want.model_group,
                reasons.join(", ")
            ),
        );
        let soonest = candidates.parked.iter().map(|(_, _, left_ms)| *left_ms);
        match soonest.reduce(f64::min) {
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
