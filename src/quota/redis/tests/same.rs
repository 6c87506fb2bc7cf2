//! The script and the memory store are the same arithmetic: fed with the same random histories, they say the same.

use std::{sync::Arc, time::Duration};

use fastrand::Rng;
use futures_util::future::join_all;
use serde_json::json;

use super::{servers::Server, *};
use crate::{
    config::Limits,
    headers::{Meter, Reading, Window},
    outcome::LimitHit,
    quota::{
        Answer, Ask, Booking, Candidate, Cost, MemoryStore, Observation, QuotaGroups, Settlement,
        Standing, Store, Unspent, redis::RedisStore,
    },
};

const HISTORIES: u64 = 300;
const OPERATIONS: usize = 60;

/// Both stores and what has happened to them.
struct History {
    random: Rng,
    memory: MemoryStore,
    redis: Arc<RedisStore>,
    limits: Vec<Limits>,
    /// Whether answers say what is left.
    is_told: bool,
    now_ms: f64,
    /// Each as the memory store and as Redis gave it.
    under_way: Vec<(Booking, Booking)>,
}

impl History {
    fn new(seed: u64, connection: &Arc<Connection>) -> Self {
        let mut random = Rng::with_seed(seed);
        let groups = random.usize(1..=4);
        let limits = (0..groups).map(|_| limits(&mut random)).collect();
        let names = (0..groups).map(|group| format!("group {group}").into());
        let groups: QuotaGroups = names.collect();
        History {
            memory: MemoryStore::new(),
            redis: RedisStore::new(connection.clone(), &format!("{seed}"), groups.into()).into(),
            limits,
            is_told: random.u32(..5) > 0,
            // Small times, and those of our days, which leave fewer digits behind the point.
            now_ms: [0.0, 1_790_000_000_123.456][random.usize(..2)],
            under_way: Vec::new(),
            random,
        }
    }

    async fn run(mut self) {
        // Where the clock is set back, lanes have to be there before: in Redis they come to be when they are first used.
        let is_set_back = self.random.bool();
        if is_set_back {
            self.redis.set_clock(self.now_ms);
            for group in 0..self.limits.len() {
                self.use_lane(group).await;
            }
        }
        for _ in 0..OPERATIONS {
            self.redis.set_clock(self.now_ms);
            match self.random.u32(..100) {
                0..40 => self.book().await,
                40..80 => self.settle_some(),
                80..88 => self.observe(),
                88..93 => self.withdraw(),
                93..96 => self.change_limits().await,
                _ => {}
            }
            // Also sees to it that all of this moment is done before the next one.
            self.look().await;
            let back = if is_set_back { -200.0 } else { 0.0 };
            let longest = [0.0, back, 30.0, 1_000.0, 20_000.0, 4_000_000.0];
            self.now_ms += self.random.f64() * longest[self.random.usize(..longest.len())];
        }
    }

    /// One ask, or some at once, which Redis is told in one batch.
    async fn book(&mut self) {
        let count = [1, 1, 1, 6][self.random.usize(..4)];
        let mut asks: Vec<Ask> = (0..count).map(|_| self.ask()).collect();
        // Nobody asks twice at once.
        asks.sort_by_key(|ask| ask.claimant);
        asks.dedup_by_key(|ask| ask.claimant);
        self.compare(&asks).await;
    }

    /// All in one batch, sometimes with a settlement in between: what begins to wait is sent when somebody awaits it.
    async fn compare(&mut self, asks: &[Ask]) {
        let redis = self.redis.clone();
        let mut expected = Vec::new();
        let mut asking = Vec::new();
        for ask in asks {
            let mut answer = Box::pin(redis.book(ask, self.now_ms));
            assert!(futures_util::poll!(&mut answer).is_pending());
            asking.push(answer);
            expected.push(self.memory.book(ask, self.now_ms).await.unwrap());
            if self.random.bool() {
                self.settle();
            }
        }
        for (said, expected) in join_all(asking).await.into_iter().zip(expected) {
            let said = said.unwrap();
            same_answer(&said, &expected);
            if let (Answer::Booked(expected), Answer::Booked(said)) = (expected, said) {
                self.under_way.push((expected, said));
            }
        }
    }

    fn settle_some(&mut self) {
        for _ in 0..self.random.u32(1..4) {
            self.settle();
        }
    }

