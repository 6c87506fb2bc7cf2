//! A lane against numbers worked out by hand.

mod properties;

use std::time::Duration;

use super::*;
use crate::headers::Meter;

const DAY_MS: f64 = 86_400_000.0;
const UNKNOWN: Reading = Reading {
    requests: Meter {
        limit: None,
        remaining: None,
        reset: None,
        stated_window: None,
    },
    tokens: Meter {
        limit: None,
        remaining: None,
        reset: None,
        stated_window: None,
    },
};

fn limits(requests: f64, tokens: f64) -> Limits {
    Limits {
        requests_per_minute: Some(requests),
        tokens_per_minute: Some(tokens),
        ..Limits::default()
    }
}

fn tokens(tokens: f64) -> Cost {
    Cost {
        requests: 1.0,
        tokens,
    }
}

const LAST: Turn = Turn::without_ticket(0);

/// A reading of the tokens alone.
fn reading(limit: f64, remaining: f64) -> Reading {
    let missing = (limit - remaining) / limit * 60.0;
    Reading {
        tokens: Meter {
            limit: Some(limit),
            remaining: Some(remaining),
            reset: Some(Duration::from_secs_f64(missing)),
            stated_window: None,
        },
        ..UNKNOWN
    }
}

fn end(unspent: Unspent, reading: &Reading) -> End<'_> {
    End {
        refused: false,
        unspent,
        reading,
        limit_hit: None,
    }
}

fn settle(lane: &mut Lane, taken: &Taken, unspent: Unspent, reading: &Reading, now_ms: f64) {
    lane.settle(taken, &end(unspent, reading), &Limits::default(), now_ms);
}

fn left(lane: &Lane, now_ms: f64) -> f64 {
    lane.left(now_ms).1.unwrap()
}

#[test]
fn the_tightest_bucket_decides_the_wait() {
    let mut lane = Lane::new(&limits(60.0, 6_000.0), 0.0);
    lane.book(tokens(6_000.0), 0.0, 0.0);
    // 100 tokens and a margin of 60 for doubt and 57 for chance, at 100 a second.
    assert_eq!(lane.wait_for(tokens(100.0), LAST, 0.0), 2_170.0);
    let mut lane = Lane::new(&limits(1.0, 6_000.0), 0.0);
    lane.book(tokens(1.0), 0.0, 0.0);
    assert_eq!(lane.wait_for(tokens(1.0), LAST, 0.0), 60_000.0);
}

#[test]
fn day_limits_hold_beside_minute_limits() {
    let day = Limits {
        requests_per_day: Some(1.0),
        ..limits(100.0, 1_000.0)
    };
    let mut lane = Lane::new(&day, 0.0);
    lane.book(tokens(1.0), 0.0, 0.0);
    assert_eq!(lane.wait_for(tokens(1.0), LAST, 0.0), DAY_MS);
}

#[test]
fn a_block_is_never_shortened() {
    let mut lane = Lane::new(&Limits::default(), 0.0);
    lane.block_until(5_000.0);
    lane.block_until(2_000.0);
    assert_eq!(lane.wait_for(tokens(1.0), LAST, 1_000.0), 4_000.0);
    assert_eq!(lane.wait_for(tokens(1.0), LAST, 9_000.0), 0.0);
}

#[test]
fn a_cost_above_a_known_limit_names_the_limit() {
    let lane = Lane::new(&limits(60.0, 6_000.0), 0.0);
    assert_eq!(
        lane.exceeded_by(tokens(6_001.0)),
        Some((Metric::TokensPerMinute, 6_000.0))
    );
    assert_eq!(lane.exceeded_by(tokens(6_000.0)), None);
    // The margin is given up where the request needs all.
    assert_eq!(lane.wait_for(tokens(6_000.0), LAST, 0.0), 0.0);
    let unknown = Lane::new(&Limits::default(), 0.0);
    assert_eq!(unknown.exceeded_by(tokens(1e12)), None);
}

#[test]
fn unknown_limits_are_learned_and_configured_ones_only_lowered() {
    let mut lane = Lane::new(&Limits::default(), 0.0);
    let taken = lane.book(tokens(600.0), 0.0, 0.0);
    settle(
        &mut lane,
        &taken,
        Unspent::Nothing,
        &reading(1_000.0, 400.0),
        0.0,
    );
    assert_eq!(lane.left(0.0), (None, Some(400.0)));

    let configured = limits(10.0, 500.0);
    let mut lane = Lane::new(&configured, 0.0);
    for (limit, known) in [(1_000.0, 500.0), (300.0, 300.0), (400.0, 400.0)] {
        let taken = lane.book(tokens(0.0), 0.0, 0.0);
        let reading = reading(limit, limit);
        lane.settle(&taken, &end(Unspent::Nothing, &reading), &configured, 0.0);
        assert_eq!(lane.limits(), (Some(10.0), Some(known)));
    }
}

