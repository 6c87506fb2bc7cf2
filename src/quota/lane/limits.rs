//! The limits of a lane: the user's, and those that answers tell.
//!
//! A configured limit stays unless the server's is smaller. Every ask brings the configured ones along, so that one which was changed
//! counts from the next ask on, in whatever process the change was made.
//!
//! `redis/script.lua` does the same in Redis; change both.

use super::{Bucket, Lane};
use crate::{config::Limits, headers::Reading, quota::metric::Metric};

impl Lane {
    /// Follows configured limits that are not those of before. What is not named stays as it is known, and what is left stays as far
    /// as the bucket holds it.
    pub fn configure(&mut self, limits: &Limits, now_ms: f64) {
        for metric in Metric::ALL {
            let index = metric as usize;
            let Some(limit) = metric.configured(limits) else {
                continue;
            };
            let before = self.configured[index].replace(limit);
            if before == Some(limit) {
                continue;
            }
            let Some(bucket) = &mut self.buckets[index] else {
                self.buckets[index] = Some(Bucket::full(limit, metric.window_ms(), now_ms));
                continue;
            };
            // A capacity below what was configured is the server's own limit; any other is the user's, and says nothing of it.
            let told = bucket.known_capacity();
            let told = told.filter(|told| before.is_none_or(|before| *told < before));
            bucket.set_capacity(told.map_or(limit, |told| told.min(limit)), now_ms);
        }
    }

    /// Learns limits from a response's headers.
    pub(super) fn learn_limits(&mut self, reading: &Reading, now_ms: f64) {
        for (tokens, meter) in [(false, reading.requests), (true, reading.tokens)] {
            if let Some(limit) = meter.limit {
                let metric = Metric::of(tokens, meter.window());
                self.learn_limit(metric, limit, meter.remaining, now_ms);
            }
        }
    }

    pub(super) fn learn_limit(
        &mut self,
        metric: Metric,
        limit: f64,
        remaining: Option<f64>,
        now_ms: f64,
    ) {
        let limit =
            self.configured[metric as usize].map_or(limit, |configured| configured.min(limit));
        match &mut self.buckets[metric as usize] {
            Some(bucket) if bucket.known_capacity() == Some(limit) => {}
            Some(bucket) => bucket.set_capacity(limit, now_ms),
            none => {
                let mut bucket = Bucket::full(limit, metric.window_ms(), now_ms);
                if let Some(remaining) = remaining {
                    bucket.set_level(remaining, now_ms);
                }
                *none = Some(bucket);
            }
        }
    }
}
