//! The store: one step for all, few round trips, nothing lost, keys that a person can read.
