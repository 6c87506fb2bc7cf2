//! The run of the engine: processes, the store that they share, the network, the accounts.
//!
//! A request goes the way of `manager::serving` and the scheduler: it stands in its process's queue; the first few ask the store,
//! again after `ask_again_ms` and whenever the process hears an answer; booked, it is sent at its moment, unless its account
//! has refused somebody meanwhile; what the answer says is settled.

use std::sync::Arc;

use fastrand::Rng;
use futures_util::FutureExt;
use openai_request_manager::{
    config::Limits,
    quota::{Answer, Ask, Booking, Candidate, Cost, MemoryStore, Settlement, Store},
    scheduler::nearness,
    simulator::PromptCache,
};

use crate::{
    RUN_MS, Run,
    agenda::Agenda,
    process::Process,
    provider::{Provider, Reply},
    scenario::Scenario,
    wire,
    workload::{Request, said_before},
};

/// From sending to the provider's limiter, least and most. Requests overtake each other on this way.
const NETWORK_MS: (f64, f64) = (5.0, 50.0);

/// An error comes back after this time.
const ERROR_MS: f64 = 50.0;

/// Three in ten answers take any time up to the scenario's longest; the others at most this many times the shortest.
const SLOW_SHARE: f64 = 0.3;
const USUAL_SPREAD: f64 = 5.0;

/// The manager's backoff on the account after a 500: half a second, doubled each time up to 8 s, less up to a quarter.
const FIRST_BACKOFF_MS: f64 = 500.0;
const LONGEST_BACKOFF_MS: f64 = 8_000.0;
const BACKOFF_JITTER: f64 = 0.25;

/// What happens next.
#[derive(Debug)]
enum Event {
    Arrival(usize),
    /// A request's time to ask again, unless another reason came first.
    Alarm {
        request: usize,
        number: u64,
    },
    /// A question reaches the store.
    Question(usize),
    /// The store's word comes back.
    Word {
        request: usize,
        answer: Answer,
    },
    /// A booking's moment.
    Departure(Flight),
    /// A request reaches the provider.
    Call(Flight),
    /// Its answer comes back.
    Reply {
        flight: Flight,
        reply: Reply,
    },
    /// A settlement reaches the store.
    Settlement(Box<Settlement>),
}

/// A request on its way to an account and back.
#[derive(Debug)]
struct Flight {
    request: usize,
    account: usize,
    booking: Booking,
}

/// What a request has learned by its own failures.
#[derive(Debug, Clone, Default)]
struct Trail {
    is_repeat: bool,
    refused_by: Vec<usize>,
    failures: i32,
    /// An account that it does not use before a moment.
    held: Option<(usize, f64)>,
}

#[derive(Debug)]
struct Fleet<'a> {
    scenario: &'a Scenario,
    requests: &'a [Request],
    trails: Vec<Trail>,
    processes: Vec<Process>,
    /// What each account's owner has configured.
    configured: Vec<Limits>,
    model_group: Arc<str>,
    store: MemoryStore,
    rng: Rng,
    agenda: Agenda<Event>,
    /// What each account has read, and what a single account would have read of the same requests.
    caches: Vec<PromptCache>,
    single_cache: PromptCache,
    run: Run,
}

/// Serves the requests of a scenario.
pub(crate) fn run(scenario: &Scenario, requests: &[Request], seed: u64) -> Run {
    let accounts = &scenario.accounts;
    let configured = |limits| match scenario.limits_known {
        true => wire::configured(limits),
        false => Limits::default(),
    };
    let mut fleet = Fleet {
        scenario,
        requests,
        trails: vec![Trail::default(); requests.len()],
        processes: vec![Process::new(accounts.len()); scenario.processes],
        configured: accounts
            .iter()
            .map(|account| configured(&account.limits))
            .collect(),
        model_group: "gpt".into(),
        store: MemoryStore::new(),
        // Another stream than the workload's, which has the same seed.
        rng: Rng::with_seed(!seed),
        agenda: Agenda::new(),
        caches: vec![PromptCache::new(); accounts.len()],
        single_cache: PromptCache::new(),
        run: Run {
            served_ms: vec![None; requests.len()],
            given_up: 0,
            cached: None,
            providers: accounts.iter().map(Provider::new).collect(),
        },
    };
    for (number, request) in requests.iter().enumerate() {
        fleet.agenda.at(request.arrived_ms, Event::Arrival(number));
    }
    while let Some((now_ms, event)) = fleet.agenda.next() {
        if now_ms > RUN_MS {
            break;
        }
        fleet.happen(event, now_ms);
    }
    fleet.run
}