#[test]
fn a_configured_limit_holds_where_the_servers_is_larger() {
    let configured = limits(600.0, 6_000.0);
    let mut lane = Lane::new(&configured, 0.0);
    let mut sent = 0.0;
    for request in 0..60 {
        let now_ms = f64::from(request) * 100.0;
        if lane.wait_for(tokens(1_000.0), LAST, now_ms) == 0.0 {
            let taken = lane.book(tokens(1_000.0), 0.0, now_ms);
            sent += 1_000.0;
            let told = reading(60_000.0, 60_000.0 - sent);
            lane.settle(&taken, &end(Unspent::Nothing, &told), &configured, now_ms);
        }
    }
    // A full bucket and what flows back in six seconds, less a margin.
    assert!((5_000.0..=6_600.0).contains(&sent), "{sent}");
}

#[test]
fn a_limit_that_changes_is_followed_with_one_answer() {
    let mut lane = Lane::new(&Limits::default(), 0.0);
    let taken = lane.book(tokens(0.0), 0.0, 0.0);
    settle(
        &mut lane,
        &taken,
        Unspent::Nothing,
        &reading(1_000.0, 1_000.0),
        0.0,
    );
    let taken = lane.book(tokens(100.0), 0.0, 0.0);
    settle(
        &mut lane,
        &taken,
        Unspent::Nothing,
        &reading(500.0, 400.0),
        0.0,
    );
    assert_eq!(lane.limits().1, Some(500.0));
    assert_eq!(
        lane.exceeded_by(tokens(501.0)),
        Some((Metric::TokensPerMinute, 500.0))
    );
}

#[test]
fn a_reading_that_agrees_changes_nothing() {
    let mut lane = Lane::new(&limits(60.0, 6_000.0), 0.0);
    let taken = lane.book(tokens(1_000.0), 500.0, 0.0);
    let before = left(&lane, 30_000.0);
    // Sent at 500 ms, when 50 tokens were back.
    settle(
        &mut lane,
        &taken,
        Unspent::Nothing,
        &reading(6_000.0, 5_050.0),
        30_000.0,
    );
    assert!((left(&lane, 30_000.0) - before).abs() < 1e-6);
}

#[test]
fn less_room_than_booked_is_believed_faster_than_more() {
    for (remaining, moved) in [(4_000.0, -1_000.0), (5_400.0, 120.0)] {
        let mut lane = Lane::new(&limits(60.0, 6_000.0), 0.0);
        let taken = lane.book(tokens(1_000.0), 0.0, 0.0);
        settle(
            &mut lane,
            &taken,
            Unspent::Nothing,
            &reading(6_000.0, remaining),
            0.0,
        );
        assert!(
            (left(&lane, 0.0) - (5_000.0 + moved)).abs() < 1e-6,
            "{remaining}"
        );
    }
}

#[test]
fn a_reading_corrects_once_however_late_and_in_whatever_order_answers_come() {
    // Somebody else took 1,000 tokens before either request: both readings say so.
    for order in [[0, 1], [1, 0]] {
        let mut lane = Lane::new(&limits(60.0, 6_000.0), 0.0);
        let taken = [
            lane.book(tokens(100.0), 0.0, 0.0),
            lane.book(tokens(100.0), 0.0, 1_000.0),
        ];
        let readings = [reading(6_000.0, 4_900.0), reading(6_000.0, 4_900.0)];
        for index in order {
            settle(
                &mut lane,
                &taken[index],
                Unspent::Nothing,
                &readings[index],
                1_000.0,
            );
        }
        assert!((left(&lane, 1_000.0) - 4_900.0).abs() < 1e-6, "{order:?}");
    }
}

