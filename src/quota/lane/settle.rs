//! The end of a booking: what its answer says is left corrects the books.
//!
//! What a response says is left was true when OpenAI admitted the request, perhaps a minute ago. So a booking remembers what the
//! books said then: the level after it, projected to the moment of sending, and the sum of corrections so far. At the
//! settlement
//!
//! ```text
//! error = remaining − predicted − (corrections now − corrections then)
//! ```
//!
//! and the level and the sum move by a part of it. The reading of the latest request tells of all that were sent before it,
//! answered or not; so a late answer to an earlier one has nothing to add and is passed over, and order makes no difference.
//! How large the part is depends on the crowd that the request was sent in, where places may have changed on the wire.
//!
//! `redis/script.lua` does the same in Redis; change both.

use super::{End, Lane, REQUESTS, TOKENS, Taken};
use crate::{
    headers::{Meter, Reading},
    quota::{Unspent, learned::Learned, metric::Metric},
};

/// The part of an error that is applied, besides trust. Less room than booked is believed at once, more by and by: the former
/// costs a moment when it is wrong, the latter a 429.
pub(in crate::quota) const GAIN_DOWN: f64 = 1.0;
pub(in crate::quota) const GAIN_UP: f64 = 0.3;

/// A reading that is believed less than this confirms nothing: the next one must tell what it could not.
pub(in crate::quota) const CONFIRMING_TRUST: f64 = 0.5;

impl Lane {
    /// Closes a booking with what its attempt's end taught.
    pub fn settle(&mut self, taken: &Taken, end: &End<'_>, now_ms: f64) {
        self.unsettled = self.unsettled.saturating_sub(1);
        // What never got there is no answer.
        if end.unspent != Unspent::All {
            self.answers = self.answers.saturating_add(1);
        }
        self.tokens_are_told |= end.reading.tokens.remaining.is_some();
        self.learn_limits(end.reading, now_ms);
        if let Some(hit) = end.limit_hit {
            let metric = Metric::of(hit.tokens, hit.window);
            self.learn_limit(metric, hit.limit, None, now_ms);
        }
        for metric in Metric::ALL {
            match told(end.reading, metric) {
                Some(told) => self.correct(metric, taken, told, end.refused, now_ms),
                None => self.give_back(metric, taken, end.unspent, now_ms),
            }
        }
    }

    /// What OpenAI has not counted flows back, where it was taken.
    fn give_back(&mut self, metric: Metric, taken: &Taken, unspent: Unspent, now_ms: f64) {
        let index = metric as usize;
        if let (Some(bucket), Some(_)) = (&mut self.buckets[index], taken.levels[index]) {
            bucket.give_back(metric.amount(unspent.of(taken.cost)), now_ms);
        }
    }

    /// Moves a bucket by a part of what a reading says it is wrong by.
    fn correct(&mut self, metric: Metric, taken: &Taken, told: Told, refused: bool, now_ms: f64) {
        let index = metric as usize;
        let unit = if metric.counts_tokens() {
            TOKENS
        } else {
            REQUESTS
        };
        let confirmed = self.confirmed[unit];
        let (Some(bucket), Some(level)) = (&mut self.buckets[index], taken.levels[index]) else {
            return;
        };
        if confirmed.is_after(taken.send_ms, taken.volume) {
            return;
        }
        let refill = bucket.per_ms() * (taken.send_ms - taken.booked_ms);
        let predicted = (level + refill).min(bucket.capacity());
        let corrected_since = self.corrected[index] - taken.corrected[index];
        let error = told.remaining - predicted - corrected_since;
        // What is left of a larger limit than the user allows is not the user's to use.
        let error = match told.limit.is_some_and(|limit| limit > bucket.capacity()) {
            true => error.min(0.0),
            false => error,
        };

        let between = confirmed.until(taken.volume, taken.cost);
        let crowd = metric.amount(self.crowd.around(taken.near, taken.send_ms));
        let trust = match (refused, unit) {
            // After a refusal the server's number is the better one.
            (true, _) => 1.0,
            (false, TOKENS) => self.learned.trust_in_tokens(between, crowd),
            (false, _) => Learned::trust_in_requests(between, crowd),
        };
        let gain = match (refused, error < 0.0) {
            (true, _) => 1.0,
            (false, true) => GAIN_DOWN * trust,
            (false, false) => GAIN_UP * trust,
        };
        let step = error * gain;
        bucket.set_level(bucket.level(now_ms) + step, now_ms);
        self.corrected[index] += step;
        if trust >= CONFIRMING_TRUST {
            self.confirmed[unit].move_to(taken.send_ms, taken.volume);
        }
        if self.teaches(metric) {
            let own = taken.cost.tokens;
            // A refused request was not charged, and it lacked some room.
            let deviation = match refused {
                true => (error - own).abs().max(own),
                false => error,
            };
            self.learned.erred(deviation, between, crowd);
            // The error after a refusal is mostly somebody else's use, and says nothing about what a token costs.
            if !refused {
                self.learned.corrected(step, between, now_ms);
                if trust >= CONFIRMING_TRUST {
                    self.learned.confirmed(between, now_ms);
                }
            }
        }
    }

    /// Whether charges are learned from this metric: from tokens per minute, where they are limited.
    fn teaches(&self, metric: Metric) -> bool {
        match metric {
            Metric::TokensPerMinute => true,
            Metric::TokensPerDay => self.buckets[Metric::TokensPerMinute as usize].is_none(),
            Metric::RequestsPerMinute | Metric::RequestsPerDay => false,
        }
    }
}

/// What a reading says of a metric.
#[derive(Debug, Clone, Copy)]
struct Told {
    remaining: f64,
    limit: Option<f64>,
}

fn told(reading: &Reading, metric: Metric) -> Option<Told> {
    let meter: &Meter = if metric.counts_tokens() {
        &reading.tokens
    } else {
        &reading.requests
    };
    let told_of = Metric::of(metric.counts_tokens(), meter.window());
    let remaining = meter.remaining.filter(|_| told_of == metric)?;
    Some(Told {
        remaining,
        limit: meter.limit,
    })
}
