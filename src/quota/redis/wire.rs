//! What goes to the script and comes back: doubles, eight bytes each, the lowest first. `NaN` is "not known".
//!
//! `script.lua` has the same layouts in `ask_of`, `settle`, `observe`, `charge`, `book` and `look`. As text the numbers would cost Redis
//! several times the arithmetic, and lose digits.

use std::collections::HashMap;

use super::{batch::Charge, keys::Keys};
use crate::{
    config::Limits,
    headers::{Meter, Window},
    quota::{
        Answer, Ask, Because, Booking, Cost, Metric, Observation, Settlement, Standing,
        lane::Taken, volume::Volume,
    },
    redis::Value,
};

/// What an answer begins with.
pub(super) const BOOKED: u8 = 0;
pub(super) const LATER: u8 = 1;
pub(super) const NEVER: u8 = 2;

/// Words of a booked answer before the waits of its candidates.
const BOOKED_WORDS: usize = 23;

/// A batch as the script takes it.
#[derive(Debug, Default)]
pub(super) struct Request {
    /// The line, then the lanes.
    pub(super) keys: Vec<String>,
    /// The time in ms, or nothing for the server's own.
    pub(super) clock: String,
    /// Four words for each lane.
    pub(super) limits: Vec<u8>,
    /// The operations.
    pub(super) operations: Vec<Vec<u8>>,
}

/// Packs the operations of one model group.
#[derive(Debug)]
pub(super) struct Packer<'a> {
    keys: &'a Keys,
    model_group: &'a str,
    /// The place of each quota group's lane in the batch.
    places: HashMap<usize, usize>,
    limits: Vec<Limits>,
    request: Request,
}

impl<'a> Packer<'a> {
    pub(super) fn new(keys: &'a Keys, model_group: &'a str, clock: String) -> Self {
        Packer {
            keys,
            model_group,
            places: HashMap::new(),
            limits: Vec::new(),
            request: Request {
                keys: vec![keys.line(model_group)],
                clock,
                ..Request::default()
            },
        }
    }

    /// An ask, whose claim stands on the lane of `claimed`. Its candidates' moments are relative to now.
    pub(super) fn book(&mut self, ask: &Ask, claimed: Option<usize>) {
        self.ask(b'b', ask, claimed);
    }

    pub(super) fn look(&mut self, ask: &Ask) {
        self.ask(b'l', ask, None);
    }

    fn ask(&mut self, kind: u8, ask: &Ask, claimed: Option<usize>) {
        let claim_place = claimed.map_or(-1.0, |group| self.place(group, None));
        let mut words = Words::of(kind);
        words.number(claim_place);
        words.claimant(ask.claimant);
        words.numbers(&[
            ask.cost.requests,
            ask.cost.tokens,
            f64::from(u8::from(ask.force)),
            f64::from(ask.urgency),
            ask.due_in_ms,
            ask.patience_ms,
            ask.cache_worth_ms,
            ask.candidates.len() as f64,
        ]);
        for candidate in &ask.candidates {
            words.numbers(&[
                self.place(candidate.quota_group, Some(candidate.limits)),
                candidate.weight,
                candidate.not_before_ms,
                candidate.affinity,
            ]);
        }
        self.request.operations.push(words.0);
    }

    pub(super) fn settle(&mut self, settlement: &Settlement) {
        let booking = &settlement.booking;
        // Its limits are those of its ask, which can have changed since.
        let place = self.place(booking.quota_group, None);
        let taken = &booking.taken;
        let mut words = Words::of(b's');
        words.numbers(&[
            place,
            taken.cost.requests,
            taken.cost.tokens,
            taken.booked_ms,
            taken.send_ms,
        ]);
        words.numbers(&taken.levels.map(or_unknown));
        words.numbers(&taken.corrected);
        words.numbers(&[
            taken.volume.requests,
            taken.volume.estimated,
            taken.volume.tokens,
            taken.volume.squares,
            taken.near.requests,
            taken.near.tokens,
            f64::from(u8::from(settlement.refused)),
            f64::from(settlement.unspent as u8),
        ]);
        words.meter(&settlement.reading.requests);
        words.meter(&settlement.reading.tokens);
        let hit = settlement.limit_hit;
        words.numbers(&[
            hit.map_or(f64::NAN, |hit| {
                f64::from(Metric::of(hit.tokens, hit.window) as u8)
            }),
            or_unknown(hit.map(|hit| hit.limit)),
            or_unknown(settlement.block_ms),
        ]);
        self.request.operations.push(words.0);
    }

    pub(super) fn observe(&mut self, observation: &Observation) {
        let candidate = &observation.candidate;
        let mut words = Words::of(b'o');
        words.numbers(&[
            self.place(candidate.quota_group, Some(candidate.limits)),
            observation.used.requests,
            observation.used.tokens,
            or_unknown(observation.requests_left),
            or_unknown(observation.tokens_left),
        ]);
        self.request.operations.push(words.0);
    }

    /// A charge with its number among those of a process.
    pub(super) fn charge(&mut self, charge: &Charge, number: u64, process: &str) {
        let mut words = Words::of(b'c');
        words.numbers(&[
            self.place(charge.quota_group, Some(charge.limits)),
            number as f64,
            charge.alone_ms,
            or_unknown(charge.block_ms),
        ]);
        words.numbers(&charge.used);
        words.numbers(&charge.most_left.map(or_unknown));
        words.0.extend(process.as_bytes());
        self.request.operations.push(words.0);
    }

    /// Asks how many processes use these lanes, and says that this one does.
    pub(super) fn count_processes(&mut self, process: &str) {
        let mut words = Words::of(b'p');
        words.0.extend(process.as_bytes());
        self.request.operations.push(words.0);
    }

