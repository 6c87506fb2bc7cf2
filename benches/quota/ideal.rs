//! The server to compare with: it knows what every account holds at every moment and what each request will be charged, has no
//! network to cross, and serves strictly in the order of arrival.

use crate::{RUN_MS, Run, provider::Provider, scenario::Scenario, workload::Request};

/// Serves the requests of a scenario.
pub(crate) fn run(scenario: &Scenario, requests: &[Request]) -> Run {
    let mut providers: Vec<Provider> = scenario.accounts.iter().map(Provider::new).collect();
    let mut run_ms: f64 = 0.0;
    let mut given_up = 0;
    let mut served_ms = vec![None; requests.len()];
    for (request, served) in requests.iter().zip(&mut served_ms) {
        run_ms = run_ms.max(request.arrived_ms);
        while run_ms <= RUN_MS {
            let Some((provider, wait_ms)) = earliest(&mut providers, request.charge, run_ms) else {
                given_up += 1;
                break;
            };
            if wait_ms == 0.0 {
                provider.call(request.charge, run_ms);
                *served = Some(run_ms);
                break;
            }
            run_ms += wait_ms;
        }
    }
    Run {
        served_ms,
        given_up,
        cached: None,
        providers,
    }
}

/// The account that can serve first and its wait; among equals the one with the largest share left.
fn earliest(providers: &mut [Provider], charge: u64, now_ms: f64) -> Option<(&mut Provider, f64)> {
    let offers = providers
        .iter_mut()
        .filter_map(|provider| Some((provider.offer(charge, now_ms)?, provider)));
    let (offer, provider) = offers.min_by(|(left, _), (right, _)| {
        let by_wait = left.wait_ms.total_cmp(&right.wait_ms);
        by_wait.then(right.share_left.total_cmp(&left.share_left))
    })?;
    Some((provider, offer.wait_ms))
}
