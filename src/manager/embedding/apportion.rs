//! One sum in whole parts. Pure.

/// Divides a sum by weights: each share is less than one from its exact part, and together they are the sum. Where no weight is above
/// zero, all are alike.
pub(super) fn apportion(sum: u64, weights: &[u64]) -> Vec<u64> {
    let count = weights.len() as u128;
    let whole: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    let mut before = 0_u128;
    let mut given = 0_u64;
    let shares = weights.iter().map(|weight| {
        let (step, all) = match whole {
            0 => (1, count),
            whole => (u128::from(*weight), whole),
        };
        before += step;
        // What all up to this one get together, cut off; of the last one that is the sum.
        let up_to_here = u64::try_from(u128::from(sum) * before / all).unwrap_or(sum);
        let share = up_to_here - given;
        given = up_to_here;
        share
    });
    shares.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tests::cases;

    #[test]
    fn shares_follow_the_weights() {
        for (sum, weights, shares) in [
            (10, &[1, 1][..], &[5, 5][..]),
            (10, &[3, 0, 7], &[3, 0, 7]),
            (3, &[1, 1], &[1, 2]),
            (4, &[0, 0], &[2, 2]),
            (0, &[5], &[0]),
            (7, &[], &[]),
        ] {
            assert_eq!(apportion(sum, weights), shares);
        }
    }

    proptest! {
        #![proptest_config(cases(512))]

        #[test]
        fn together_they_are_the_sum_and_each_is_near_its_part(
            sum in 0_u64..1_000_000_000,
            weights in proptest::collection::vec(0_u64..1_000_000, 1..50),
        ) {
            let shares = apportion(sum, &weights);
            prop_assert_eq!(shares.iter().sum::<u64>(), sum);
            let whole: u64 = weights.iter().sum();
            prop_assume!(whole > 0);
            for (share, weight) in shares.iter().zip(&weights) {
                let exact = sum as f64 * *weight as f64 / whole as f64;
                prop_assert!((*share as f64 - exact).abs() < 1.0 + 1e-6);
            }
        }
    }
}
