//! What a permit tells of its choice.

use super::*;
use crate::attempt::Because;

/// The reason, and each candidate's wait in milliseconds.
fn told(permit: &Permit) -> (Because, Vec<(&str, Option<u128>)>) {
    let choice = permit.choice();
    let candidates = choice.candidates.iter();
    let candidates = candidates.map(|candidate| {
        let wait_ms = candidate.wait.map(|wait| wait.as_millis());
        (&*candidate.account, wait_ms)
    });
    (choice.because, candidates.collect())
}

fn only(label: &str) -> Want {
    Want {
        accounts: Some(vec![label.into()]),
        ..want(600.0)
    }
}

#[tokio::test(start_paused = true)]
async fn a_permit_tells_the_reason_and_when_each_account_could_have_started() {
    let scheduler = two_accounts();
    let permit = scheduler.admit(&want(100.0)).await.unwrap();
    let both = vec![("a", Some(0)), ("b", Some(0))];
    assert_eq!(told(&permit), (Because::MostRoom, both));
    drop(permit);

    spend(&scheduler, &only("a")).await;
    let permit = scheduler.admit(&want(600.0)).await.unwrap();
    // The other one has nothing left, and refills 10 tokens a second.
    let both = vec![("b", Some(0)), ("a", Some(60_000))];
    assert_eq!(told(&permit), (Because::Earliest, both));
    drop(permit);

    let permit = scheduler.admit(&only("b")).await.unwrap();
    assert_eq!(told(&permit), (Because::Only, vec![("b", Some(0))]));
    drop(permit);

    let forced = Want {
        force: true,
        ..only("a")
    };
    let permit = scheduler.admit(&forced).await.unwrap();
    assert_eq!(told(&permit), (Because::Forced, vec![("a", Some(60_000))]));
}

#[tokio::test(start_paused = true)]
async fn an_account_that_cannot_take_the_request_has_no_wait() {
    let scheduler = scheduler(
        r#"[{"label":"small","apiKey":"k","limits":{"*":{"tokensPerMinute":60}}},
            {"label":"new","apiKey":"k"},
            {"label":"large","apiKey":"k","limits":{"*":{"tokensPerMinute":600}}}]"#,
    );
    // The one of unknown limits has a request under way and no answer.
    let first = Want {
        accounts: Some(vec!["new".into()]),
        ..want(100.0)
    };
    let _under_way = scheduler.admit(&first).await.unwrap();
    let permit = scheduler.admit(&want(100.0)).await.unwrap();
    let all = vec![("large", Some(0)), ("small", None), ("new", None)];
    assert_eq!(told(&permit), (Because::Earliest, all));
}

#[tokio::test(start_paused = true)]
async fn accounts_that_are_parked_or_refused_it_are_no_candidates() {
    let scheduler = scheduler(r#"{"a": "k", "b": "k", "c": "k"}"#);
    let on_a = Want {
        accounts: Some(vec!["a".into()]),
        ..want(1.0)
    };
    let mut permit = scheduler.admit(&on_a).await.unwrap();
    permit.sending();
    settled(permit, Outcome::KeyRefused);
    let refused = Want {
        refused_by: vec!["b".into()],
        ..want(1.0)
    };
    let permit = scheduler.admit(&refused).await.unwrap();
    assert_eq!(told(&permit), (Because::Only, vec![("c", Some(0))]));
}

#[tokio::test(start_paused = true)]
async fn of_many_accounts_ten_are_told_the_chosen_one_first_among_equals() {
    let accounts: Vec<String> = (0..12)
        .map(|index| {
            let weight = if index == 11 { 2 } else { 1 };
            format!(
                r#"{{"label":"a{index}","apiKey":"k","weight":{weight},"limits":{{"*":{{"tokensPerMinute":600}}}}}}"#
            )
        })
        .collect();
    let scheduler = scheduler(&format!("[{}]", accounts.join(",")));
    let permit = scheduler.admit(&want(100.0)).await.unwrap();
    let (because, candidates) = told(&permit);
    assert_eq!(because, Because::MostRoom);
    assert_eq!(candidates.len(), 10);
    assert_eq!([candidates[0].0, candidates[1].0], ["a11", "a0"]);
}

#[tokio::test(start_paused = true)]
async fn an_account_without_the_model_is_left_out_and_keeps_nobody_waiting() {
    let scheduler = scheduler(
        r#"[{"label":"az","apiKey":"k","kind":"azure","baseURL":"http://r","deployments":{"m":"d"},"maxConcurrency":1,"weight":9},
            {"label":"b","apiKey":"k"}]"#,
    );
    let other = Want {
        model: "m-2024-08-06".into(),
        ..want(1.0)
    };
    let only_azure = |want: Want| Want {
        accounts: Some(vec!["az".into()]),
        ..want
    };
    let on_azure = scheduler.admit(&only_azure(want(1.0))).await.unwrap();
    // One that waits for the only account that has its model stands in nobody's way.
    let waits = {
        let scheduler = scheduler.clone();
        let want = only_azure(want(1.0));
        tokio::spawn(async move { spend(&scheduler, &want).await })
    };
    tokio::task::yield_now().await;
    for _ in 0..3 {
        assert_eq!(&*spend(&scheduler, &other).await, "b");
    }
    let error = scheduler.admit(&only_azure(other)).await.unwrap_err();
    assert_eq!(error.code(), Code::NoAccount);
    assert!(
        error
            .message()
            .contains(r#"az has no deployment of "m-2024-08-06""#),
        "{error}"
    );
    drop(on_azure);
    assert_eq!(&*waits.await.unwrap(), "az");
}

#[tokio::test(start_paused = true)]
async fn no_header_of_another_server_merges_its_limits_with_others() {
    for kind in ["azure", "compatible"] {
        let scheduler = scheduler(&format!(
            r#"[{{"label":"a","apiKey":"k"}},{{"label":"b","apiKey":"k","kind":"{kind}","baseURL":"http://r"}}]"#,
        ));
        for label in ["a", "b"] {
            scheduler.identify(&seat(&scheduler, label), &naming("org-x"));
        }
        assert_eq!(scheduler.take_warnings(), []);
    }
}
