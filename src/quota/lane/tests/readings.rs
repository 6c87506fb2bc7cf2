//! What a lane makes of its answers.

use super::*;

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
    lane.settle(&taken, &refused, 0.0);
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
            lane.settle(&taken[index], &end, 1_000.0);
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
