//! Who comes when, with how much.

use std::{f64::consts::TAU, ops::Range};

use fastrand::Rng;
use openai_request_manager::{
    simulator::{self, ChargingRule, Demand, Endpoint},
    tokens::Estimate,
};

use crate::{
    RUN_MS,
    scenario::{Arrivals, Charging, Scenario, Sizes},
};

/// How much more comes than all accounts can take: somebody waits at every moment, so that any room left is lost.
const DEMAND: f64 = 1.5;

/// Draws for the mean size of a request; its error is about 2 %, which only shifts the demand.
const MEAN_DRAWS: u32 = 4_000;

/// What is said more, and may be answered, in tokens.
const MORE_SAID: Range<u64> = 100..700;

const MINUTE_MS: f64 = 60_000.0;
const BURST_MS: f64 = 10_000.0;
const AT_ONCE_MS: f64 = 100.0;

/// One request, as the provider sees it and as we do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    pub(crate) arrived_ms: f64,
    /// Whose queue it stands in.
    pub(crate) process: usize,
    /// Tokens by our count.
    pub(crate) estimate: u64,
    /// Tokens that the provider charges.
    pub(crate) charge: u64,
    /// The conversation that it goes on with.
    pub(crate) conversation: Option<u64>,
}

/// What was said in a conversation before, in tokens: between 1,100 and 8,000.
pub(crate) fn said_before(conversation: u64) -> u64 {
    1_100 + Rng::with_seed(conversation).u64(..6_900)
}

/// What a request takes.
#[derive(Debug, Clone, Copy)]
struct Load {
    estimate: u64,
    charge: u64,
    conversation: Option<u64>,
}

/// The requests of a run, in the order of their arrival.
pub(crate) fn requests(scenario: &Scenario, seed: u64) -> Vec<Request> {
    let mut rng = Rng::with_seed(seed);
    let mean_charge = {
        let mut rng = rng.fork();
        let total: u64 = (0..MEAN_DRAWS)
            .map(|_| load(scenario, &mut rng).charge)
            .sum();
        total as f64 / f64::from(MEAN_DRAWS)
    };
    let per_minute: u64 = scenario.accounts.iter().map(minute_limit).sum();
    let mean_gap_ms = MINUTE_MS * mean_charge / (DEMAND * per_minute as f64);
    let mut requests = Vec::new();
    let mut at_ms = 0.0;
    loop {
        // Gaps of a Poisson process; the logarithm's argument lies in (0, 1].
        at_ms -= mean_gap_ms * (1.0 - rng.f64()).ln();
        if at_ms >= RUN_MS {
            return requests;
        }
        let load = load(scenario, &mut rng);
        requests.push(Request {
            arrived_ms: match scenario.arrivals {
                Arrivals::Steady => at_ms,
                Arrivals::Bursts => squeezed(at_ms, BURST_MS),
                Arrivals::AtOnce => squeezed(at_ms, AT_ONCE_MS),
            },
            process: rng.usize(..scenario.processes),
            estimate: load.estimate,
            charge: load.charge,
            conversation: load.conversation,
        });
    }
}

fn load(scenario: &Scenario, rng: &mut Rng) -> Load {
    let conversation = match scenario.sizes {
        Sizes::Conversations(number) => Some(rng.u64(..number)),
        Sizes::Chats | Sizes::Wide => None,
    };
    let size = match conversation {
        Some(conversation) => said_before(conversation) + rng.u64(MORE_SAID),
        None => size(scenario, rng),
    };
    let (estimate, charge) = match scenario.charging {
        Charging::Near { error, bias } => {
            let deviation = 1.0 + error * (2.0 * rng.f64() - 1.0);
            (size, (size as f64 * bias * deviation).round() as u64)
        }
        Charging::Rule(rule) => by_rule(rule, size, rng),
    };
    Load {
        estimate,
        charge: charge.max(1),
        conversation,
    }
}

/// What a chat of about this size is taken for by us, and what it is charged: two thirds of it prompt, 3 to 5 characters a
/// token; every second request bounds its answer, and answers take up half of their bound.
fn by_rule(rule: ChargingRule, size: u64, rng: &mut Rng) -> (u64, u64) {
    let prompt_tokens = size * 2 / 3;
    let characters = (prompt_tokens as f64 * (3.0 + 2.0 * rng.f64())) as u64;
    let most_answered = size - prompt_tokens;
    let output_tokens = rng.bool().then_some(most_answered);
    let estimate = Estimate {
        prompt_tokens,
        characters,
        output_tokens,
        choices: 1,
        image_tokens: 0,
    };
    let demand = Demand {
        endpoint: Endpoint::Chat,
        input_estimate: simulator::estimate(characters),
        images: 0,
        choices: 1,
        max_tokens: output_tokens,
    };
    let usage = || prompt_tokens + most_answered / 2;
    (estimate.admission_tokens(), rule.charge(&demand, usage))
}

/// A moment of the first part of its minute instead.
fn squeezed(at_ms: f64, into_ms: f64) -> f64 {
    let within = at_ms % MINUTE_MS;
    at_ms - within + within * into_ms / MINUTE_MS
}

fn size(scenario: &Scenario, rng: &mut Rng) -> u64 {
    match scenario.sizes {
        Sizes::Chats => {
            let smallest = scenario.accounts.iter().map(minute_limit).min();
            let most = smallest.unwrap_or(0) as f64 * 0.8;
            (6.6 + 0.9 * normal(rng))
                .exp()
                .clamp(100.0, most.max(100.0)) as u64
        }
        Sizes::Wide | Sizes::Conversations(_) => (100.0 * 300_f64.powf(rng.f64())) as u64,
    }
}

/// A standard normal variate (Box and Muller, 1958).
fn normal(rng: &mut Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    radius * (TAU * rng.f64()).cos()
}

fn minute_limit(account: &crate::scenario::AccountPlan) -> u64 {
    account.limits.tokens_per_minute.map_or(0, u64::from)
}
