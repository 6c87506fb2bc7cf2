//! The moment that a booking is promised, against the moment at which the limiter admits it.

use super::*;

/// Sent at its moment.
#[derive(Debug, Clone, Copy)]
struct Sent {
    at_ms: f64,
    tokens: u64,
    /// Later than this nobody is told to wait for the sake of doubt.
    surely_ms: f64,
}

/// When what flows back after the last request surely holds a booking, with what is kept back for its own charge alone.
fn surely_ms(lane: &Lane, tokens: u64) -> f64 {
    let amount = tokens as f64;
    let per_metric = lane.metered().filter(|(metric, _)| metric.counts_tokens());
    // Nothing is confirmed: 0.6 of the cost for doubt and 1.7 × 0.3 of it for chance, or 0.002 of the limit.
    let needed_ms = per_metric.map(|(_, bucket)| {
        let margin = f64::max(1.17 * amount, 0.002 * bucket.capacity());
        (amount + margin) / bucket.per_ms()
    });
    needed_ms
        .reduce(f64::max)
        .map_or(f64::NEG_INFINITY, |longest_ms| {
            lane.last_send_ms.max(0.0) + longest_ms
        })
}

proptest! {
    #![proptest_config(crate::tests::cases(400))]

    /// "Not before" is exact for requests. Of tokens a lane keeps some back for doubt as long as nothing was confirmed, so
    /// there the promise is the limiter's moment, or at most the one at which the room has surely flowed back.
    #[test]
    fn the_limiter_admits_a_booking_at_the_promised_moment_and_not_before(
        limits in any_limits(),
        bookings in proptest::collection::vec((0.0..20_000.0, 0.0..=1.0), 1..40),
    ) {
        let mut lane = Lane::new(&limits.ours, 0.0);
        let mut now_ms = 0.0;
        let mut sent = Vec::new();
        for (gap_ms, share) in bookings {
            now_ms += gap_ms;
            let tokens = limits.tokens(share * share);
            let surely_ms = surely_ms(&lane, tokens);
            let wait_ms = lane.wait_for(cost(tokens), LAST, now_ms);
            lane.book(cost(tokens), wait_ms, now_ms);
            let surely_ms = surely_ms.max(now_ms);
            sent.push(Sent { at_ms: now_ms + wait_ms, tokens, surely_ms });
        }
        sent.sort_by(|one, other| one.at_ms.total_cmp(&other.at_ms));

        let mut limiter = simulator::Lane::new(&limits.theirs, 0.0);
        // What the limiter forgives is worth at most this: it rounds by a hundred-thousandth of a unit.
        let slowest = lane.metered().map(|(_, bucket)| bucket.per_ms());
        let rounding_ms = 0.01 + 3e-5 / slowest.fold(1.0, f64::min);
        let mut before_ms = 0.0;
        for Sent { at_ms, tokens, surely_ms } in sent {
            let early_ms = at_ms - rounding_ms;
            if at_ms > surely_ms + rounding_ms && early_ms > before_ms {
                let early = limiter.clone().admit(tokens, early_ms);
                prop_assert!(early.is_err(), "{tokens} at {early_ms} instead of {at_ms}");
            }
            let admitted = limiter.admit(tokens, at_ms);
            prop_assert!(admitted.is_ok(), "{tokens} at {at_ms}: {admitted:?}");
            before_ms = at_ms;
        }
    }

    #[test]
    fn who_books_later_is_not_sent_before(
        limits in any_limits(),
        bookings in proptest::collection::vec((0.0..5_000.0, 0.0..=1.0), 1..40),
    ) {
        let mut lane = Lane::new(&limits.ours, 0.0);
        let mut now_ms = 0.0;
        let mut before_ms = 0.0;
        for (gap_ms, share) in bookings {
            now_ms += gap_ms;
            let cost = cost(limits.tokens(share * share));
            let at_ms = now_ms + lane.wait_for(cost, LAST, now_ms);
            lane.book(cost, at_ms - now_ms, now_ms);
            prop_assert!(at_ms >= before_ms - 0.01, "{at_ms} before {before_ms}");
            before_ms = at_ms;
        }
    }
}
