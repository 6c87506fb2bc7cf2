//! Looking without booking: the account for a caller's own request, and the state of the pool.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{DEFAULT_CHAT_MODEL, Manager, Need, facts::milliseconds, request::names};
use crate::{
    books::{BudgetStatus, UsageQuery},
    error::{Code, Error, Result},
    key::CurrentKey,
    quota::{Cost, Sharing},
    scheduler::AccountStanding,
};

impl Manager {
    /// The model of a need, and its group.
    fn names_of(&self, need: &Need) -> (Arc<str>, Arc<str>) {
        let requested = need.model.as_deref().unwrap_or(DEFAULT_CHAT_MODEL);
        let settings = self.settings();
        names(settings.sent_model(requested), &settings)
    }

    /// How the accounts stand for a need, best first.
    async fn standings(&self, need: &Need) -> Result<Vec<AccountStanding>> {
        let (_, model_group) = self.names_of(need);
        let cost = Cost {
            requests: 1.0,
            tokens: need.tokens,
        };
        self.scheduler.standings(&model_group, cost).await
    }

    /// The account that a request should use now, as JSON. It is a look, not a booking.
    pub async fn determine_key(&self, need: &Need) -> Result<String> {
        if let Some(label) = &need.current {
            self.settings().account(label, "org")?;
        }
        let (model, _) = self.names_of(need);
        let mut standings = self.standings(need).await?;
        standings.retain(|standing| standing.account.serves(&model));
        let ties_with_best = |standing: &&AccountStanding| {
            standings.first().is_some_and(|best| {
                best.lane.wait_ms == standing.lane.wait_ms
                    && best.lane.preference == standing.lane.preference
            })
        };
        let kept = standings
            .iter()
            .find(|standing| Some(&*standing.account.label) == need.current.as_deref())
            .filter(ties_with_best);
        let kept = kept.cloned();
        let mut failed = Vec::new();
        for chosen in kept.iter().chain(&standings) {
            let label = &chosen.account.label;
            if failed.iter().any(|(failed, _)| failed == label) {
                continue;
            }
            match self.current_key(&chosen.account, None).await {
                Ok(key) => return chosen_json(chosen, &model, &key, need),
                Err(why) => {
                    self.scheduler.key_failed(&chosen.account, why.clone());
                    failed.push((label.clone(), why));
                }
            }
        }
        let failed = failed.iter();
        let why: Vec<String> = failed
            .map(|(label, why)| format!("{label}: its key function failed: {why}"))
            .collect();
        Err(Error::new(
            Code::NoAccount,
            match why.is_empty() {
                true => format!("no account has a deployment of \"{model}\""),
                false => format!("no account has a key: {}", why.join(", ")),
            },
        ))
    }

    /// What was used, by day, account, model and type, as JSON; `query` is JSON as well.
    pub async fn usage(&self, query: &str) -> Result<String> {
        let query = UsageQuery::parse(query, self.books.now_ms())?;
        self.books.usage(&query).await
    }

    /// The state of the pool for the lanes of the need's model, as JSON.
    pub async fn status(&self, need: &Need) -> Result<String> {
        self.books.look_at_budgets().await;
        let mut standings = self.standings(need).await?;
        standings.sort_by_key(|standing| standing.place);
        let accounts: Vec<Value> = standings
            .iter()
            .map(|standing| self.account_status(standing))
            .collect();
        let sharing = self.scheduler.sharing(&self.names_of(need).1);
        Ok(json!({
            "waiting": self.scheduler.waiting(),
            "redis": sharing.as_ref().map(sharing_json),
            "budgets": self.budgets_json(None),
            "accounts": accounts,
        })
        .to_string())
    }

    fn budgets_json(&self, account: Option<&str>) -> Vec<Value> {
        let budgets = self.books.budgets_of(account).into_iter();
        let budget = |budget: BudgetStatus| {
            json!({
                "budget": budget.budget,
                "limit": budget.limit,
                "spent": budget.spent,
                "resetsInMs": budget.resets_in_ms.ceil(),
            })
        };
        budgets.map(budget).collect()
    }

    fn account_status(&self, standing: &AccountStanding) -> Value {
        let account = &standing.account;
        let used = self.books.of(&account.label);
        let lane = &standing.lane;
        json!({
            "account": &*account.label,
            "quotaGroup": &*standing.quota_group,
            "inFlight": standing.in_flight,
            "parked": standing.parked.map(|(because, left_ms)| json!({
                "because": because.name(),
                "forMs": left_ms.ceil(),
            })),
            "tokensLeft": lane.tokens_left.map(f64::floor),
            "requestsLeft": lane.requests_left.map(f64::floor),
            "tokensPerMinute": lane.tokens_limit,
            "requestsPerMinute": lane.requests_limit,
            "requests": used.requests(),
            "tokensUsed": used.tokens(),
            "cost": used.cost(),
            "budgets": self.budgets_json(Some(&account.label)),
        })
    }
}

fn sharing_json(sharing: &Sharing) -> Value {
    json!({
        "server": sharing.server,
        "processes": sharing.processes,
        "away": sharing.away.as_ref().map(|(lasted, because)| json!({
            "forMs": milliseconds(*lasted),
            "because": because,
        })),
    })
}

/// What a chosen account is, as JSON.
fn chosen_json(
    chosen: &AccountStanding,
    model: &str,
    key: &CurrentKey,
    need: &Need,
) -> Result<String> {
    if chosen.lane.wait_ms.is_infinite() {
        return Err(Error::new(
            Code::TooLarge,
            format!("{} tokens exceed the limit of every account", need.tokens),
        ));
    }
    let account = &chosen.account;
    Ok(json!({
        "org": &*account.label,
        "apiKey": key.key.expose(),
        "baseURL": account.base_of(model).as_str().trim_end_matches('/'),
        "availableTokens": chosen.lane.tokens_left.map(f64::floor),
        "availableRequests": chosen.lane.requests_left.map(f64::floor),
        "waitMs": chosen.lane.wait_ms.ceil(),
    })
    .to_string())
}
