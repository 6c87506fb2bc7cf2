//! What happened so far, as JSON: for `/_simulator/stats` and [`Simulator::stats`](crate::simulator::Simulator::stats).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::simulator::limits::{Group, Quotas, Statuses};
use crate::simulator::settings::Settings;

/// The whole of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::simulator) struct Stats<'a> {
    /// Milliseconds since the start.
    uptime_ms: u64,
    /// By label.
    accounts: BTreeMap<&'a str, AccountStats<'a>>,
    totals: Totals,
}

#[derive(Debug, Serialize)]
struct AccountStats<'a> {
    organization: &'a str,
    project: &'a str,
    /// All its requests by status, also those to no model.
    statuses: BTreeMap<u16, u64>,
    /// By model group.
    models: BTreeMap<String, ModelStats>,
}

/// One account's part in one model group.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ModelStats {
    admitted: u64,
    refused: u64,
    charged_tokens: u64,
    /// As stated by the usage of the replies.
    prompt_tokens: u64,
    cached_tokens: u64,
    /// All that the lane could have admitted since the model group was first asked for (or since the start, if
    /// settings name it); shared by all accounts of the organization's project. `null` if not limited.
    capacity_requests: Option<u64>,
    capacity_tokens: Option<u64>,
    statuses: BTreeMap<u16, u64>,
}

/// Sums over all accounts; a shared lane's capacity counts once, an unlimited lane's not at all.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Totals {
    admitted: u64,
    refused: u64,
    charged_tokens: u64,
    prompt_tokens: u64,
    cached_tokens: u64,
    capacity_requests: u64,
    capacity_tokens: u64,
    /// Also answers to keys of no account.
    statuses: BTreeMap<u16, u64>,
}

/// Collects the stats at the moment `now` (milliseconds since the start). `statuses` are those of each account,
/// `strangers` those of requests without a valid key or path.
pub(in crate::simulator) fn collect<'a>(
    settings: &'a Settings,
    quotas: &Quotas,
    statuses: &[&Statuses],
    strangers: &Statuses,
    now: f64,
) -> Stats<'a> {
    let groups = quotas.groups();
    let mut totals = Totals::default();
    let mut accounts = BTreeMap::new();
    let mut lanes = BTreeSet::new();
    add(&mut totals.statuses, strangers);
    for (index, account) in settings.accounts.iter().enumerate() {
        let mut models = BTreeMap::new();
        for (name, group) in &groups {
            if !serves(settings, index, name) {
                continue;
            }
            let stats = model_stats(group, index, account.scope, now);
            totals.admitted += stats.admitted;
            totals.refused += stats.refused;
            totals.charged_tokens += stats.charged_tokens;
            totals.prompt_tokens += stats.prompt_tokens;
            totals.cached_tokens += stats.cached_tokens;
            if lanes.insert((account.scope, name)) {
                totals.capacity_requests += stats.capacity_requests.unwrap_or(0);
                totals.capacity_tokens += stats.capacity_tokens.unwrap_or(0);
            }
            models.insert(name.clone(), stats);
        }
        let mut own = BTreeMap::new();
        if let Some(statuses) = statuses.get(index) {
            add(&mut own, statuses);
            add(&mut totals.statuses, statuses);
        }
        accounts.insert(
            account.label.as_str(),
            AccountStats {
                organization: &account.organization,
                project: &account.project,
                statuses: own,
                models,
            },
        );
    }
    Stats {
        uptime_ms: now as u64,
        accounts,
        totals,
    }
}

fn model_stats(group: &Group, account: usize, scope: usize, now: f64) -> ModelStats {
    let tally = group.tally(account);
    let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let mut statuses = BTreeMap::new();
    add(&mut statuses, &tally.statuses);
    let lane = group.lane(scope);
    ModelStats {
        admitted: load(&tally.admitted),
        refused: load(&tally.refused),
        charged_tokens: load(&tally.charged_tokens),
        prompt_tokens: load(&tally.prompt_tokens),
        cached_tokens: load(&tally.cached_tokens),
        capacity_requests: lane.capacity_requests(now),
        capacity_tokens: lane.capacity_tokens(now),
        statuses,
    }
}

/// Whether an account may ask any model of a group.
fn serves(settings: &Settings, account: usize, group: &str) -> bool {
    settings.accounts[account]
        .models
        .as_ref()
        .is_none_or(|models| {
            models
                .iter()
                .any(|model| settings.model_groups.group(model) == group)
        })
}

fn add(sums: &mut BTreeMap<u16, u64>, statuses: &Statuses) {
    for (status, count) in statuses.occurred() {
        *sums.entry(status).or_default() += count;
    }
}
