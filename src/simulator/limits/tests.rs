//! Tests of a lane, among them the waits of 429 texts that were published in issues.

use crate::simulator::duration::{go_duration, whole_milliseconds};
use std::num::NonZeroU64;

use super::{Lane, Limits, Metric, Readings};

fn limits(rpm: u64, rpd: u64, tpm: u64, tpd: u64) -> Limits {
    Limits {
        requests_per_minute: NonZeroU64::new(rpm),
        requests_per_day: NonZeroU64::new(rpd),
        tokens_per_minute: NonZeroU64::new(tpm),
        tokens_per_day: NonZeroU64::new(tpd),
    }
}

#[test]
fn token_waits_come_out_as_in_published_messages() {
    // limit, used, requested, wait: from BuilderIO/micro-agent#86, FoundationAgents/MetaGPT#523, semanser/codel#72,
    // continuedev/continue#11472, #10502 and #9563, wrtnlabs/autobe#136, and one of gpt-6-sol.
    for (limit, used, requested, wait) in [
        (30_000, 29_937, 385, "644ms"),
        (10_000, 8_554, 3_082, "9.816s"),
        (30_000, 14_567, 24_754, "18.642s"),
        (30_000, 18_928, 11_159, "174ms"),
        (30_000, 28_039, 3_906, "3.89s"),
        (30_000, 22_343, 10_955, "6.596s"),
        (30_000_000, 30_000_000, 247_009, "494ms"),
        (500_000, 351_145, 149_984, "135ms"),
    ] {
        let mut lane = Lane::new(&limits(0, 0, limit, 0), 0.0);
        assert!(lane.admit(used, 0.0).is_ok());
        let refusal = lane.admit(requested, 0.0).unwrap_err();
        assert_eq!(refusal.metric, Metric::TokensPerMinute);
        assert_eq!(
            (refusal.limit, refusal.used, refusal.requested),
            (limit, used, requested)
        );
        assert_eq!(go_duration(refusal.wait_ms.unwrap()), wait);
    }
}

#[test]
fn request_waits_come_out_as_in_published_messages() {
    for (limits, metric, limit, wait) in [
        (limits(3, 0, 0, 0), Metric::RequestsPerMinute, 3, "20s"),
        (limits(0, 200, 0, 0), Metric::RequestsPerDay, 200, "7m12s"),
        (
            limits(0, 2_000, 0, 0),
            Metric::RequestsPerDay,
            2_000,
            "43.2s",
        ),
        (limits(0, 50, 0, 0), Metric::RequestsPerDay, 50, "28m48s"),
    ] {
        let mut lane = Lane::new(&limits, 0.0);
        for _ in 0..limit {
            assert!(lane.admit(1, 0.0).is_ok());
        }
        let refusal = lane.admit(1, 0.0).unwrap_err();
        assert_eq!(refusal.metric, metric);
        assert_eq!(
            (refusal.limit, refusal.used, refusal.requested),
            (limit, limit, 1)
        );
        assert_eq!(go_duration(refusal.wait_ms.unwrap()), wait);
    }
}

#[test]
fn the_stated_wait_is_enough_and_a_millisecond_less_is_not() {
    let mut rng = fastrand::Rng::with_seed(7);
    for _ in 0..2_000 {
        let limit = rng.u64(1_000..2_000_000);
        let mut lane = Lane::new(&limits(0, 0, limit, 0), 0.0);
        let (first, second) = (rng.u64(1..=limit), rng.u64(1..=limit));
        assert!(lane.admit(first, 0.0).is_ok());
        let Err(refusal) = lane.clone().admit(second, 0.0) else {
            assert!(first + second <= limit);
            continue;
        };
        let wait = refusal.wait_ms.unwrap();
        assert!(lane.clone().admit(second, wait.ceil()).is_ok());
        let early = whole_milliseconds(wait) as f64 - 1.0;
        assert!(early <= 0.0 || lane.clone().admit(second, early).is_err());
    }
}

