//! The quota engine: what every account has left, and who may send when.
//!
//! A *lane* is where OpenAI counts: one quota group (organization or project) and one model group. Each lane has up to four
//! [*buckets*](bucket::Bucket). A request *books* its cost before it is sent: [`choose`] finds, over all candidate lanes, the earliest
//! moment at which every bucket holds the cost, and takes the room at once if that moment is near (the horizon). The caller
//! then sleeps until its moment. Whoever must wait longer leaves a [claim](claims) and comes back. No polling, no herd.
//!
//! A booking is *settled* when the answer is there: what its headers say is left corrects the books, what OpenAI did not
//! count flows back, and what the answer taught (limits, the charge of an estimated token, a block) is kept.
//!
//! The state lives in a [`Store`]: [in memory](MemoryStore), or [shared](SharedStore) by all processes of a pool: [in
//! Redis](redis::RedisStore), and while that is away in a share of each process. Redis does the arithmetic itself, in `redis/script.lua`: whoever changes it here changes it there, and a test compares both. Here the
//! arithmetic in [`bucket`] and [`lane`] is pure, with the time as an argument in milliseconds on the store's clock.

pub mod bucket;
mod choose;
mod claims;
mod crowd;
mod groups;
pub mod lane;
mod learned;
mod memory;
mod metric;
pub mod redis;
mod shared;
mod volume;

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

pub use self::{
    choose::HORIZON_MS,
    claims::Turn,
    groups::QuotaGroups,
    lane::Taken,
    memory::MemoryStore,
    metric::Metric,
    shared::{Alone, SharedStore},
};
use crate::{
    attempt::Because, config::Limits, error::Result, headers::Reading, outcome::LimitHit,
    warning::Warning,
};

/// What a request takes from a lane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// HTTP requests: 1, or 0 for nothing.
    pub requests: f64,
    /// Tokens as OpenAI charges them at admission, as far as we can tell before a lane has learned more.
    pub tokens: f64,
}

impl Cost {
    /// No room at all.
    pub const NOTHING: Cost = Cost {
        requests: 0.0,
        tokens: 0.0,
    };
}

/// What OpenAI has not counted of a request, where its answer does not say what is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unspent {
    /// It never got there, or was turned away at the door.
    All,
    /// A refusal for tokens has used up a request.
    Tokens,
    /// It counts, also if it failed later.
    Nothing,
}

impl Unspent {
    fn of(self, cost: Cost) -> Cost {
        match self {
            Unspent::All => cost,
            Unspent::Tokens => Cost {
                requests: 0.0,
                ..cost
            },
            Unspent::Nothing => Cost::NOTHING,
        }
    }
}

/// A lane that could take a request, by one of its accounts.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The quota group's number among the pool's ([`QuotaGroups`]).
    pub quota_group: usize,
    /// The limits that the user configured.
    pub limits: Limits,
    /// The account's share among equals.
    pub weight: f64,
    /// The account itself may not be used before this moment (its breaker, a backoff).
    pub not_before_ms: f64,
    /// How near the prompt's cache is to this quota group, before limits and weights: `1 / -ln(u)` with a `u` between 0 and 1
    /// that depends on the prompt's prefix and the group alone. 0 for all candidates where no cache is expected.
    pub affinity: f64,
}

/// A question for room.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// The lanes' model group.
    pub model_group: Arc<str>,
    /// What to take.
    pub cost: Cost,
    /// Who could take it.
    pub candidates: Vec<Candidate>,
    /// Take the room now on the best lane, even where there is none.
    pub force: bool,
    /// Who asks: the same number when it asks again, no other caller's of any process.
    pub claimant: u64,
    /// Higher goes first among those who were told to come back.
    pub urgency: i32,
    /// Milliseconds until the moment by which it named to be served; the earlier goes first among the equally urgent.
    /// Infinite where it named none.
    pub due_in_ms: f64,
    /// The longest time that it may wait, in milliseconds: no choice makes it wait longer where another would not.
    pub patience_ms: f64,
    /// How much later than elsewhere it may start for the sake of its prompt's cache, in milliseconds.
    pub cache_worth_ms: f64,
}

/// What the store says to an [`Ask`].
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant)] // Lives for one match; a box would cost an allocation a request.
pub enum Answer {
    /// The room is taken; send after `wait_ms`.
    Booked(Booking),
    /// Nothing is taken; ask again after this time. Until then nobody who came later is let before.
    Later {
        /// Milliseconds until the earliest lane comes within the horizon.
        ask_again_ms: f64,
        /// Milliseconds until the request could be sent.
        wait_ms: f64,
    },
    /// The cost exceeds every lane's limit.
    Never {
        /// The largest of the limits that it exceeds, and what that counts.
        metric: Metric,
        /// The limit itself.
        limit: f64,
    },
}

