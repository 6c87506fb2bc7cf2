//! The way of a request through the service.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use fastrand::Rng;
use hyper::HeaderMap;
use hyper::header::{CONTENT_TYPE, HeaderValue};

use super::answers::{Answer, JSON, plain};
use super::engine::Admitted;
use super::stats;
use crate::simulator::cache::Caches;
use crate::simulator::charging::{ChargingRule, Endpoint};
use crate::simulator::errors::ApiError;
use crate::simulator::faults::{Effect, Script, Stage, Target};
use crate::simulator::headers;
use crate::simulator::limits::{Group, Quotas, Statuses};
use crate::simulator::randomness::generator;
use crate::simulator::replies;
use crate::simulator::settings::Settings;
use crate::simulator::work::{Body, Work};

/// Models that an account without a list shows, besides those that settings name.
const COMMON_MODELS: [&str; 8] = [
    "gpt-4.1",
    "gpt-4o",
    "gpt-4o-mini",
    "gpt-5.4-mini",
    "gpt-6-luna",
    "gpt-6.1-terra",
    "text-embedding-3-large",
    "text-embedding-3-small",
];

/// What the service needs of an HTTP request.
#[derive(Debug, Clone, Copy)]
pub(in crate::simulator) struct Request<'a> {
    pub(in crate::simulator) method: &'a str,
    pub(in crate::simulator) path: &'a str,
    /// The `Authorization` header.
    pub(in crate::simulator) authorization: Option<&'a str>,
    pub(in crate::simulator) body: &'a [u8],
}

/// A simulator without its socket.
#[derive(Debug)]
pub(in crate::simulator) struct Service {
    pub(super) settings: Settings,
    /// Account by key.
    keys: HashMap<String, usize>,
    pub(super) desks: Vec<Desk>,
    /// Requests that belong to no account, and their answers.
    strangers: Desk,
    quotas: Quotas,
    pub(super) caches: Caches,
    script: Script,
    /// Seconds between 1970 and the moment 0.
    pub(super) epoch_s: u64,
}

/// What the service keeps of an account.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) organization: HeaderValue,
    pub(super) project: HeaderValue,
    /// Requests so far. The number of a request on its account, and not the time, seeds all its chance.
    requests: AtomicU64,
    statuses: Statuses,
}

impl Desk {
    fn new(organization: &str, project: &str) -> Desk {
        // Settings let nothing pass that is no header; of a stranger there is none.
        let header = |text| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
        Desk {
            organization: header(organization),
            project: header(project),
            requests: AtomicU64::new(0),
            statuses: Statuses::default(),
        }
    }
}

/// A request whose account is known, on its way to an answer.
#[derive(Debug)]
pub(super) struct Visit<'a> {
    pub(super) account: usize,
    path: &'a str,
    pub(super) now: f64,
    pub(super) rng: Rng,
    pub(super) request_id: String,
}

impl Service {
    /// A service whose clock is 0 now, at `epoch_s` seconds since 1970.
    pub(in crate::simulator) fn new(settings: Settings, epoch_s: u64) -> Service {
        Service {
            keys: settings
                .accounts
                .iter()
                .enumerate()
                .filter_map(|(index, account)| Some((account.api_key.clone()?, index)))
                .collect(),
            desks: settings
                .accounts
                .iter()
                .map(|account| Desk::new(&account.organization, &account.project))
                .collect(),
            strangers: Desk::new("", ""),
            quotas: Quotas::new(&settings, 0.0),
            caches: Caches::new(&settings),
            script: Script::new(settings.faults.clone()),
            settings,
            epoch_s,
        }
    }

    /// Answers a request that arrives `now` (milliseconds since the start).
    pub(in crate::simulator) fn answer(&self, request: &Request<'_>, now: f64) -> Answer {
        let Request { method, path, .. } = *request;
        if path == "/_simulator/stats" {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
            return plain(200, headers, Body::Whole(Bytes::from(self.stats(now))));
        }
        let (wanted, route) = match route(path) {
            Some(known) => known,
            None => return self.stranger(&ApiError::unknown_url(method, path)),
        };
        if method != wanted {
            return self.stranger(&ApiError::wrong_method(method, path));
        }
        let account = match self.account(request.authorization) {
            Ok(account) => account,
            Err(error) => return self.stranger(&error),
        };
        let desk = &self.desks[account];
        let ordinal = desk.requests.fetch_add(1, Ordering::Relaxed);
        let mut rng = generator([self.settings.seed, account as u64, ordinal]);
        let mut visit = Visit {
            account,
            path,
            now,
            request_id: request_id(&mut rng),
            rng,
        };
        let answer = match route {
            Route::Models => self.models(&mut visit),
            Route::Generate(endpoint) => self.generate(&mut visit, endpoint, request.body),
        };
        desk.statuses.count(answer.status);
        answer
    }

    /// The answer to a body above the size limit, which is not read to its end.
    pub(in crate::simulator) fn body_too_large(&self, most_bytes: usize) -> Answer {
        self.stranger(&ApiError::body_too_large(most_bytes))
    }

    /// All counts as JSON, at the moment `now` (milliseconds since the start).
    pub(in crate::simulator) fn stats(&self, now: f64) -> String {
        let statuses: Vec<&Statuses> = self.desks.iter().map(|desk| &desk.statuses).collect();
        let strangers = &self.strangers.statuses;
        let stats = stats::collect(&self.settings, &self.quotas, &statuses, strangers, now);
        // Our own types always serialize.
        serde_json::to_string(&stats).unwrap_or_default()
    }

