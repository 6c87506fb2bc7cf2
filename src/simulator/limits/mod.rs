//! The exact limits: buckets, the lanes that consist of them, and all lanes of a simulator.
//!
//! A [`Bucket`] is one limit. A [`Lane`] is what OpenAI limits together, an organization's project × a model group, with
//! up to four buckets and the decision to admit. [`Quotas`] holds every lane of a simulator and counts who used it.
//! Only the last has locks; time is an argument everywhere.

mod bucket;
mod lane;
mod quotas;
#[cfg(test)]
mod tests;

pub use bucket::{Bucket, Reading};
pub use lane::{Lane, Limits, Metric, Readings, Refusal};
pub(super) use quotas::{Group, Quotas, Statuses};