    fn settle(&mut self) {
        if self.under_way.is_empty() {
            return;
        }
        let (booking, in_redis) = self
            .under_way
            .swap_remove(self.random.usize(..self.under_way.len()));
        let settlement = Settlement {
            booking,
            refused: self.random.u32(..6) == 0,
            unspent: [Unspent::All, Unspent::Tokens, Unspent::Nothing][self.random.usize(..3)],
            reading: Reading {
                requests: self.meter(200.0),
                tokens: self.meter(60_000.0),
            },
            limit_hit: (self.random.u32(..10) == 0).then(|| LimitHit {
                tokens: self.random.bool(),
                window: self.window(),
                limit: f64::from(self.random.u32(1..80_000)),
            }),
            block_ms: (self.random.u32(..10) == 0).then(|| self.random.f64() * 5_000.0),
        };
        self.memory.settle(settlement.clone(), self.now_ms);
        let settlement = Settlement {
            booking: in_redis,
            ..settlement
        };
        self.redis.settle(settlement);
    }

    fn observe(&mut self) {
        let group = self.random.usize(..self.limits.len());
        let observation = Observation {
            model_group: "m".into(),
            candidate: self.candidate(group),
            used: Cost {
                requests: 1.0,
                tokens: f64::from(self.random.u32(..5_000)),
            },
            requests_left: self.maybe(200.0),
            tokens_left: self.maybe(60_000.0),
        };
        self.memory.observe(observation.clone(), self.now_ms);
        self.redis.observe(observation);
    }

    fn withdraw(&mut self) {
        let claimant = self.claimant();
        self.memory.withdraw("m", claimant);
        self.redis.withdraw("m", claimant);
    }

    /// Of one group; the next ask brings them along. The lane has to be there before, in Redis as well.
    async fn change_limits(&mut self) {
        let group = self.random.usize(..self.limits.len());
        self.use_lane(group).await;
        self.limits[group] = limits(&mut self.random);
    }

    async fn use_lane(&mut self, group: usize) {
        let ask = Ask {
            candidates: vec![self.candidate(group)],
            force: true,
            ..self.ask()
        };
        self.compare(&[ask]).await;
    }

    async fn look(&mut self) {
        let ask = self.ask();
        let expected = self.memory.look(&ask, self.now_ms).await.unwrap();
        let said = self.redis.look(&ask, self.now_ms).await.unwrap();
        assert_eq!(said.len(), expected.len());
        for (said, expected) in said.iter().zip(&expected) {
            same_standing(said, expected);
        }
    }

    fn ask(&mut self) -> Ask {
        let mut groups: Vec<usize> = (0..self.limits.len()).collect();
        self.random.shuffle(&mut groups);
        groups.truncate(self.random.usize(1..=groups.len()));
        let most = [100, 5_000, 50_000, 120_000][self.random.usize(..4)];
        Ask {
            model_group: "m".into(),
            cost: Cost {
                requests: 1.0,
                tokens: f64::from(self.random.u32(..most)),
            },
            candidates: groups
                .into_iter()
                .map(|group| self.candidate(group))
                .collect(),
            force: self.random.u32(..12) == 0,
            claimant: self.claimant(),
            urgency: self.random.i32(-1..=1),
            due_in_ms: match self.random.u32(..4) {
                0 => self.random.f64() * 20_000.0,
                _ => f64::INFINITY,
            },
            patience_ms: self.random.f64() * 5_000.0,
            cache_worth_ms: self.random.f64() * 2_000.0,
        }
    }

    fn candidate(&mut self, group: usize) -> Candidate {
        Candidate {
            quota_group: group,
            limits: self.limits[group],
            weight: [1.0, 1.0, 3.0][self.random.usize(..3)],
            not_before_ms: match self.random.u32(..6) {
                0 => self.now_ms + self.random.f64() * 500.0,
                _ => f64::NEG_INFINITY,
            },
            affinity: match self.random.u32(..3) {
                0 => self.random.f64() * 3.0,
                _ => 0.0,
            },
        }
    }

    /// Few, so that most come back; also one that a double does not hold.
    fn claimant(&mut self) -> u64 {
        [1, 2, 3, 4, u64::MAX, u64::MAX - 1][self.random.usize(..6)]
    }