#[test]
fn the_reading_of_the_latest_request_tells_of_those_that_were_not_answered_yet() {
    let mut lane = Lane::new(&limits(60.0, 6_000.0), 0.0);
    // Each is charged 150 instead of 100; the first three take a minute to answer.
    let taken: Vec<Taken> = (0..4)
        .map(|request| lane.book(tokens(100.0), 0.0, f64::from(request) * 500.0))
        .collect();
    let told = reading(6_000.0, 6_000.0 - 600.0 + 150.0);
    settle(&mut lane, &taken[3], Unspent::Nothing, &told, 1_500.0);
    let error = left(&lane, 1_500.0) - 5_550.0;
    // All but what a crowd of one, half a second ago, could explain.
    assert!(error.abs() < 1.0, "{error}");
    let before = lane.clone();
    let late = reading(6_000.0, 5_850.0);
    settle(&mut lane, &taken[0], Unspent::Nothing, &late, 1_500.0);
    assert_eq!(left(&lane, 1_500.0), left(&before, 1_500.0));
}

#[test]
fn requests_sent_at_one_moment_change_little_in_whatever_order_they_arrive() {
    for reversed in [false, true] {
        let mut lane = Lane::new(&limits(600.0, 60_000.0), 0.0);
        let taken: Vec<Taken> = (0..40)
            .map(|_| lane.book(tokens(1_000.0), 0.0, 0.0))
            .collect();
        let arrivals = taken.iter().enumerate();
        for (booked, taken) in arrivals {
            let arrived = if reversed { 39 - booked } else { booked };
            let told = reading(60_000.0, 59_000.0 - 1_000.0 * arrived as f64);
            settle(&mut lane, taken, Unspent::Nothing, &told, 1_000.0);
        }
        let error = left(&lane, 0.0) - 20_000.0;
        assert!(error.abs() < 2_000.0, "{error}");
    }
}

#[test]
fn a_server_that_never_says_what_is_left_is_trusted_after_some_answers() {
    let mut lane = Lane::new(&limits(600.0, 60_000.0), 0.0);
    for second in 0..50 {
        let now_ms = f64::from(second) * 1_000.0;
        let taken = lane.book(tokens(1_500.0), 0.0, now_ms);
        settle(&mut lane, &taken, Unspent::Nothing, &UNKNOWN, now_ms);
    }
    // 75,000 are booked and 49,000 flowed back: 34,000 are left, and no margin for all that nobody confirmed.
    assert_eq!(lane.wait_for(tokens(10_000.0), LAST, 49_000.0), 0.0);
}

#[test]
fn two_requests_that_overtake_each_other_on_the_wire_cancel() {
    let mut lane = Lane::new(&limits(60.0, 6_000.0), 0.0);
    let first = lane.book(tokens(1_000.0), 0.0, 0.0);
    let second = lane.book(tokens(1_000.0), 0.0, 0.0);
    // The second arrived first.
    settle(
        &mut lane,
        &second,
        Unspent::Nothing,
        &reading(6_000.0, 5_000.0),
        0.0,
    );
    settle(
        &mut lane,
        &first,
        Unspent::Nothing,
        &reading(6_000.0, 4_000.0),
        0.0,
    );
    let error = left(&lane, 0.0) - 4_000.0;
    assert!(error.abs() < 250.0, "{error}");
}

#[test]
fn a_refusal_takes_the_servers_number_and_keeps_room_back() {
    let mut lane = Lane::new(&limits(60.0, 6_000.0), 0.0);
    let taken = lane.book(tokens(1_000.0), 0.0, 0.0);
    let reading = reading(6_000.0, 500.0);
    let refused = End {
        refused: true,
        unspent: Unspent::Tokens,
        reading: &reading,
        limit_hit: None,
    };
    lane.settle(&taken, &refused, &Limits::default(), 0.0);
    assert!((left(&lane, 0.0) - 500.0).abs() < 1e-6);
    // The spread is taken to be larger: 0.6 × 400 for doubt, and 1.9 × 0.67 × 400 for chance, at 100 a second.
    let wait_ms = lane.wait_for(tokens(400.0), LAST, 0.0);
    assert!((6_450.0..6_550.0).contains(&wait_ms), "{wait_ms}");
}

#[test]
fn a_refusal_and_a_later_reading_leave_the_servers_number_in_whatever_order_they_come() {
    // Somebody else left 500 tokens: the first is refused, and the second admitted a second later.
    for order in [[0, 1], [1, 0]] {
        let mut lane = Lane::new(&limits(60.0, 6_000.0), 0.0);
        let taken = [
            lane.book(tokens(1_000.0), 0.0, 0.0),
            lane.book(tokens(100.0), 0.0, 1_000.0),
        ];
        let readings = [reading(6_000.0, 500.0), reading(6_000.0, 500.0)];
        for index in order {
            let end = End {
                refused: index == 0,
                unspent: [Unspent::Tokens, Unspent::Nothing][index],
                reading: &readings[index],
                limit_hit: None,
            };
            lane.settle(&taken[index], &end, &Limits::default(), 1_000.0);
        }
        assert!((left(&lane, 1_000.0) - 500.0).abs() < 1e-6, "{order:?}");
    }
}

