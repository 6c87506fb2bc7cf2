//! Whole responses of every dialect.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Meter, Reading, Window, go_duration};

pub(super) fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            )
        })
        .collect()
}

fn reading(pairs: &[(&'static str, &'static str)]) -> Reading {
    Reading::from_headers(&headers(pairs))
}

/// A meter from limit, remaining, reset in milliseconds; below zero is unknown.
fn meter(limit: f64, remaining: f64, reset_ms: i64) -> Meter {
    Meter {
        limit: (limit >= 0.0).then_some(limit),
        remaining: (remaining >= 0.0).then_some(remaining),
        reset: u64::try_from(reset_ms).ok().map(Duration::from_millis),
        stated_window: None,
    }
}

fn stated(window: Window, meter: Meter) -> Meter {
    Meter {
        stated_window: Some(window),
        ..meter
    }
}

#[test]
fn missing_negative_and_unreadable_values_are_unknown() {
    let reading = reading(&[
        ("x-ratelimit-limit-requests", "-1"),
        ("x-ratelimit-remaining-requests", "NaN"),
        ("x-ratelimit-limit-tokens", "0"),
        ("x-ratelimit-remaining-tokens", "12"),
        ("x-ratelimit-reset-tokens", "7"),
    ]);
    assert_eq!(reading.requests, Meter::default());
    assert_eq!(
        reading.tokens,
        Meter {
            limit: None,
            remaining: Some(12.0),
            reset: None,
            ..Meter::default()
        }
    );
}

#[test]
fn openai_and_those_who_speak_like_it_are_read() {
    for (limit, remaining, reset, expected, window) in [
        // OpenAI: per minute, and per day where that is the tighter limit.
        (
            "500",
            "499",
            Some("120ms"),
            meter(500.0, 499.0, 120),
            Window::Minute,
        ),
        (
            "10000",
            "9993",
            Some("59.369s"),
            meter(10_000.0, 9_993.0, 59_369),
            Window::Day,
        ),
        (
            "200",
            "197",
            Some("20m52.666s"),
            meter(200.0, 197.0, 1_252_666),
            Window::Day,
        ),
        // Groq: requests per day.
        (
            "14400",
            "14398",
            Some("10.781s"),
            meter(14_400.0, 14_398.0, 10_781),
            Window::Day,
        ),
        // xAI: no reset, and often nothing seems to be used, which is no reading.
        ("480", "479", None, meter(480.0, 479.0, -1), Window::Minute),
        ("480", "480", None, meter(480.0, -1.0, -1), Window::Minute),
        // A reset that is cut off under a millisecond.
        (
            "30000",
            "30000",
            Some("0s"),
            meter(30_000.0, 30_000.0, 0),
            Window::Minute,
        ),
    ] {
        let mut pairs = vec![
            ("x-ratelimit-limit-requests", limit),
            ("x-ratelimit-remaining-requests", remaining),
        ];
        pairs.extend(reset.map(|reset| ("x-ratelimit-reset-requests", reset)));
        let reading = reading(&pairs);
        assert_eq!(reading.requests, expected, "{limit} {remaining} {reset:?}");
        assert_eq!(reading.requests.window(), window, "{limit} {remaining}");
        assert_eq!(reading.tokens, Meter::default());
    }
}

#[test]
fn groqs_tokens_are_per_minute_beside_requests_per_day() {
    let reading = reading(&[
        ("x-ratelimit-limit-requests", "14400"),
        ("x-ratelimit-remaining-requests", "14397"),
        ("x-ratelimit-reset-requests", "17.399999999s"),
        ("x-ratelimit-limit-tokens", "30000"),
        ("x-ratelimit-remaining-tokens", "29987"),
        ("x-ratelimit-reset-tokens", "26ms"),
    ]);
    assert_eq!(reading.requests.reset, go_duration("17.399999999s"));
    assert_eq!(reading.requests.window(), Window::Day);
    assert_eq!(reading.tokens, meter(30_000.0, 29_987.0, 26));
    assert_eq!(reading.tokens.window(), Window::Minute);
}

#[test]
fn of_the_organizations_and_the_projects_tokens_the_tighter_count() {
    let organization = [
        ("x-ratelimit-limit-tokens", "30000"),
        ("x-ratelimit-remaining-tokens", "29900"),
        ("x-ratelimit-reset-tokens", "200ms"),
    ];
    let project = |limit, remaining, reset| {
        [
            ("x-ratelimit-limit-project-tokens", limit),
            ("x-ratelimit-remaining-project-tokens", remaining),
            ("x-ratelimit-reset-project-tokens", reset),
        ]
    };
    let tokens = |project: &[(&'static str, &'static str)]| {
        reading(&[&organization[..], project].concat()).tokens
    };
    assert_eq!(tokens(&[]), meter(30_000.0, 29_900.0, 200));
    assert_eq!(
        tokens(&project("10000", "9900", "600ms")),
        meter(10_000.0, 9_900.0, 600)
    );
    assert_eq!(
        tokens(&project("100000", "99000", "600ms")),
        meter(30_000.0, 29_900.0, 200)
    );
    assert_eq!(
        tokens(&project("-1", "-1", "0")),
        meter(30_000.0, 29_900.0, 200)
    );
    assert_eq!(
        reading(&project("10000", "9900", "600ms")).tokens,
        meter(10_000.0, 9_900.0, 600)
    );
}

