//! What a user should know although no call has failed.

use std::sync::Arc;

/// Several accounts were found to share one organization's limits.
const QUOTA_GROUPS_MERGED: &str = "QUOTA_GROUPS_MERGED";

/// A matter to look into: a stable code, a message for a person, and whom it is about. No key or organization id is ever part
/// of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Stable, listed in `index.d.ts`.
    pub code: &'static str,
    /// What happened, and what to do.
    pub message: String,
    /// Label of the account.
    pub account: Arc<str>,
    /// Name of the quota group that it belongs to now.
    pub quota_group: Arc<str>,
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
            account: account.clone(),
            quota_group: quota_group.clone(),
        }
    }
}