#[test]
fn a_refusal_for_tokens_takes_one_request_and_no_tokens() {
    let mut lane = Lane::new(&limits(10, 100, 1_000, 0), 0.0);
    assert!(lane.admit(900, 0.0).is_ok());
    let refusal = lane.admit(200, 0.0).unwrap_err();
    assert_eq!(refusal.readings.requests.unwrap().remaining, 98);
    assert_eq!(refusal.readings.tokens.unwrap().remaining, 100);
    assert_eq!(
        lane.admit(100, 0.0).unwrap().requests.unwrap().remaining,
        97
    );
}

#[test]
fn a_refusal_for_requests_takes_nothing() {
    let mut lane = Lane::new(&limits(1, 0, 1_000, 0), 0.0);
    assert!(lane.admit(10, 0.0).is_ok());
    let refusal = lane.admit(10, 0.0).unwrap_err();
    assert_eq!(refusal.metric, Metric::RequestsPerMinute);
    assert_eq!(refusal.readings.tokens.unwrap().remaining, 990);
    assert!(lane.admit(990, 60_000.0).is_ok());
}

#[test]
fn a_request_above_the_limit_never_fits_and_has_no_wait() {
    let mut lane = Lane::new(&limits(0, 0, 30_000, 0), 0.0);
    let refusal = lane.admit(39_143, 0.0).unwrap_err();
    assert_eq!(refusal.wait_ms, None);
    assert_eq!((refusal.limit, refusal.requested), (30_000, 39_143));
    assert!(lane.admit(30_000, 0.0).is_ok(), "exactly the limit fits");
    assert!(lane.admit(u64::MAX, 0.0).is_err());
}

#[test]
fn the_headers_speak_of_the_limit_with_the_lower_rate() {
    // 10,000 a day is 6.9 a minute and binds before 500 a minute; a million a day does not.
    let mut by_day = Lane::new(&limits(500, 10_000, 0, 0), 0.0);
    let requests = by_day.admit(1, 0.0).unwrap().requests.unwrap();
    assert_eq!((requests.limit, requests.remaining), (10_000, 9_999));
    assert_eq!(go_duration(requests.reset_ms), "8.64s");
    let mut by_minute = Lane::new(&limits(500, 1_000_000, 0, 0), 0.0);
    let requests = by_minute.admit(1, 0.0).unwrap().requests.unwrap();
    assert_eq!((requests.limit, requests.remaining), (500, 499));
}

#[test]
fn of_two_limits_without_room_the_longer_wait_is_named() {
    let mut lane = Lane::new(&limits(1, 1, 0, 0), 0.0);
    assert!(lane.admit(1, 0.0).is_ok());
    assert_eq!(
        lane.admit(1, 0.0).unwrap_err().metric,
        Metric::RequestsPerDay
    );
}

#[test]
fn a_lane_without_limits_admits_everything_and_reads_nothing() {
    let mut lane = Lane::new(&Limits::default(), 0.0);
    assert_eq!(lane.admit(u64::MAX, 0.0), Ok(Readings::default()));
    assert_eq!(lane.capacity_tokens(1.0), None);
}

#[test]
fn no_schedule_admits_more_than_the_capacity_and_a_greedy_one_admits_nearly_all() {
    let mut rng = fastrand::Rng::with_seed(3);
    let mut lane = Lane::new(&limits(600, 0, 60_000, 0), 0.0);
    let (mut now, mut tokens, mut requests) = (0.0, 0, 0);
    while now < 300_000.0 {
        now += rng.f64() * 40.0;
        let charge = rng.u64(20..180);
        if lane.admit(charge, now).is_ok() {
            tokens += charge;
            requests += 1;
        }
    }
    let capacity = lane.capacity_tokens(now).unwrap();
    assert!(tokens <= capacity, "{tokens} of {capacity}");
    assert!(tokens as f64 > 0.9 * capacity as f64);
    assert!(requests <= lane.capacity_requests(now).unwrap());
    assert_eq!(lane.capacity_tokens(60_000.0), Some(120_000));
}