    pub(super) fn withdraw(&mut self, claimed: usize, claimant: u64) {
        let mut words = Words::of(b'w');
        words.number(self.place(claimed, None));
        words.claimant(claimant);
        self.request.operations.push(words.0);
    }

    pub(super) fn finish(mut self) -> Request {
        for limits in &self.limits {
            let limits = Metric::ALL.map(|metric| or_unknown(metric.configured(limits)));
            let bytes = limits.into_iter().flat_map(f64::to_le_bytes);
            self.request.limits.extend(bytes);
        }
        self.request
    }

    /// The place of a lane among the batch's; its limits are those that were named last.
    fn place(&mut self, quota_group: usize, limits: Option<Limits>) -> f64 {
        let next = self.limits.len();
        let place = *self.places.entry(quota_group).or_insert(next);
        if place == next {
            self.limits.push(Limits::default());
            let key = self.keys.lane(self.model_group, quota_group);
            self.request.keys.push(key);
        }
        if let Some(limits) = limits {
            self.limits[place] = limits;
        }
        place as f64
    }
}

/// One operation: a letter, then its words.
struct Words(Vec<u8>);

impl Words {
    fn of(kind: u8) -> Self {
        Words(vec![kind])
    }

    fn number(&mut self, number: f64) {
        self.0.extend(number.to_le_bytes());
    }

    fn numbers(&mut self, numbers: &[f64]) {
        self.0
            .extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    }

    /// Sixteen digits, as it stands in the name of its claim: a double does not hold every number.
    fn claimant(&mut self, claimant: u64) {
        self.0.extend(format!("{claimant:016x}").into_bytes());
    }

    fn meter(&mut self, meter: &Meter) {
        self.numbers(&[
            or_unknown(meter.limit),
            or_unknown(meter.remaining),
            match meter.window() {
                Window::Minute => 0.0,
                Window::Day => 1.0,
            },
        ]);
    }
}

fn or_unknown(number: Option<f64>) -> f64 {
    number.unwrap_or(f64::NAN)
}

fn known(number: f64) -> Option<f64> {
    (!number.is_nan()).then_some(number)
}

/// The answers of a batch, as words.
pub(super) fn answers(value: &Value) -> Option<Vec<Vec<f64>>> {
    let Value::Array(answers) = value else {
        return None;
    };
    answers.iter().map(words).collect()
}

fn words(value: &Value) -> Option<Vec<f64>> {
    let Value::BulkString(bytes) = value else {
        return None;
    };
    let words = bytes.chunks_exact(8).map(|word| {
        let word: [u8; 8] = word.try_into().ok()?;
        Some(f64::from_le_bytes(word))
    });
    words.collect()
}

/// What was said to an ask, and the quota group on whose lane a claim was entered; `None` where it makes no sense.
pub(super) fn booked(ask: &Ask, words: &[f64]) -> Option<(Answer, Option<usize>)> {
    let (kind, words) = words.split_first()?;
    match (*kind as u8, words) {
        (BOOKED, words) => Some((Answer::Booked(booking(ask, words)?), None)),
        (LATER, &[ask_again_ms, wait_ms, candidate]) => {
            let claimed = ask.candidates.get(candidate as usize)?.quota_group;
            let answer = Answer::Later {
                ask_again_ms,
                wait_ms,
            };
            Some((answer, Some(claimed)))
        }
        (NEVER, &[metric, limit]) => {
            let metric = *Metric::ALL.get(metric as usize)?;
            Some((Answer::Never { metric, limit }, None))
        }
        _ => None,
    }
}

fn booking(ask: &Ask, words: &[f64]) -> Option<Booking> {
    // The first word has been read.
    let (words, waits_ms) = words.split_at_checked(BOOKED_WORDS - 1)?;
    let words: &[f64; BOOKED_WORDS - 1] = words.try_into().ok()?;
    let [index, wait_ms, because, tokens_left, ..] = *words;
    let index = index as usize;
    let candidate = ask.candidates.get(index)?;
    let [requests, tokens, booked_ms, send_ms] = four(words, 4);
    let levels = four(words, 8).map(known);
    let corrected = four(words, 12);
    let [all_requests, estimated, all_tokens, squares] = four(words, 16);
    let taken = Taken {
        cost: Cost { requests, tokens },
        booked_ms,
        send_ms,
        levels,
        corrected,
        volume: Volume {
            requests: all_requests,
            estimated,
            tokens: all_tokens,
            squares,
        },
        near: Cost {
            requests: words[20],
            tokens: words[21],
        },
    };
    Some(Booking {
        candidate: index,
        model_group: ask.model_group.clone(),
        quota_group: candidate.quota_group,
        limits: candidate.limits,
        taken,
        wait_ms,
        alone: None,
        tokens_left: known(tokens_left),
        because: because_of(because)?,
        waits_ms: waits_ms.to_vec(),
    })
}

fn four(words: &[f64; BOOKED_WORDS - 1], at: usize) -> [f64; 4] {
    std::array::from_fn(|index| words[at + index])
}

/// The reason of this number, which is its place among all.
fn because_of(word: f64) -> Option<Because> {
    const ALL: [Because; 6] = [
        Because::Only,
        Because::Earliest,
        Because::MostRoom,
        Because::Cache,
        Because::Spilled,
        Because::Forced,
    ];
    ALL.get(word as usize).copied()
}

/// How the candidates stand.
pub(super) fn standings(words: &[f64]) -> Vec<Standing> {
    let standings = words.chunks_exact(6).map(|words| Standing {
        wait_ms: words[0],
        preference: words[1],
        requests_left: known(words[2]),
        tokens_left: known(words[3]),
        requests_limit: known(words[4]),
        tokens_limit: known(words[5]),
    });
    standings.collect()
}
