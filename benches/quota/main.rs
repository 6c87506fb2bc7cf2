//! `npm run bench:quota`: the quota engine against exact limits, in virtual time.
//!
//! Callers arrive faster than all accounts together can serve them, and the engine decides who is sent where, and when. On the
//! other side stands the simulator's own limiter, which admits or refuses as OpenAI does. Between them lie the delays of a
//! real network, the error of every estimate, and what a [`scenario`] adds: somebody else on the same account, a limit that
//! changes, an account that fails. Ten minutes pass in a second or so, and the same seed gives the same table.
//!
//! Four questions are asked of each scenario, and the `met` column answers them:
//!
//! - Is all that the accounts offer used, while somebody waits for it?
//! - Is nothing sent that has no room (a 429)?
//! - Does nobody wait much longer than with a server that knows everything and serves in order ([`ideal`])?
//! - Where prompts repeat: is nearly all cached that a single account would have had cached?
//!
//! A last section times a booking, the one step that every request pays for.
//!
//! `cargo bench --bench quota -- halved` runs only the scenarios with that word in their name.

mod agenda;
mod booking_time;
mod breaker;
mod figures;
mod fleet;
mod ideal;
mod process;
mod provider;
mod report;
mod scenario;
mod wire;
mod workload;

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use figures::Figures;
use provider::Provider;
use report::Row;
use scenario::{Engine, Scenario};

/// Length of every run, on the virtual clock.
const RUN_MS: f64 = 600_000.0;

/// What a run leaves behind.
#[derive(Debug)]
struct Run {
    /// When each request was admitted; `None` where it was not, by the end.
    served_ms: Vec<Option<f64>>,
    /// Requests that no account could ever take.
    given_up: usize,
    /// Where prompts repeat.
    cached: Option<Cached>,
    providers: Vec<Provider>,
}

/// Prompt tokens that were cached.
#[derive(Debug, Clone, Copy, Default)]
struct Cached {
    /// On the accounts that read them.
    tokens: f64,
    /// If a single account had read the same at the same moments.
    of_single: f64,
}

fn main() {
    // cargo itself passes `--bench`.
    let word = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let wanted = |scenario: &Scenario| {
        let word = word.as_deref();
        word.is_none_or(|word| scenario.name.contains(word))
    };
    println!("{}", report::HEAD);
    let scenarios: Vec<Scenario> = scenario::all().into_iter().filter(wanted).collect();
    let rows: Vec<OnceLock<Row>> = scenarios.iter().map(|_| OnceLock::new()).collect();
    let next = AtomicUsize::new(0);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(scenario) = scenarios.get(at) else {
                        return;
                    };
                    rows[at].get_or_init(|| row(scenario));
                }
            });
        }
    });
    for row in rows.iter().filter_map(OnceLock::get) {
        println!("{row}");
    }
    println!("\n{}", booking_time::measured());
}

/// One line of the table: the means over the scenario's seeds.
fn row(scenario: &Scenario) -> Row {
    let (reached, ideal): (Vec<Figures>, Vec<Figures>) = (0..scenario.seeds)
        .map(|seed| {
            let requests = workload::requests(scenario, seed);
            let ideal = Figures::of(&requests, &ideal::run(scenario, &requests));
            match scenario.engine {
                Engine::Ideal => (ideal, ideal),
                Engine::Store => {
                    let run = fleet::run(scenario, &requests, seed);
                    (Figures::of(&requests, &run), ideal)
                }
            }
        })
        .unzip();
    Row {
        name: scenario.name.clone(),
        exact: scenario.is_exact(),
        with_homes: scenario.cache_affinity,
        reached: Figures::mean(&reached),
        ideal: Figures::mean(&ideal),
    }
}