    fn meter(&mut self, about: f64) -> Meter {
        let limit = self.maybe(about).map(|limit| limit + 1.0);
        let remaining = self.maybe(about).filter(|_| self.is_told);
        Meter {
            limit,
            remaining: remaining.map(|left| limit.map_or(left, |limit| left.min(limit))),
            reset: self.maybe(100.0).map(Duration::from_secs_f64),
            stated_window: (self.random.u32(..4) == 0).then(|| self.window()),
        }
    }

    fn window(&mut self) -> Window {
        [Window::Minute, Window::Day][self.random.usize(..2)]
    }

    fn maybe(&mut self, below: f64) -> Option<f64> {
        (self.random.u32(..3) > 0).then(|| (self.random.f64() * below).round())
    }
}

fn limits(random: &mut Rng) -> Limits {
    let mut limit = |most: u32| (random.u32(..3) > 0).then(|| f64::from(random.u32(1..most)));
    Limits {
        requests_per_minute: limit(100),
        tokens_per_minute: limit(90_000),
        requests_per_day: limit(2_000).filter(|limit| *limit > 1_000.0),
        tokens_per_day: limit(2_000_000).filter(|limit| *limit > 1_000_000.0),
    }
}

fn same(said: f64, expected: f64, what: &str) {
    let most = 1e-6 * expected.abs().max(1.0);
    assert!(
        said == expected || (said - expected).abs() <= most,
        "{what}: {said} instead of {expected}"
    );
}

fn same_known(said: Option<f64>, expected: Option<f64>, what: &str) {
    assert_eq!(said.is_some(), expected.is_some(), "{what}");
    same(said.unwrap_or(0.0), expected.unwrap_or(0.0), what);
}

fn same_all(said: &[f64], expected: &[f64], what: &str) {
    assert_eq!(said.len(), expected.len(), "{what}");
    for (said, expected) in said.iter().zip(expected) {
        same(*said, *expected, what);
    }
}

fn same_answer(said: &Answer, expected: &Answer) {
    match (said, expected) {
        (Answer::Booked(said), Answer::Booked(expected)) => same_booking(said, expected),
        (
            Answer::Later {
                ask_again_ms,
                wait_ms,
            },
            Answer::Later {
                ask_again_ms: again,
                wait_ms: wait,
            },
        ) => same_all(&[*ask_again_ms, *wait_ms], &[*again, *wait], "later"),
        (Answer::Never { .. }, Answer::Never { .. }) => assert_eq!(said, expected),
        _ => panic!("{said:?} instead of {expected:?}"),
    }
}

fn same_booking(said: &Booking, expected: &Booking) {
    assert_eq!(
        (said.candidate, said.quota_group, said.because, said.limits),
        (
            expected.candidate,
            expected.quota_group,
            expected.because,
            expected.limits
        )
    );
    same(said.wait_ms, expected.wait_ms, "wait");
    same_known(said.tokens_left, expected.tokens_left, "tokens left");
    same_all(&said.waits_ms, &expected.waits_ms, "waits");
    let (taken, other) = (&said.taken, &expected.taken);
    for (said, expected) in taken.levels.into_iter().zip(other.levels) {
        same_known(said, expected, "level");
    }
    same_all(&taken.corrected, &other.corrected, "corrected");
    let words = |taken: &crate::quota::Taken| {
        [
            taken.cost.requests,
            taken.cost.tokens,
            taken.booked_ms,
            taken.send_ms,
            taken.volume.requests,
            taken.volume.estimated,
            taken.volume.tokens,
            taken.volume.squares,
            taken.near.requests,
            taken.near.tokens,
        ]
    };
    same_all(&words(taken), &words(other), "taken");
}

fn same_standing(said: &Standing, expected: &Standing) {
    same(said.wait_ms, expected.wait_ms, "wait");
    same(said.preference, expected.preference, "preference");
    for (said, expected) in [
        (said.requests_left, expected.requests_left),
        (said.tokens_left, expected.tokens_left),
        (said.requests_limit, expected.requests_limit),
        (said.tokens_limit, expected.tokens_limit),
    ] {
        same_known(said, expected, "standing");
    }
}

#[tokio::test]
async fn random_histories_end_the_same_in_memory_and_in_redis() {
    let server = Server::start(&[]);
    let target = json!({"tcp": {"host": "127.0.0.1", "port": server.port}});
    let connection = Arc::new(connection(&target, PATIENT));
    for seed in 0..HISTORIES {
        // Shown by the test harness where the history fails.
        println!("seed {seed}");
        History::new(seed, &connection).run().await;
    }
}
