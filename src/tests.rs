//! How the tests of properties of all rooms run: on random cases that are the same each time, and on every case that ever failed.

use proptest::test_runner::{Config, FileFailurePersistence, RngSeed};

/// So many random cases. A case that fails is made small and kept beside the test's file, with `.regressions` for its ending;
/// whoever commits that file makes it the first case for all.
pub(crate) fn cases(cases: u32) -> Config {
    Config {
        cases,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..Config::default()
    }
}
