//! How a quantity varies from request to request.

use fastrand::Rng;
use serde_json::Value;

use super::SettingsError;
use super::fields::{Fields, mismatch, number};

/// Longest time that settings may name, in milliseconds: one hour.
pub(super) const LONGEST_MS: f64 = 3_600_000.0;

/// Seconds-scale times as users describe them, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Latency {
    /// A number: always the same.
    Fixed(f64),
    /// `{ min, max }`: every value between them is as likely.
    Uniform {
        /// Smallest, in milliseconds.
        min: f64,
        /// Largest, in milliseconds.
        max: f64,
    },
    /// `{ median, sigma }`: log-normal, which real answer times resemble.
    LogNormal {
        /// Half of all values are below it, in milliseconds.
        median: f64,
        /// Standard deviation of the logarithm; at 0.5 one value in 40 exceeds 2.7 × the median.
        sigma: f64,
    },
}

impl Latency {
    pub(super) fn parse(path: &str, value: &Value) -> Result<Latency, SettingsError> {
        if value.is_number() {
            return Ok(Latency::Fixed(number(path, value, 0.0, LONGEST_MS)?));
        }
        let mut fields = Fields::new(path.to_owned(), value)?;
        let bounds = (
            fields.number("min", 0.0, LONGEST_MS)?,
            fields.number("max", 0.0, LONGEST_MS)?,
        );
        let shape = (
            fields.number("median", 0.0, LONGEST_MS)?,
            fields.number("sigma", 0.0, 5.0)?,
        );
        fields.finish()?;
        match (bounds, shape) {
            ((Some(min), Some(max)), (None, None)) if min <= max => {
                Ok(Latency::Uniform { min, max })
            }
            ((None, None), (Some(median), Some(sigma))) => Ok(Latency::LogNormal { median, sigma }),
            _ => Err(mismatch(
                path,
                "a number, { min, max } with min ≤ max, or { median, sigma }",
                value,
            )),
        }
    }

    /// Draws one value, in milliseconds, at most one hour.
    pub fn sample(&self, rng: &mut Rng) -> f64 {
        match *self {
            Latency::Fixed(milliseconds) => milliseconds,
            Latency::Uniform { min, max } => min + (max - min) * rng.f64(),
            Latency::LogNormal { median, sigma } => {
                // Box–Muller; 1 − u keeps the logarithm's argument above 0.
                let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
                let normal = radius * (std::f64::consts::TAU * rng.f64()).cos();
                (median * (sigma * normal).exp()).min(LONGEST_MS)
            }
        }
    }
}

/// How many tokens an answer has: any whole number between two bounds, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputTokens {
    /// Smallest.
    pub min: u32,
    /// Largest.
    pub max: u32,
}

/// The largest answer of any current model.
const LARGEST_OUTPUT: u64 = 128_000;

impl OutputTokens {
    pub(super) fn parse(path: &str, value: &Value) -> Result<OutputTokens, SettingsError> {
        if value.is_number() {
            let tokens = super::fields::integer(path, value, 1, LARGEST_OUTPUT)? as u32;
            return Ok(OutputTokens {
                min: tokens,
                max: tokens,
            });
        }
        let mut fields = Fields::new(path.to_owned(), value)?;
        let min = fields.integer("min", 1, LARGEST_OUTPUT)?;
        let max = fields.integer("max", 1, LARGEST_OUTPUT)?;
        fields.finish()?;
        match (min, max) {
            (Some(min), Some(max)) if min <= max => Ok(OutputTokens {
                min: min as u32,
                max: max as u32,
            }),
            _ => Err(mismatch(
                path,
                "a number or { min, max } with min ≤ max",
                value,
            )),
        }
    }

    /// Draws one length, in tokens.
    pub fn sample(&self, rng: &mut Rng) -> u32 {
        rng.u32(self.min..=self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(latency: Latency) -> Vec<f64> {
        let mut rng = Rng::with_seed(5);
        let mut drawn: Vec<f64> = (0..10_001).map(|_| latency.sample(&mut rng)).collect();
        drawn.sort_by(f64::total_cmp);
        drawn
    }

    #[test]
    fn samples_follow_their_distribution() {
        assert!(samples(Latency::Fixed(7.0)).iter().all(|ms| *ms == 7.0));
        let uniform = samples(Latency::Uniform {
            min: 10.0,
            max: 20.0,
        });
        assert!(uniform[0] >= 10.0 && uniform[10_000] <= 20.0);
        assert!((uniform[5_000] - 15.0).abs() < 0.3);
        let skewed = samples(Latency::LogNormal {
            median: 100.0,
            sigma: 0.5,
        });
        assert!((skewed[5_000] - 100.0).abs() < 3.0);
        // The 97.5th percentile of a log-normal is median × e^(1.96 sigma) = 266.
        assert!((skewed[9_750] - 266.0).abs() < 15.0);
    }

    #[test]
    fn an_hour_is_the_longest_sample() {
        let wild = samples(Latency::LogNormal {
            median: LONGEST_MS,
            sigma: 5.0,
        });
        assert_eq!(wild[10_000], LONGEST_MS);
    }
}
