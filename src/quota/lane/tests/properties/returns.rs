//! Bookings that are given back unsent.

use super::*;

/// A booking on a lane.
#[derive(Debug, Clone, Copy)]
struct Step {
    gap_ms: f64,
    share: f64,
    is_sent: bool,
}

fn any_step() -> impl Strategy<Value = Step> {
    (0.0..2_000.0, 0.0..0.3, any::<bool>()).prop_map(|(gap_ms, share, is_sent)| Step {
        gap_ms,
        share,
        is_sent,
    })
}

pub(super) fn give_back(lane: &mut Lane, taken: &Taken, now_ms: f64) {
    let end = End {
        refused: false,
        unspent: Unspent::All,
        reading: &UNKNOWN,
        limit_hit: None,
    };
    lane.settle(taken, &end, now_ms);
}

fn is_full_somewhere(lane: &Lane, now_ms: f64) -> bool {
    lane.metered()
        .any(|(_, bucket)| bucket.level(now_ms) >= bucket.capacity())
}

proptest! {
    #![proptest_config(crate::tests::cases(400))]

    /// Where a bucket would have been full meanwhile, what flowed in beside the booking is kept: then there is more, never less,
    /// and never more than the bucket holds.
    #[test]
    fn what_is_given_back_in_any_order_leaves_the_room_as_if_it_was_never_taken(
        rpm in 10_u64..600,
        tpm in 1_000_u64..100_000,
        spent in 0.0..1.5,
        steps in proptest::collection::vec(any_step(), 1..20),
        keys in proptest::collection::vec(any::<u32>(), 20),
        back_gaps_ms in proptest::collection::vec(0.0..2_000.0, 20),
        later_ms in proptest::collection::vec(0.0..90_000.0, 4),
    ) {
        let limits = BothLimits::new([Some(rpm), Some(tpm), Some(100 * rpm), Some(100 * tpm)]);
        let mut lane = Lane::new(&limits.ours, 0.0);
        let first = Cost {
            requests: spent * rpm as f64,
            tokens: spent * tpm as f64,
        };
        lane.book(first, 0.0, 0.0);
        let mut untouched = lane.clone();
        let mut now_ms = 0.0;
        let mut was_full = false;
        let mut unsent = Vec::new();
        for step in &steps {
            now_ms += step.gap_ms;
            was_full |= is_full_somewhere(&untouched, now_ms);
            let cost = cost((step.share * tpm as f64) as u64);
            let taken = lane.book(cost, 0.0, now_ms);
            if step.is_sent {
                untouched.book(cost, 0.0, now_ms);
            } else {
                unsent.push(taken);
            }
        }
        let order = in_order_of(&keys[..unsent.len()]);
        for (index, gap_ms) in order.into_iter().zip(&back_gaps_ms) {
            now_ms += gap_ms;
            give_back(&mut lane, &unsent[index], now_ms);
        }
        was_full |= is_full_somewhere(&untouched, now_ms);
        for later_ms in later_ms {
            let at_ms = now_ms + later_ms;
            for ((metric, bucket), (_, other)) in lane.metered().zip(untouched.metered()) {
                let (level, other) = (bucket.level(at_ms), other.level(at_ms));
                let rounding = 1e-9 * bucket.capacity();
                prop_assert!(level >= other - rounding, "{metric:?}: {level} instead of {other}");
                prop_assert!(level <= bucket.capacity());
                if !was_full {
                    prop_assert!(level <= other + rounding, "{metric:?}: {level} instead of {other}");
                }
            }
        }
    }
}
