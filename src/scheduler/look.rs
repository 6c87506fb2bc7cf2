//! Looking at the accounts without booking, and what callers learned by themselves.

use std::sync::Arc;

use super::{Access, Scheduler, Want};
use crate::{
    attempt::Outcome,
    config::Account,
    error::Result,
    quota::{Ask, Cost, Observation, Standing},
};

/// How one account stands for a question like the one asked.
#[derive(Debug, Clone)]
pub struct AccountStanding {
    /// The account.
    pub account: Arc<Account>,
    /// Its place in the settings.
    pub place: usize,
    /// The name of its quota group, which it may have been found to share.
    pub quota_group: Arc<str>,
    /// Requests under way.
    pub in_flight: usize,
    /// Why it is parked, and for how many milliseconds more.
    pub parked: Option<(Outcome, f64)>,
    /// Its lane.
    pub lane: Standing,
}

/// Looking claims nothing.
const NOBODY: u64 = 0;

impl Scheduler {
    /// How the accounts that could serve a want now stand for it; `None` where the store does not tell.
    pub(super) async fn usable_lanes(&self, want: &Want) -> Option<Vec<Standing>> {
        let now_ms = self.now_ms();
        let ask = Ask {
            model_group: want.model_group.clone(),
            cost: want.cost,
            candidates: self.candidates(want, now_ms).lanes,
            force: false,
            claimant: NOBODY,
            urgency: 0,
            due_in_ms: f64::INFINITY,
            patience_ms: f64::INFINITY,
            cache_worth_ms: 0.0,
        };
        self.store.look(&ask, now_ms).await.ok()
    }

    /// How every account stands for a request of this cost, best first.
    pub async fn standings(
        &self,
        model_group: &Arc<str>,
        cost: Cost,
    ) -> Result<Vec<AccountStanding>> {
        let now_ms = self.now_ms();
        let seats = &self.roster().seats;
        let ask = Ask {
            model_group: model_group.clone(),
            cost,
            candidates: seats
                .iter()
                .map(|seat| {
                    let not_before_ms = match seat.health().access(model_group, now_ms) {
                        Access::Open { not_before_ms } => not_before_ms,
                        Access::Parked { until_ms, .. } => until_ms,
                    };
                    let not_before_ms = not_before_ms.max(self.spent_until_ms(seat, now_ms));
                    seat.candidate(model_group, not_before_ms)
                })
                .collect(),
            force: false,
            claimant: NOBODY,
            urgency: 0,
            due_in_ms: f64::INFINITY,
            patience_ms: f64::INFINITY,
            cache_worth_ms: 0.0,
        };
        let lanes = self.store.look(&ask, now_ms).await?;
        let mut standings: Vec<_> = seats
            .iter()
            .enumerate()
            .zip(lanes)
            .map(|((place, seat), lane)| AccountStanding {
                account: seat.account.clone(),
                place,
                quota_group: self.groups.name(seat.quota_group).unwrap_or_default(),
                in_flight: seat.in_flight(),
                parked: match seat.health().access(model_group, now_ms) {
                    Access::Parked { until_ms, because } => Some((because, until_ms - now_ms)),
                    Access::Open { .. } => None,
                },
                lane,
            })
            .collect();
        // A stable sort: accounts that stand alike keep the settings' order.
        standings.sort_by(|a, b| {
            let by_wait = a.lane.wait_ms.total_cmp(&b.lane.wait_ms);
            by_wait.then(b.lane.preference.total_cmp(&a.lane.preference))
        });
        Ok(standings)
    }

    /// Takes over what a caller learned by a request of its own; nothing where the account is gone.
    pub fn observe(
        &self,
        label: &str,
        model_group: Arc<str>,
        used: Cost,
        requests_left: Option<f64>,
        tokens_left: Option<f64>,
    ) {
        let roster = self.roster();
        let Some(seat) = roster.of(label) else {
            return;
        };
        let candidate = seat.candidate(&model_group, f64::NEG_INFINITY);
        let observation = Observation {
            model_group,
            candidate,
            used,
            requests_left,
            tokens_left,
        };
        self.store.observe(observation, self.now_ms());
        self.changed.notify_waiters();
    }
}
