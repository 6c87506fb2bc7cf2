//! What is run: the rows of the table.

use std::{num::NonZeroU64, ops::Range};

use openai_request_manager::simulator::{ChargingRule, Limits};

/// Who decides which request goes where, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    /// The engine under test.
    Store,
    /// The server that knows everything.
    Ideal,
}

/// How large requests are, in tokens.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sizes {
    /// Chats: log-normal around 735, from 100 to four fifths of the smallest limit per minute.
    Chats,
    /// Each order of magnitude from 100 to 30,000 equally often.
    Wide,
    /// So many conversations; a request brings all that was said in its own before, 1,100 to 8,000 tokens.
    Conversations(u64),
}

/// When callers come.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Arrivals {
    /// At any moment.
    Steady,
    /// All in the first ten seconds of each minute.
    Bursts,
    /// All in the first tenth of a second of each minute.
    AtOnce,
}

/// What a request is charged.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Charging {
    /// About what we estimate.
    Near {
        /// It differs by up to this share, either way.
        error: f64,
        /// The mean charge for each estimated token.
        bias: f64,
    },
    /// By one of the simulator's rules.
    Rule(ChargingRule),
}

fn near(error: f64, bias: f64) -> Charging {
    Charging::Near { error, bias }
}

/// One account at the provider.
#[derive(Debug, Clone, Default)]
pub(crate) struct AccountPlan {
    /// What OpenAI admits.
    pub(crate) limits: Limits,
    /// The share of the tokens per minute that somebody else uses.
    pub(crate) outside: f64,
    /// From this moment on all limits are half of what they were.
    pub(crate) halved_at_ms: Option<f64>,
    /// Requests are admitted, charged, and fail (500) in this time.
    pub(crate) failing_ms: Range<f64>,
}

/// A row of the table. The defaults are those of most rows.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) engine: Engine,
    pub(crate) accounts: Vec<AccountPlan>,
    /// Whether our configuration knows the accounts' limits.
    pub(crate) limits_known: bool,
    pub(crate) sizes: Sizes,
    pub(crate) arrivals: Arrivals,
    pub(crate) charging: Charging,
    /// Seconds until an answer, least and most.
    pub(crate) answer_s: Range<f64>,
    /// Whether a conversation goes where its prompt is probably cached.
    pub(crate) cache_affinity: bool,
    /// Processes that share the store, each with a queue of its own.
    pub(crate) processes: usize,
    /// Milliseconds to the store and back.
    pub(crate) store_delay_ms: f64,
    /// Runs that are averaged.
    pub(crate) seeds: u64,
}

impl Scenario {
    /// Whether every charge is what we estimated: the bars are higher then.
    pub(crate) fn is_exact(&self) -> bool {
        matches!(
            self.charging,
            Charging::Near {
                error: 0.0,
                bias: 1.0,
            }
        )
    }

    fn of(name: &str, accounts: Vec<AccountPlan>) -> Scenario {
        Scenario {
            name: name.to_owned(),
            engine: Engine::Store,
            accounts,
            limits_known: true,
            sizes: Sizes::Chats,
            arrivals: Arrivals::Steady,
            charging: near(0.3, 1.0),
            answer_s: 0.2..30.0,
            cache_affinity: true,
            processes: 4,
            store_delay_ms: 0.0,
            seeds: 9,
        }
    }

    fn small(name: &str) -> Scenario {
        Scenario::of(name, small())
    }

    /// Large accounts serve so many requests that one run says enough.
    fn large(name: &str) -> Scenario {
        let limits = [(2_000_000, 10_000), (2_000_000, 10_000), (800_000, 5_000)];
        Scenario {
            seeds: 1,
            ..Scenario::of(name, limits.map(account).to_vec())
        }
    }
}

/// All rows, in the order of the table.
pub(crate) fn all() -> Vec<Scenario> {
    let mut rows = estimates();
    rows.extend(accounts());
    rows.extend(callers());
    rows.extend(changes());
    rows.extend(conversations());
    rows
}

/// What is charged is not what we estimated, and is heard of late.
fn estimates() -> Vec<Scenario> {
    let small = Scenario::small;
    vec![
        Scenario {
            engine: Engine::Ideal,
            charging: near(0.0, 1.0),
            ..small("ideal first-come, one process")
        },
        Scenario {
            charging: near(0.0, 1.0),
            processes: 1,
            ..small("exact charges, 1 process")
        },
        Scenario {
            charging: near(0.0, 1.0),
            ..small("exact charges, 4 processes")
        },
        small("errors 30 %"),
        Scenario {
            answer_s: 0.2..2.0,
            ..small("errors 30 %, answers to 2 s")
        },
        Scenario {
            answer_s: 0.2..60.0,
            ..small("errors 30 %, answers to 60 s")
        },
        Scenario {
            charging: near(0.9, 1.0),
            ..small("errors 90 %")
        },
        Scenario {
            charging: near(0.3, 0.5),
            ..small("charged half")
        },
        Scenario {
            charging: near(0.3, 1.6),
            ..small("charged 1.6 times")
        },
        Scenario {
            charging: near(0.9, 1.6),
            ..small("charged 1.6 times, errors 90 %")
        },
        Scenario {
            charging: Charging::Rule(ChargingRule::Documented),
            ..small("charged as documented")
        },
        Scenario {
            charging: Charging::Rule(ChargingRule::Measured2024),
            ..small("charged as in 2024")
        },
        Scenario {
            charging: Charging::Rule(ChargingRule::Measured2025),
            ..small("charged as in 2025")
        },
        Scenario {
            charging: Charging::Rule(ChargingRule::Usage),
            ..small("charged by usage")
        },
    ]
}