impl Fleet<'_> {
    fn happen(&mut self, event: Event, now_ms: f64) {
        match event {
            Event::Arrival(request) => self.join(request, now_ms),
            Event::Alarm { request, number } => {
                let process = self.requests[request].process;
                if self.processes[process].is_woken_by(request, number) {
                    self.ask(process, now_ms);
                }
            }
            Event::Question(request) => {
                let ask = self.question(request, now_ms);
                let answer = at_once(self.store.book(&ask, now_ms));
                let back_ms = now_ms + self.one_way_ms();
                self.agenda.at(back_ms, Event::Word { request, answer });
            }
            Event::Word { request, answer } => self.told(request, answer, now_ms),
            Event::Departure(flight) => self.depart(flight, now_ms),
            Event::Call(flight) => self.call(flight, now_ms),
            Event::Reply { flight, reply } => self.settle(flight, &reply, now_ms),
            Event::Settlement(settlement) => self.store.settle(*settlement, now_ms),
        }
    }

    fn join(&mut self, request: usize, now_ms: f64) {
        let process = self.requests[request].process;
        self.processes[process].join(request);
        self.ask(process, now_ms);
    }

    /// The first few ask, but for those that wait for the store's word already.
    fn ask(&mut self, process: usize, now_ms: f64) {
        let there_ms = now_ms + self.one_way_ms();
        for request in self.processes[process].ask() {
            self.agenda.at(there_ms, Event::Question(request));
        }
    }

    fn question(&self, request: usize, now_ms: f64) -> Ask {
        let trail = &self.trails[request];
        let known = &self.processes[self.requests[request].process].known;
        let candidate = |account: usize| {
            let held = trail.held.filter(|(held, _)| *held == account);
            let held_until_ms = held.map_or(now_ms, |(_, until_ms)| until_ms);
            Candidate {
                quota_group: account,
                limits: self.configured[account],
                weight: 1.0,
                not_before_ms: known[account].breaker.not_before_ms().max(held_until_ms),
                affinity: match self.requests[request].conversation {
                    Some(conversation) if self.scenario.cache_affinity => {
                        nearness(conversation, &account.to_string())
                    }
                    _ => 0.0,
                },
            }
        };
        Ask {
            model_group: self.model_group.clone(),
            cost: Cost {
                requests: 1.0,
                tokens: self.requests[request].estimate as f64,
            },
            candidates: (0..self.configured.len())
                .filter(|account| !trail.refused_by.contains(account))
                .map(candidate)
                .collect(),
            force: false,
            claimant: request as u64 + 1,
            // Sent in vain before.
            urgency: i32::from(trail.is_repeat),
            due_in_ms: f64::INFINITY,
            patience_ms: f64::INFINITY,
            // As the manager has it: a millisecond for every ten tokens.
            cache_worth_ms: 0.1 * self.requests[request].estimate as f64,
        }
    }

    fn told(&mut self, request: usize, answer: Answer, now_ms: f64) {
        let process = self.requests[request].process;
        match answer {
            Answer::Booked(booking) => {
                self.processes[process].leave(request);
                // The scheduler sleeps whole milliseconds.
                let departs_ms = now_ms + booking.wait_ms.ceil();
                let flight = Flight {
                    request,
                    // Every account is a quota group of its own.
                    account: booking.quota_group,
                    booking,
                };
                self.agenda.at(departs_ms, Event::Departure(flight));
            }
            Answer::Later { ask_again_ms, .. } => {
                let number = self.processes[process].told_to_wait(request);
                let again_ms = now_ms + ask_again_ms.ceil();
                self.agenda.at(again_ms, Event::Alarm { request, number });
                return;
            }
            Answer::Never { .. } => {
                self.processes[process].leave(request);
                self.run.given_up += 1;
            }
        }
        self.ask(process, now_ms);
    }

    /// Sends a request, or gives its room back where a refusal has closed the lane since it was booked.
    fn depart(&mut self, flight: Flight, now_ms: f64) {
        let process = self.requests[flight.request].process;
        let known = &self.processes[process].known[flight.account];
        if flight.booking.wait_ms > 0.0 && known.blocked_until_ms > now_ms {
            self.tell_store(Settlement::unsent(flight.booking), now_ms);
            self.trails[flight.request].is_repeat = true;
            self.join(flight.request, now_ms);
            return;
        }
        let (least, most) = NETWORK_MS;
        let there_ms = now_ms + self.between(least, most);
        self.agenda.at(there_ms, Event::Call(flight));
    }

    fn tell_store(&mut self, settlement: Settlement, now_ms: f64) {
        let there_ms = now_ms + self.one_way_ms();
        self.agenda
            .at(there_ms, Event::Settlement(Box::new(settlement)));
    }

    fn call(&mut self, flight: Flight, now_ms: f64) {
        let charge = self.requests[flight.request].charge;
        let reply = self.run.providers[flight.account].call(charge, now_ms);
        let took_ms = match reply {
            Reply::Admitted(_) => {
                self.run.served_ms[flight.request] = Some(now_ms);
                self.read_prompt(&flight, now_ms);
                self.answer_ms()
            }
            Reply::Failed(_) | Reply::Refused(_) => ERROR_MS,
        };
        self.agenda
            .at(now_ms + took_ms, Event::Reply { flight, reply });
    }

    /// An account reads a conversation, or knows it.
    fn read_prompt(&mut self, flight: &Flight, now_ms: f64) {
        let Some(conversation) = self.requests[flight.request].conversation else {
            return;
        };
        let steps = said_before(conversation) / PromptCache::STEP_TOKENS;
        let prefix: Vec<u64> = (0..steps).map(|step| conversation << 16 | step).collect();
        let tokens = |known: usize| {
            PromptCache::cached_tokens(known as u64 * PromptCache::STEP_TOKENS) as f64
        };
        let cached = self.run.cached.get_or_insert_default();
        cached.tokens += tokens(self.caches[flight.account].visit(&prefix, now_ms));
        cached.of_single += tokens(self.single_cache.visit(&prefix, now_ms));
    }

    /// What `manager::serving` and the scheduler make of an answer.
    fn settle(&mut self, flight: Flight, reply: &Reply, now_ms: f64) {
        let Flight {
            request,
            account,
            booking,
        } = flight;
        let process = self.requests[request].process;
        let settlement = wire::settlement(booking, reply);
        let known = &mut self.processes[process].known[account];
        match reply {
            Reply::Admitted(_) | Reply::Refused(_) => known.breaker.answered(),
            Reply::Failed(_) => known.breaker.failed(now_ms),
        }
        if let Some(block_ms) = settlement.block_ms {
            known.blocked_until_ms = known.blocked_until_ms.max(now_ms + block_ms);
        }
        self.tell_store(settlement, now_ms);
        self.trails[request].is_repeat = true;
        match reply {
            Reply::Admitted(_) => {}
            Reply::Refused(refusal) => {
                // "Request too large": never here, perhaps elsewhere.
                if refusal.wait_ms.is_none() {
                    self.trails[request].refused_by.push(account);
                }
                self.join(request, now_ms);
            }
            Reply::Failed(_) => {
                let jitter = 1.0 - BACKOFF_JITTER * self.rng.f64();
                let trail = &mut self.trails[request];
                let backoff_ms = FIRST_BACKOFF_MS * 2_f64.powi(trail.failures);
                let until_ms = now_ms + backoff_ms.min(LONGEST_BACKOFF_MS) * jitter;
                trail.failures += 1;
                trail.held = Some((account, until_ms));
                self.join(request, now_ms);
            }
        }
        // Somebody may start earlier now than it was told.
        self.ask(process, now_ms);
    }

    fn answer_ms(&mut self) -> f64 {
        let (least, longest) = (self.scenario.answer_s.start, self.scenario.answer_s.end);
        let most = match self.rng.f64() < SLOW_SHARE {
            true => longest,
            false => least * USUAL_SPREAD,
        };
        1_000.0 * self.between(least, most)
    }

    fn one_way_ms(&self) -> f64 {
        self.scenario.store_delay_ms / 2.0
    }

    fn between(&mut self, least: f64, most: f64) -> f64 {
        least + (most - least) * self.rng.f64()
    }
}

/// What the store in memory says: its futures are ready when they are made.
fn at_once<T, E: std::fmt::Debug>(said: impl Future<Output = Result<T, E>>) -> T {
    said.now_or_never()
        .expect("the store in memory never waits")
        .expect("the store in memory never fails")
}
