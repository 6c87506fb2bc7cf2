//! A lane against numbers worked out by hand.

mod properties;
mod readings;

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
    lane.settle(taken, &end(unspent, reading), now_ms);
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
        lane.settle(&taken, &end(Unspent::Nothing, &reading), 0.0);
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
            lane.settle(&taken, &end(Unspent::Nothing, &told), now_ms);
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

#[test]
fn a_configured_limit_that_is_changed_counts_from_then_on_and_what_is_left_stays() {
    let mut lane = Lane::new(&limits(60.0, 6_000.0), 0.0);
    lane.book(tokens(5_900.0), 0.0, 0.0);
    lane.configure(&limits(60.0, 60_000.0), 0.0);
    assert_eq!(lane.left(0.0), (Some(59.0), Some(100.0)));
    assert_eq!(lane.left(1_000.0).1, Some(1_100.0));
    lane.configure(&limits(10.0, 600.0), 1_000.0);
    assert_eq!(lane.left(1_000.0), (Some(10.0), Some(600.0)));
    // What is not named says nothing.
    lane.configure(&Limits::default(), 1_000.0);
    assert_eq!(lane.limits(), (Some(10.0), Some(600.0)));
}

#[test]
fn a_smaller_limit_of_the_servers_stays_until_it_says_another() {
    let mut lane = Lane::new(&limits(60.0, 6_000.0), 0.0);
    let told = |lane: &mut Lane, limit| {
        let taken = lane.book(tokens(1.0), 0.0, 0.0);
        lane.settle(&taken, &end(Unspent::Nothing, &reading(limit, 100.0)), 0.0);
    };
    told(&mut lane, 500.0);
    lane.configure(&limits(60.0, 9_000.0), 0.0);
    assert_eq!(lane.limits().1, Some(500.0));
    told(&mut lane, 20_000.0);
    assert_eq!(lane.limits().1, Some(9_000.0));
    lane.configure(&limits(60.0, 400.0), 0.0);
    assert_eq!(lane.limits().1, Some(400.0));
    lane.configure(&limits(60.0, 700.0), 0.0);
    assert_eq!(lane.limits().1, Some(700.0));
}

#[test]
fn a_limit_that_was_unknown_can_be_configured_later() {
    let mut lane = Lane::new(&Limits::default(), 0.0);
    let taken = lane.book(tokens(100.0), 0.0, 0.0);
    lane.configure(&limits(60.0, 6_000.0), 0.0);
    assert_eq!(lane.limits(), (Some(60.0), Some(6_000.0)));
    lane.settle(&taken, &end(Unspent::All, &UNKNOWN), 0.0);
    assert_eq!(lane.left(0.0), (Some(60.0), Some(6_000.0)));
}
