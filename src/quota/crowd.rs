//! How much was sent close together.
//!
//! Requests that are sent within [`OVERTAKING_MS`] of each other reach OpenAI in any order. So what a reading says is left may
//! lack requests that were booked before, and may have lost some that were booked later: by about as much as the crowd
//! around it. A reading out of a large crowd is hardly worth believing; one of a request that was sent alone is exact.
//!
//! `redis/script.lua` does the same in Redis; change both.

use super::Cost;

/// Requests that are sent within this time may overtake each other on the way, in milliseconds.
pub(super) const OVERTAKING_MS: f64 = 50.0;

/// Those who were sent this long before the densest moment count as in the midst of it, in milliseconds: when they were booked
/// nobody knew who would follow.
pub(super) const BEFORE_PEAK_MS: f64 = 2.0 * OVERTAKING_MS;

/// How fast the densest moment is forgotten, in milliseconds: about as long as answers to its requests come in.
pub(super) const PEAK_MEMORY_MS: f64 = 10_000.0;

/// What was sent close before a moment.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Crowd {
    now: Density,
    peak: Density,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Density {
    near: Cost,
    at_ms: f64,
}

impl Default for Density {
    fn default() -> Self {
        Density {
            near: Cost::NOTHING,
            at_ms: 0.0,
        }
    }
}

impl Density {
    fn faded(self, at_ms: f64, memory_ms: f64) -> Cost {
        let fading = (-(at_ms - self.at_ms).max(0.0) / memory_ms).exp();
        Cost {
            requests: self.near.requests * fading,
            tokens: self.near.tokens * fading,
        }
    }
}

impl Crowd {
    /// Somebody will be sent at a moment; returns what is sent close before.
    pub(super) fn join(&mut self, cost: Cost, send_ms: f64) -> Cost {
        let near = self.now.faded(send_ms, OVERTAKING_MS);
        self.now = Density {
            near: Cost {
                requests: near.requests + cost.requests,
                tokens: near.tokens + cost.tokens,
            },
            at_ms: self.now.at_ms.max(send_ms),
        };
        if near.tokens >= self.peak.faded(send_ms, PEAK_MEMORY_MS).tokens {
            self.peak = Density {
                near,
                at_ms: send_ms,
            };
        }
        near
    }

    /// What is known by now to be sent close to one that was sent at a moment, with `near` close before it.
    pub(super) fn around(&self, near: Cost, send_ms: f64) -> Cost {
        let before_peak_ms = self.peak.at_ms - send_ms;
        if !(0.0..=BEFORE_PEAK_MS).contains(&before_peak_ms) {
            return near;
        }
        Cost {
            requests: near.requests.max(self.peak.near.requests),
            tokens: near.tokens.max(self.peak.near.tokens),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Cost = Cost {
        requests: 1.0,
        tokens: 100.0,
    };

    #[test]
    fn one_who_is_sent_alone_has_nobody_near() {
        let mut crowd = Crowd::default();
        for second in 0..10 {
            let at_ms = f64::from(second) * 1_000.0;
            let near = crowd.join(ONE, at_ms);
            assert!(crowd.around(near, at_ms).tokens < 1e-3);
        }
    }

    #[test]
    fn all_of_a_crowd_are_in_the_midst_of_it() {
        let mut crowd = Crowd::default();
        let near: Vec<Cost> = (0..100).map(|_| crowd.join(ONE, 0.0)).collect();
        assert_eq!(near[0], Cost::NOTHING);
        for near in near {
            assert_eq!(crowd.around(near, 0.0).requests, 99.0);
        }
        let later = crowd.join(ONE, 1_000.0);
        assert!(crowd.around(later, 1_000.0).requests < 1e-3);
    }
}
