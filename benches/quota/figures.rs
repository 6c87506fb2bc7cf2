//! What a run reached, in numbers.

use crate::{RUN_MS, Run, provider::Provider, workload::Request};

/// The numbers of a run, or means over several.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figures {
    /// The share of what the accounts offered that served requests.
    pub(crate) used: f64,
    /// 429s for each request served.
    pub(crate) refused: f64,
    /// From arrival to admission, in seconds, of the requests served.
    pub(crate) p50_s: f64,
    pub(crate) p99_s: f64,
    pub(crate) longest_s: f64,
    /// The longest time by which a later arrival was served before an earlier one, in seconds. One that was not served
    /// by the end counts as served at the end.
    pub(crate) inversion_s: f64,
    /// Requests that no account could ever take.
    pub(crate) given_up: f64,
    /// Cached tokens, as a share of those that a single account would have had; 1 where prompts do not repeat.
    pub(crate) cached: f64,
}

impl Figures {
    /// The numbers of one run.
    pub(crate) fn of(requests: &[Request], run: &Run) -> Figures {
        let mut waits: Vec<f64> = requests
            .iter()
            .zip(&run.served_ms)
            .filter_map(|(request, served_ms)| Some(((*served_ms)? - request.arrived_ms) / 1_000.0))
            .collect();
        waits.sort_by(f64::total_cmp);
        let quantile = |share: f64| {
            let index = (waits.len() as f64 * share) as usize;
            waits.get(index.min(waits.len().saturating_sub(1)))
        };
        let admitted: u64 = run.providers.iter().map(Provider::admitted).sum();
        let refused: u64 = run.providers.iter().map(Provider::refused).sum();
        Figures {
            used: used(&run.providers),
            refused: refused as f64 / (admitted as f64).max(1.0),
            p50_s: quantile(0.5).copied().unwrap_or_default(),
            p99_s: quantile(0.99).copied().unwrap_or_default(),
            longest_s: quantile(1.0).copied().unwrap_or_default(),
            inversion_s: longest_inversion_ms(&run.served_ms) / 1_000.0,
            given_up: run.given_up as f64,
            cached: run
                .cached
                .map_or(1.0, |cached| cached.tokens / cached.of_single.max(1.0)),
        }
    }

    /// Each number's mean.
    pub(crate) fn mean(all: &[Figures]) -> Figures {
        let mean = |number: fn(&Figures) -> f64| {
            all.iter().map(number).sum::<f64>() / (all.len() as f64).max(1.0)
        };
        Figures {
            used: mean(|figures| figures.used),
            refused: mean(|figures| figures.refused),
            p50_s: mean(|figures| figures.p50_s),
            p99_s: mean(|figures| figures.p99_s),
            longest_s: mean(|figures| figures.longest_s),
            inversion_s: mean(|figures| figures.inversion_s),
            given_up: mean(|figures| figures.given_up),
            cached: mean(|figures| figures.cached),
        }
    }
}

/// The share of all accounts together that was used. An account is used as far as its scarcest limit is, be it tokens or
/// requests, and weighs as many tokens as that limit lets through.
fn used(providers: &[Provider]) -> f64 {
    let admitted: u64 = providers.iter().map(Provider::admitted).sum();
    let tokens: u64 = providers.iter().map(Provider::tokens).sum();
    let mean_charge = tokens as f64 / (admitted as f64).max(1.0);
    let (used, offered) = providers
        .iter()
        .fold((0.0, 0.0), |(used, offered), provider| {
            let (most_tokens, most_requests) = provider.offered();
            let weight = most_tokens.min(most_requests * mean_charge);
            let share = (provider.tokens() as f64 / most_tokens)
                .max(provider.admitted() as f64 / most_requests);
            (used + weight * share, offered + weight)
        });
    used / f64::max(offered, 1.0)
}

/// `served_ms` is in the order of arrival.
fn longest_inversion_ms(served_ms: &[Option<f64>]) -> f64 {
    let mut first_of_later_ms = f64::INFINITY;
    let mut longest_ms: f64 = 0.0;
    for served_ms in served_ms.iter().rev() {
        let served_ms = served_ms.unwrap_or(RUN_MS);
        longest_ms = longest_ms.max(served_ms - first_of_later_ms);
        first_of_later_ms = first_of_later_ms.min(served_ms);
    }
    longest_ms
}
