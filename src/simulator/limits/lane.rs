//! The limiter of one lane (quota group × model group): up to four buckets and the decision to admit.

use std::num::NonZeroU64;

use super::bucket::{Bucket, Reading};

/// What a limit counts, and over which window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// RPM.
    RequestsPerMinute,
    /// RPD.
    RequestsPerDay,
    /// TPM.
    TokensPerMinute,
    /// TPD.
    TokensPerDay,
}

impl Metric {
    /// All metrics, in the order of a lane's buckets.
    pub const ALL: [Metric; 4] = [
        Metric::RequestsPerMinute,
        Metric::RequestsPerDay,
        Metric::TokensPerMinute,
        Metric::TokensPerDay,
    ];

    /// Length of the window in milliseconds.
    pub fn window_ms(self) -> f64 {
        match self {
            Metric::RequestsPerMinute | Metric::TokensPerMinute => 60_000.0,
            Metric::RequestsPerDay | Metric::TokensPerDay => 86_400_000.0,
        }
    }

    /// The error type of a 429 on this metric: `requests` or `tokens`.
    pub fn unit(self) -> &'static str {
        match self {
            Metric::RequestsPerMinute | Metric::RequestsPerDay => "requests",
            Metric::TokensPerMinute | Metric::TokensPerDay => "tokens",
        }
    }

    /// The metric's name in a 429 text.
    pub fn phrase(self) -> &'static str {
        match self {
            Metric::RequestsPerMinute => "requests per min (RPM)",
            Metric::RequestsPerDay => "requests per day (RPD)",
            Metric::TokensPerMinute => "tokens per min (TPM)",
            Metric::TokensPerDay => "tokens per day (TPD)",
        }
    }
}

/// The limits of one lane. A metric without a number is not limited, and its headers are not sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests per minute.
    pub requests_per_minute: Option<NonZeroU64>,
    /// Requests per day.
    pub requests_per_day: Option<NonZeroU64>,
    /// Tokens per minute.
    pub tokens_per_minute: Option<NonZeroU64>,
    /// Tokens per day.
    pub tokens_per_day: Option<NonZeroU64>,
}

impl Limits {
    fn of(&self, metric: Metric) -> Option<NonZeroU64> {
        match metric {
            Metric::RequestsPerMinute => self.requests_per_minute,
            Metric::RequestsPerDay => self.requests_per_day,
            Metric::TokensPerMinute => self.tokens_per_minute,
            Metric::TokensPerDay => self.tokens_per_day,
        }
    }
}

/// What the rate-limit headers of one response say.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Readings {
    /// `x-ratelimit-*-requests`.
    pub requests: Option<Reading>,
    /// `x-ratelimit-*-tokens`.
    pub tokens: Option<Reading>,
}

/// Why a request was not admitted, in the numbers of OpenAI's 429 text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Refusal {
    /// The limit that had no room.
    pub metric: Metric,
    /// Its size.
    pub limit: u64,
    /// What was used of it, rounded up.
    pub used: u64,
    /// What the request asked of it.
    pub requested: u64,
    /// Milliseconds until the request would fit; `None` if it is larger than the limit and never fits.
    pub wait_ms: Option<f64>,
    /// What the headers of the 429 say.
    pub readings: Readings,
}

/// The limits of one quota group for one model group, and what has been taken from them.
#[derive(Debug, Clone)]
pub struct Lane {
    /// In the order of [`Metric::ALL`].
    buckets: [Option<Bucket>; 4],
    /// When the lane was made, full: the start of its account of what it could have admitted.
    since: f64,
}

/// Positions of the request and the token buckets in [`Metric::ALL`].
const REQUESTS: std::ops::Range<usize> = 0..2;
const TOKENS: std::ops::Range<usize> = 2..4;

impl Lane {
    /// A lane whose buckets are full at the moment `now` (milliseconds of any clock that `admit` also uses).
    pub fn new(limits: &Limits, now: f64) -> Lane {
        let buckets = Metric::ALL.map(|metric| {
            limits
                .of(metric)
                .map(|limit| Bucket::full(limit, metric.window_ms(), now))
        });
        Lane {
            buckets,
            since: now,
        }
    }

    /// Admits one request that is charged `tokens`, or says why not.
    ///
    /// A refusal for requests takes nothing. A refusal for tokens still takes one request, as a recorded 429 on TPM
    /// showed. Of two limits without room the one with the longer wait is named.
    pub fn admit(&mut self, tokens: u64, now: f64) -> Result<Readings, Refusal> {
        for bucket in self.buckets.iter_mut().flatten() {
            bucket.refill(now);
        }
        if let Some(refusal) = self.shortfall(REQUESTS, 1) {
            return Err(refusal);
        }
        let refusal = self.shortfall(TOKENS, tokens);
        self.take(REQUESTS, 1);
        match refusal {
            Some(refusal) => Err(Refusal {
                readings: self.readings(),
                ..refusal
            }),
            None => {
                self.take(TOKENS, tokens);
                Ok(self.readings())
            }
        }
    }

    /// All tokens that the lane could have admitted from its start until `now`: its tightest token limit's capacity
    /// and refill. `None` if tokens are not limited.
    pub fn capacity_tokens(&self, now: f64) -> Option<u64> {
        self.capacity(TOKENS, now)
    }

    /// The same for requests.
    pub fn capacity_requests(&self, now: f64) -> Option<u64> {
        self.capacity(REQUESTS, now)
    }

    fn capacity(&self, range: std::ops::Range<usize>, now: f64) -> Option<u64> {
        self.buckets[range]
            .iter()
            .flatten()
            .map(|bucket| bucket.offered(self.since, now))
            .min_by(f64::total_cmp)
            .map(|offered| offered as u64)
    }

    fn shortfall(&self, range: std::ops::Range<usize>, amount: u64) -> Option<Refusal> {
        range
            .filter_map(|position| {
                let bucket = self.buckets[position].as_ref()?;
                let metric = Metric::ALL[position];
                (!bucket.holds(amount)).then(|| Refusal {
                    metric,
                    limit: bucket.limit(),
                    used: bucket.used(),
                    requested: amount,
                    wait_ms: (amount <= bucket.limit()).then(|| bucket.stated_wait_ms(amount)),
                    readings: self.readings(),
                })
            })
            .max_by(|left, right| wait_or_never(left).total_cmp(&wait_or_never(right)))
    }

    fn take(&mut self, range: std::ops::Range<usize>, amount: u64) {
        for bucket in self.buckets[range].iter_mut().flatten() {
            bucket.take(amount);
        }
    }

    fn readings(&self) -> Readings {
        Readings {
            requests: self.tightest(REQUESTS),
            tokens: self.tightest(TOKENS),
        }
    }

    /// The headers speak of one limit a unit. Where a minute's and a day's limit both hold, recordings show the one
    /// with the lower rate (10,000 a day, not 500 a minute), whatever is left of either.
    fn tightest(&self, range: std::ops::Range<usize>) -> Option<Reading> {
        self.buckets[range]
            .iter()
            .flatten()
            .min_by(|left, right| left.rate().total_cmp(&right.rate()))
            .map(Bucket::reading)
    }
}

fn wait_or_never(refusal: &Refusal) -> f64 {
    refusal.wait_ms.unwrap_or(f64::INFINITY)
}