#[test]
fn what_is_charged_for_an_estimated_token_is_learned() {
    let mut lane = Lane::new(&limits(600.0, 60_000.0), 0.0);
    let mut real = 60_000.0;
    for request in 0..480 {
        let now_ms = f64::from(request) * 500.0;
        real = f64::min(60_000.0, real + 500.0);
        let taken = lane.book(tokens(1_000.0), 0.0, now_ms);
        real -= 500.0;
        settle(
            &mut lane,
            &taken,
            Unspent::Nothing,
            &reading(60_000.0, real),
            now_ms,
        );
    }
    let taken = lane.book(tokens(1_000.0), 0.0, 240_000.0);
    // The prior, a twenty-fifth of the capacity, still weighs a little beside some minutes' 120,000 tokens.
    assert!(
        (500.0..600.0).contains(&taken.cost.tokens),
        "{}",
        taken.cost.tokens
    );
}

#[test]
fn an_observation_without_limits_counts_and_never_forbids() {
    let mut lane = Lane::new(&Limits::default(), 0.0);
    lane.observe(tokens(100.0), Some(0.0), Some(50.0), 0.0);
    assert_eq!(lane.left(0.0), (Some(0.0), Some(50.0)));
    assert!(lane.wait_for(tokens(10.0), LAST, 0.0) > 0.0);
    assert_eq!(lane.exceeded_by(tokens(1_000.0)), None);
    // More was seen later: the first sight was no limit.
    lane.observe(tokens(10.0), Some(900.0), Some(80_000.0), 0.0);
    assert_eq!(lane.left(0.0), (Some(900.0), Some(80_000.0)));
    // Nothing was read: what was used is gone all the same.
    lane.observe(tokens(30_000.0), None, None, 0.0);
    assert_eq!(lane.left(0.0), (Some(899.0), Some(50_000.0)));
}

#[test]
fn a_limit_learned_after_a_booking_gets_nothing_back_from_it() {
    let mut lane = Lane::new(&Limits::default(), 0.0);
    let taken = lane.book(tokens(100.0), 0.0, 0.0);
    lane.observe(tokens(100.0), None, Some(50.0), 0.0);
    settle(&mut lane, &taken, Unspent::All, &UNKNOWN, 0.0);
    assert_eq!(left(&lane, 0.0), 50.0);
}

#[test]
fn a_lane_of_unknown_limits_starts_with_one_request_and_doubles_with_each_answer() {
    let mut lane = Lane::new(&Limits::default(), 0.0);
    let mut under_way = Vec::new();
    let mut admitted = Vec::new();
    for _ in 0..4 {
        let before = under_way.len();
        while lane.start_wait(LAST, 0.0) == 0.0 {
            under_way.push(lane.book(tokens(1.0), 0.0, 0.0));
        }
        admitted.push(under_way.len() - before);
        let taken = under_way.pop().unwrap();
        settle(&mut lane, &taken, Unspent::Nothing, &UNKNOWN, 0.0);
    }
    assert_eq!(admitted, [1, 2, 3, 5]);
}

#[test]
fn a_lane_of_unknown_limits_doubles_each_second_while_answers_are_slow() {
    let mut lane = Lane::new(&Limits::default(), 0.0);
    let mut admitted = Vec::new();
    for second in 0..4 {
        let now_ms = f64::from(second) * 1_000.0;
        let mut count = 0;
        while lane.start_wait(LAST, now_ms) == 0.0 {
            lane.book(tokens(1.0), 0.0, now_ms);
            count += 1;
        }
        admitted.push(count);
    }
    assert_eq!(admitted, [1, 1, 2, 4]);
}

#[test]
fn a_lane_is_idle_only_when_nothing_would_be_forgotten() {
    let mut lane = Lane::new(&limits(60.0, 6_000.0), 0.0);
    assert!(lane.is_idle(0.0));
    let taken = lane.book(tokens(600.0), 0.0, 0.0);
    settle(&mut lane, &taken, Unspent::Nothing, &UNKNOWN, 0.0);
    assert!(!lane.is_idle(100.0));
    assert!(lane.is_idle(6_000.0));
}