/// Other accounts.
fn accounts() -> Vec<Scenario> {
    let by_day = [
        Limits {
            tokens_per_day: NonZeroU64::new(200_000),
            ..limits(60_000, 600)
        },
        Limits {
            requests_per_day: NonZeroU64::new(500),
            ..limits(150_000, 1_200)
        },
        limits(20_000, 300),
    ];
    vec![
        Scenario::large("large accounts"),
        Scenario {
            charging: near(0.3, 1.6),
            ..Scenario::large("large, charged 1.6 times")
        },
        Scenario {
            processes: 64,
            ..Scenario::large("large, 64 processes")
        },
        Scenario {
            seeds: 1,
            ..Scenario::of(
                "100 accounts",
                small().into_iter().cycle().take(100).collect(),
            )
        },
        Scenario::of(
            "two of three limited by day",
            by_day
                .map(|limits| AccountPlan {
                    limits,
                    ..AccountPlan::default()
                })
                .to_vec(),
        ),
    ]
}

/// Other callers.
fn callers() -> Vec<Scenario> {
    let far_store = |processes: usize| Scenario {
        processes,
        store_delay_ms: 1.0,
        ..Scenario::large(&format!("large, store 1 ms away, processes: {processes}"))
    };
    vec![
        far_store(1),
        far_store(4),
        far_store(64),
        Scenario {
            arrivals: Arrivals::Bursts,
            ..Scenario::small("all in 10 s of each minute")
        },
        Scenario {
            arrivals: Arrivals::AtOnce,
            ..Scenario::small("all at once each minute")
        },
        Scenario {
            arrivals: Arrivals::AtOnce,
            charging: near(0.3, 1.6),
            ..Scenario::small("all at once each minute, charged 1.6 times")
        },
        Scenario {
            arrivals: Arrivals::AtOnce,
            charging: near(0.3, 0.5),
            ..Scenario::small("all at once each minute, charged half")
        },
        Scenario {
            arrivals: Arrivals::AtOnce,
            charging: near(0.3, 1.6),
            ..Scenario::large("large, all at once each minute, charged 1.6 times")
        },
        Scenario {
            sizes: Sizes::Wide,
            ..Scenario::small("100 to 30,000 tokens")
        },
        Scenario {
            sizes: Sizes::Wide,
            ..Scenario::large("large, 100 to 30,000 tokens")
        },
        Scenario::of(
            "limited by requests",
            [(60_000, 40), (150_000, 100), (20_000, 12)]
                .map(account)
                .to_vec(),
        ),
    ]
}

/// What nobody told us.
fn changes() -> Vec<Scenario> {
    let changed = |name: &str, change: &dyn Fn(&mut [AccountPlan])| {
        let mut accounts = small();
        change(&mut accounts);
        Scenario::of(name, accounts)
    };
    vec![
        changed("30 % of two used outside", &|accounts| {
            accounts[0].outside = 0.3;
            accounts[1].outside = 0.3;
        }),
        changed("one limit halved at 5 min", &|accounts| {
            accounts[1].halved_at_ms = Some(300_000.0);
        }),
        changed("one account fails for 1 min", &|accounts| {
            accounts[0].failing_ms = 240_000.0..300_000.0;
        }),
        Scenario {
            limits_known: false,
            ..Scenario::small("limits unknown at first")
        },
    ]
}

/// Prompts that are cached where they were read before.
fn conversations() -> Vec<Scenario> {
    let of = |number, name: &str| Scenario {
        sizes: Sizes::Conversations(number),
        ..Scenario::large(name)
    };
    vec![
        of(60, "large, 60 conversations"),
        Scenario {
            cache_affinity: false,
            ..of(60, "large, 60 conversations, no homes")
        },
        of(600, "large, 600 conversations"),
        Scenario {
            cache_affinity: false,
            ..of(600, "large, 600 conversations, no homes")
        },
        Scenario {
            processes: 64,
            ..of(600, "large, 600 conversations, 64 processes")
        },
    ]
}

fn small() -> Vec<AccountPlan> {
    [(60_000, 600), (150_000, 1_200), (20_000, 300)]
        .map(account)
        .to_vec()
}

fn account((tokens, requests): (u64, u64)) -> AccountPlan {
    AccountPlan {
        limits: limits(tokens, requests),
        ..AccountPlan::default()
    }
}

fn limits(tokens_per_minute: u64, requests_per_minute: u64) -> Limits {
    Limits {
        requests_per_minute: NonZeroU64::new(requests_per_minute),
        tokens_per_minute: NonZeroU64::new(tokens_per_minute),
        ..Limits::default()
    }
}
