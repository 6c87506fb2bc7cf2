//! What a user should know although no call has failed.

mod unheard;

use std::{sync::Arc, time::Duration};

pub use self::unheard::Unheard;

/// Several accounts were found to share one organization's limits.
const QUOTA_GROUPS_MERGED: &str = "QUOTA_GROUPS_MERGED";

/// Redis does not answer, and requests go on without it.
const REDIS_AWAY: &str = "REDIS_AWAY";

/// Redis answers again.
const REDIS_BACK: &str = "REDIS_BACK";

/// A matter to look into: a stable code, a message for a person, and whom it is about. No key or organization id is ever part
/// of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Stable, listed in `index.d.ts`.
    pub code: &'static str,
    /// What happened, and what to do.
    pub message: String,
    /// Label of the account, where it is about one.
    pub account: Option<Arc<str>>,
    /// Name of the quota group that it belongs to now, where it is about one.
    pub quota_group: Option<Arc<str>>,
}

impl Warning {
    /// `account` was taken for alone, and its answers name the same organization and project as those of `first`, so it has
    /// joined that account's quota group.
    pub fn quota_groups_merged(
        account: &Arc<str>,
        first: &Arc<str>,
        quota_group: &Arc<str>,
    ) -> Self {
        Warning {
            code: QUOTA_GROUPS_MERGED,
            message: format!(
                "the answers to account \"{account}\" name the same organization and project as those to account \"{first}\", \
                 so the two share one limit and are counted as the quota group \"{quota_group}\" from now on; give both a \
                 common `quotaGroup`, so that this is known from the first request"
            ),
            account: Some(account.clone()),
            quota_group: Some(quota_group.clone()),
        }
    }

    /// The lanes of a model group are without Redis, so this process uses a share of them.
    pub fn redis_away(why: &str, model_group: &str, processes: f64) -> Self {
        Warning {
            code: REDIS_AWAY,
            message: format!(
                "requests for \"{model_group}\" go on without Redis, with one part in {processes} of every limit: {why}"
            ),
            account: None,
            quota_group: None,
        }
    }

    /// The lanes of a model group are shared again.
    pub fn redis_back(model_group: &str, away: Duration) -> Self {
        Warning {
            code: REDIS_BACK,
            message: format!(
                "requests for \"{model_group}\" share their limits through Redis again, which was away for {} ms",
                away.as_millis()
            ),
            account: None,
            quota_group: None,
        }
    }
}
