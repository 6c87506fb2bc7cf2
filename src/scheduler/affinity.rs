//! How near a prompt's cache is to a quota group.
//!
//! OpenAI's prompt caches belong to an organization, so a prefix that was read on one account is new to another. Rendezvous
//! hashing gives every prefix the same order of quota groups in every process, without anything that must be kept or shared:
//! each group draws a number from prefix and name, and the largest is the prefix's home. A group that comes or goes moves
//! only the prefixes that it is home to.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The beginning of a prompt that may be cached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prefix {
    /// A hash of it.
    pub hash: u64,
    /// How much later than elsewhere the request may start to find it cached, in milliseconds.
    pub worth_ms: f64,
}

/// The number that a quota group draws for a prompt's prefix, given as a hash: `1 / -ln(u)` for an even `u` between 0 and 1.
/// Multiplied by a weight, the largest is each group's as often as its weight is of all (Schindelhauer and Schomaker,
/// "Weighted Distributed Hash Tables", 2005). Above 0.
pub fn nearness(prefix: u64, quota_group: &str) -> f64 {
    let drawn = xxh3_64_with_seed(quota_group.as_bytes(), prefix);
    // The upper 53 bits, all that a float holds, and half a step, so that neither 0 nor 1 comes out.
    let even = ((drawn >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    -1.0 / even.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home<'a>(prefix: u64, groups: &[(&'a str, f64)]) -> &'a str {
        let weighed = |(name, weight): &(&'a str, f64)| (nearness(prefix, name) * weight, *name);
        let all = groups.iter().map(weighed);
        all.max_by(|left, right| left.0.total_cmp(&right.0))
            .unwrap()
            .1
    }

    #[test]
    fn prefixes_are_at_home_as_often_as_a_group_weighs() {
        let groups = [("a", 1.0), ("b", 2.0), ("c", 5.0)];
        let mut count = [0; 3];
        for prefix in 0..8_000 {
            let home = home(prefix, &groups);
            count[groups.iter().position(|(name, _)| *name == home).unwrap()] += 1;
        }
        for (count, (name, weight)) in count.into_iter().zip(groups) {
            assert!(
                (f64::from(count) - 1_000.0 * weight).abs() < 150.0,
                "{name}: {count}"
            );
        }
    }

    #[test]
    fn a_group_that_goes_moves_only_the_prefixes_that_were_at_home_there() {
        let all = [("a", 1.0), ("b", 1.0), ("c", 1.0)];
        for prefix in 0..1_000 {
            let before = home(prefix, &all);
            if before != "c" {
                assert_eq!(home(prefix, &all[..2]), before);
            }
        }
    }
}