/// Room taken from a lane.
#[derive(Debug, Clone, PartialEq)]
pub struct Booking {
    /// Index among the ask's candidates.
    pub candidate: usize,
    /// The lane's model group.
    pub model_group: Arc<str>,
    /// The lane's quota group.
    pub quota_group: usize,
    /// The lane's configured limits.
    pub limits: Limits,
    /// What was taken, and what the books said then.
    pub taken: Taken,
    /// Milliseconds from the answer until it may be sent.
    pub wait_ms: f64,
    /// Tokens left per minute at the moment of sending; `None` where no limit is known.
    pub tokens_left: Option<f64>,
    /// Why this lane.
    pub because: Because,
    /// Where it was made without the store that is shared, as that was away.
    pub alone: Option<Alone>,
    /// Milliseconds until each of the ask's candidates could have started; infinite where it cannot take the request, or
    /// waits for its first answer.
    pub waits_ms: Vec<f64>,
}

/// The end of a booking.
#[derive(Debug, Clone, PartialEq)]
pub struct Settlement {
    /// Which booking.
    pub booking: Booking,
    /// Whether the limiter refused it.
    pub refused: bool,
    /// What OpenAI has not counted of it, where the reading does not say what is left.
    pub unspent: Unspent,
    /// What the response's headers said.
    pub reading: Reading,
    /// The limit that a 429 named.
    pub limit_hit: Option<LimitHit>,
    /// Nothing may be sent on the lane for this time.
    pub block_ms: Option<f64>,
}

impl Settlement {
    /// The end of a booking that was never sent.
    pub fn unsent(booking: Booking) -> Self {
        Settlement {
            booking,
            refused: false,
            unspent: Unspent::All,
            reading: Reading::default(),
            limit_hit: None,
            block_ms: None,
        }
    }
}

/// What a caller learned about a lane by a request of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// The lane's model group.
    pub model_group: Arc<str>,
    /// The lane, with its configured limits.
    pub candidate: Candidate,
    /// What the request used.
    pub used: Cost,
    /// What its response said is left.
    pub requests_left: Option<f64>,
    /// What its response said is left.
    pub tokens_left: Option<f64>,
}

/// How a lane stands, without taking anything.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// Milliseconds until the asked cost fits; infinite if it never does.
    pub wait_ms: f64,
    /// Rank among lanes of equal wait: higher is better.
    pub preference: f64,
    /// Left per minute, `None` where no limit is known.
    pub requests_left: Option<f64>,
    /// Left per minute, `None` where no limit is known.
    pub tokens_left: Option<f64>,
    /// The limit per minute, where it is known.
    pub requests_limit: Option<f64>,
    /// The limit per minute, where it is known.
    pub tokens_limit: Option<f64>,
}

/// How a store is shared with other processes.
#[derive(Debug, Clone, PartialEq)]
pub struct Sharing {
    /// Where it is: no user, no password.
    pub server: String,
    /// How many processes use the lanes of the model group, as far as is known, this one included.
    pub processes: f64,
    /// For how long this process has done without it, and why.
    pub away: Option<(Duration, String)>,
}

/// A boxed future, so that stores can stand behind one pointer.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where the lanes live.
///
/// A store guarantees that `book` is one step: of any number of concurrent callers, no two are given the same room.
/// `withdraw`, `settle` and `observe` return at once; what they say takes effect in order.
pub trait Store: Send + Sync + fmt::Debug {
    /// Chooses the lane and takes the room.
    fn book<'a>(&'a self, ask: &'a Ask, now_ms: f64) -> Pending<'a, Result<Answer>>;
    /// Forgets the claim of one who will not ask again.
    fn withdraw(&self, model_group: &str, claimant: u64);
    /// Closes a booking.
    fn settle(&self, settlement: Settlement, now_ms: f64);
    /// Takes over what a caller learned elsewhere.
    fn observe(&self, observation: Observation, now_ms: f64);
    /// How each candidate of an ask stands.
    fn look<'a>(&'a self, ask: &'a Ask, now_ms: f64) -> Pending<'a, Result<Vec<Standing>>>;
    /// How the lanes of a model group are shared with other processes, if they are.
    fn sharing(&self, model_group: &Arc<str>) -> Option<Sharing>;
    /// Takes what a user should know and nobody has heard yet.
    fn take_warnings(&self) -> Vec<Warning>;
    /// Returns when all that was said has taken effect, or has failed to.
    fn carried(&self) -> Pending<'_, ()>;
}