    /// The account of a key.
    fn account(&self, authorization: Option<&str>) -> Result<usize, ApiError> {
        let key = authorization
            .and_then(|header| header.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, key)| key.trim())
            .filter(|key| !key.is_empty())
            .ok_or_else(ApiError::missing_api_key)?;
        match self.keys.get(key) {
            Some(account) => Ok(*account),
            None if self.keys.is_empty() => Ok(0),
            None => Err(ApiError::invalid_api_key(key)),
        }
    }

    /// An error to somebody who is no account.
    fn stranger(&self, error: &ApiError) -> Answer {
        let ordinal = self.strangers.requests.fetch_add(1, Ordering::Relaxed);
        // No account has this number.
        let mut rng = generator([self.settings.seed, u64::MAX, ordinal]);
        self.strangers.statuses.count(error.status);
        let body = Body::Whole(Bytes::from(error.body()));
        plain(
            error.status,
            headers::usual(&request_id(&mut rng), JSON),
            body,
        )
    }

    fn models(&self, visit: &mut Visit<'_>) -> Answer {
        let mut delay_ms = 0.0;
        for stage in [Stage::Gate, Stage::Engine] {
            let struck = self.strike(stage, visit, "", "");
            delay_ms += struck.map_or(0.0, |effect| effect.delay_ms);
            if let Some(scripted) = struck.and_then(|effect| effect.answer.as_ref()) {
                return self.scripted(visit, scripted, "", None, delay_ms);
            }
        }
        let mut names: Vec<&str> = match &self.settings.accounts[visit.account].models {
            Some(models) => models.iter().map(String::as_str).collect(),
            None => {
                let scope = &self.settings.scopes[self.settings.accounts[visit.account].scope];
                let limited = scope.limits.keys().map(String::as_str);
                let grouped = self.settings.model_groups.0.keys().map(String::as_str);
                limited.chain(grouped).chain(COMMON_MODELS).collect()
            }
        };
        names.sort_unstable();
        names.dedup();
        let body = Body::Whole(Bytes::from(replies::models(&names)));
        self.own(visit, 200, JSON, body, None, delay_ms)
    }

    fn generate(&self, visit: &mut Visit<'_>, endpoint: Endpoint, body: &[u8]) -> Answer {
        let work = match Work::parse(endpoint, body) {
            Ok(work) => work,
            Err(error) => return self.error(visit, &error, None, 0.0),
        };
        let model: &str = &work.model;
        if !self.settings.accounts[visit.account].serves(model) {
            return self.error(visit, &ApiError::model_not_found(model), None, 0.0);
        }
        let name = self.settings.model_groups.group(model);
        let group = self.quotas.group(name, visit.now);
        let answer = self.gate(visit, &work, name, &group);
        group.tally(visit.account).statuses.count(answer.status);
        answer
    }

    /// Scripted refusals and the limiter; what passes goes to the engine.
    fn gate(&self, visit: &mut Visit<'_>, work: &Work<'_>, name: &str, group: &Group) -> Answer {
        let model: &str = &work.model;
        if let Some(effect) = self.strike(Stage::Gate, visit, model, name)
            && let Some(scripted) = &effect.answer
        {
            return self.scripted(visit, scripted, model, None, effect.delay_ms);
        }
        let outputs = work.outputs(self.settings.output_tokens, &mut visit.rng);
        // Counted before admission only where the charge depends on it: the tokenizer is the dearest step.
        let counted = match self.settings.charging {
            ChargingRule::Usage => match work.prompt_tokens() {
                Ok(tokens) => Some(tokens),
                Err(error) => return self.error(visit, &error, None, 0.0),
            },
            _ => None,
        };
        let usage = || {
            let completion: u64 = outputs.iter().map(|output| u64::from(output.tokens)).sum();
            counted.unwrap_or(0) + completion
        };
        let charge = self.settings.charging.charge(&work.demand, usage);
        match group.admit(visit.account, charge, visit.now) {
            Ok(readings) => {
                let mut delay_ms = self.settings.latency.sample(&mut visit.rng);
                let struck = self.strike(Stage::Engine, visit, model, name);
                delay_ms += struck.map_or(0.0, |effect| effect.delay_ms);
                match struck.and_then(|effect| effect.answer.as_ref()) {
                    Some(scripted) => {
                        self.scripted(visit, scripted, model, Some(&readings), delay_ms)
                    }
                    None => {
                        let admitted = Admitted {
                            group,
                            readings: &readings,
                            counted,
                            delay_ms,
                        };
                        self.engine(visit, work, outputs, &admitted)
                    }
                }
            }
            Err(refusal) => {
                let error = ApiError::rate_limited(&refusal, &self.subject(visit, model));
                self.error(visit, &error, Some(&refusal.readings), 0.0)
            }
        }
    }

    fn strike(
        &self,
        stage: Stage,
        visit: &mut Visit<'_>,
        model: &str,
        model_group: &str,
    ) -> Option<&Effect> {
        let target = Target {
            account: visit.account,
            model,
            model_group,
            path: visit.path,
        };
        self.script.strike(stage, &target, &mut visit.rng)
    }
}

#[derive(Debug, Clone, Copy)]
enum Route {
    Models,
    Generate(Endpoint),
}

/// The method and the meaning of a path. Whatever stands before `/v1/` is the user's own base path.
fn route(path: &str) -> Option<(&'static str, Route)> {
    let (_, resource) = path.rsplit_once("/v1/")?;
    Some(match resource {
        "chat/completions" => ("POST", Route::Generate(Endpoint::Chat)),
        "completions" => ("POST", Route::Generate(Endpoint::Completions)),
        "embeddings" => ("POST", Route::Generate(Endpoint::Embeddings)),
        "models" => ("GET", Route::Models),
        _ => return None,
    })
}

fn request_id(rng: &mut Rng) -> String {
    format!("req_{:032x}", rng.u128(..))
}