#[test]
fn azures_bare_resets_get_the_unit_that_fits_and_its_renewal_period_is_the_window() {
    let azure = |pairs: [&'static str; 4]| {
        let [limit, remaining, reset, period] = pairs;
        reading(&[
            ("x-ratelimit-limit-tokens", limit),
            ("x-ratelimit-remaining-tokens", remaining),
            ("x-ratelimit-reset-tokens", reset),
            ("x-ratelimit-renewalperiod-tokens", period),
        ])
        .tokens
    };
    for (pairs, expected) in [
        // *.openai.azure.com: milliseconds.
        (
            ["120", "119", "500", "60"],
            stated(Window::Minute, meter(120.0, 119.0, 500)),
        ),
        (
            ["120000", "119986", "7", "60"],
            stated(Window::Minute, meter(120_000.0, 119_986.0, 7)),
        ),
        // *.services.ai.azure.com: whole seconds.
        (
            ["50", "49", "1", "60"],
            stated(Window::Minute, meter(50.0, 49.0, 1_000)),
        ),
        // Neither.
        (
            ["120", "119", "7", "60"],
            stated(Window::Minute, meter(120.0, 119.0, -1)),
        ),
        // Responses replies since November 2025.
        (["-1", "-1", "0", "60"], Meter::default()),
        (["0", "0", "0", "60"], Meter::default()),
        // A day, ten seconds, an hour, and no period at all.
        (
            ["1000", "999", "86", "86400"],
            stated(Window::Day, meter(1_000.0, 999.0, 86_000)),
        ),
        (
            ["10", "9", "1", "10"],
            stated(Window::Minute, meter(60.0, 9.0, 1_000)),
        ),
        (["1000", "999", "3", "3600"], Meter::default()),
        (["120", "119", "500", "0"], meter(120.0, 119.0, 500)),
        (["120", "119", "500", "soon"], meter(120.0, 119.0, 500)),
    ] {
        assert_eq!(azure(pairs), expected, "{pairs:?}");
    }
}

#[test]
fn mistrals_windows_are_in_its_names() {
    let tokens = [
        ("x-ratelimit-limit-tokens-minute", "500000"),
        ("x-ratelimit-remaining-tokens-minute", "499948"),
        ("x-ratelimit-limit-tokens-month", "1000000000"),
        ("x-ratelimit-remaining-tokens-month", "0"),
        ("x-ratelimit-tokens-query-cost", "52"),
    ];
    let by_minute = [
        ("x-ratelimit-limit-req-minute", "60"),
        ("x-ratelimit-remaining-req-minute", "59"),
    ];
    // Ten seconds refill as fast as a minute with six times the limit, but no more than nine can start now.
    let by_10_seconds = [
        ("x-ratelimit-limit-req-10-second", "10"),
        ("x-ratelimit-remaining-req-10-second", "9"),
    ];
    for (requests, expected) in [
        (
            by_minute.to_vec(),
            stated(Window::Minute, meter(60.0, 59.0, -1)),
        ),
        (
            by_10_seconds.to_vec(),
            stated(Window::Minute, meter(60.0, 9.0, -1)),
        ),
        (
            [by_10_seconds, by_minute].concat(),
            stated(Window::Minute, meter(60.0, 59.0, -1)),
        ),
        (vec![], Meter::default()),
    ] {
        let reading = reading(&[&tokens[..], &requests].concat());
        assert_eq!(reading.requests, expected, "{requests:?}");
        assert_eq!(
            reading.tokens,
            stated(Window::Minute, meter(500_000.0, 499_948.0, -1))
        );
    }
}

#[test]
fn togethers_limits_are_per_second_and_known_by_its_token_limit() {
    let requests = [
        ("x-ratelimit-limit", "10"),
        ("x-ratelimit-remaining", "9"),
        ("x-ratelimit-reset", "1788220800000"),
    ];
    let tokens = [
        ("x-tokenlimit-limit", "3000"),
        ("x-tokenlimit-remaining", "2900"),
    ];
    assert_eq!(
        reading(&[&requests[..], &tokens].concat()),
        Reading {
            requests: stated(Window::Minute, meter(600.0, -1.0, -1)),
            tokens: stated(Window::Minute, meter(180_000.0, -1.0, -1)),
        }
    );
    assert_eq!(reading(&requests), Reading::default());
}

#[test]
fn no_rate_limit_headers_make_an_unknown_reading() {
    assert_eq!(
        reading(&[("x-request-id", "req_0"), ("server", "uvicorn")]),
        Reading::default()
    );
}

#[test]
fn more_left_than_the_limit_is_a_full_bucket_and_a_lone_value_stays_alone() {
    for (pairs, expected) in [
        (
            vec![
                ("x-ratelimit-limit-requests", "500"),
                ("x-ratelimit-remaining-requests", "600"),
                ("x-ratelimit-reset-requests", "0s"),
            ],
            meter(500.0, 500.0, 0),
        ),
        (
            vec![
                ("x-ratelimit-limit-requests", "500"),
                ("x-ratelimit-remaining-requests", "600"),
            ],
            meter(500.0, -1.0, -1),
        ),
        (
            vec![("x-ratelimit-remaining-requests", "79")],
            meter(-1.0, 79.0, -1),
        ),
        (
            vec![("x-ratelimit-remaining-requests", "0")],
            meter(-1.0, 0.0, -1),
        ),
        (
            vec![("x-ratelimit-limit-requests", "500")],
            meter(500.0, -1.0, -1),
        ),
        (vec![("x-ratelimit-reset-requests", "1s")], Meter::default()),
    ] {
        assert_eq!(reading(&pairs).requests, expected, "{pairs:?}");
    }
}
