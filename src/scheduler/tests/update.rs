//! Accounts that come, go and change while requests wait and are under way.

use super::*;

fn accounts(json: &str) -> Vec<Arc<Account>> {
    let settings = Settings::parse(&format!(r#"{{"accounts":{json}}}"#)).unwrap();
    settings.accounts
}

/// An account of so many tokens per minute.
fn account(label: &str, tokens: u32) -> String {
    account_of_key(label, "k", tokens)
}

fn account_of_key(label: &str, key: &str, tokens: u32) -> String {
    format!(
        r#"{{"label":"{label}","apiKey":"{key}","limits":{{"*":{{"tokensPerMinute":{tokens}}}}}}}"#
    )
}

fn list(all: &[String]) -> String {
    format!("[{}]", all.join(","))
}

/// A scheduler of one account, all of whose 600 tokens are spent.
async fn spent() -> Arc<Scheduler> {
    let scheduler = scheduler(&list(&[account("a", 600)]));
    spend(&scheduler, &want(600.0)).await;
    scheduler
}

/// One who waits; it ends with the label and the time since now.
fn waiting(
    scheduler: &Arc<Scheduler>,
    want: Want,
) -> tokio::task::JoinHandle<crate::error::Result<(Arc<str>, Duration)>> {
    let (scheduler, started) = (scheduler.clone(), Instant::now());
    tokio::spawn(async move {
        let mut permit = scheduler.admit(&want).await?;
        permit.sending();
        let label = permit.account().label.clone();
        settled(permit, Outcome::Ok);
        Ok((label, started.elapsed()))
    })
}

#[tokio::test(start_paused = true)]
async fn an_account_that_comes_serves_those_who_wait_at_once() {
    let scheduler = spent().await;
    let waits = waiting(&scheduler, want(500.0));
    tokio::time::sleep(Duration::from_secs(1)).await;
    scheduler.update(&accounts(&list(&[account("a", 600), account("b", 600)])));
    let (label, waited) = waits.await.unwrap().unwrap();
    assert_eq!((&*label, waited), ("b", Duration::from_secs(1)));
}

#[tokio::test(start_paused = true)]
async fn one_whose_every_account_is_held_takes_an_account_that_comes() {
    let scheduler = scheduler(&list(&[account("a", 600)]));
    let held = Want {
        held: vec![("a".into(), 50_000.0)],
        is_repeat: true,
        ..want(1.0)
    };
    let waits = waiting(&scheduler, held);
    tokio::time::sleep(Duration::from_secs(1)).await;
    scheduler.update(&accounts(&list(&[account("a", 600), account("b", 600)])));
    let (label, waited) = waits.await.unwrap().unwrap();
    assert_eq!((&*label, waited), ("b", Duration::from_secs(1)));
}

#[tokio::test(start_paused = true)]
async fn an_account_that_goes_is_used_no_more_and_only_who_has_no_other_fails() {
    let scheduler = scheduler(&list(&[account("a", 6_000), account("b", 600)]));
    spend(&scheduler, &want(6_000.0)).await;
    spend(&scheduler, &want(600.0)).await;
    let of_any = waiting(&scheduler, want(300.0));
    let only_a = Want {
        accounts: Some(vec!["a".into()]),
        ..want(300.0)
    };
    let of_a = waiting(&scheduler, only_a);
    tokio::time::sleep(Duration::from_millis(500)).await;
    scheduler.update(&accounts(&list(&[account("b", 600)])));
    let error = of_a.await.unwrap().unwrap_err();
    assert_eq!(error.code(), Code::NoAccount);
    assert!(
        error.message().contains("a is not configured any more"),
        "{error}"
    );
    let (label, waited) = of_any.await.unwrap().unwrap();
    assert_eq!(&*label, "b");
    // The first one would have had its room within seven seconds.
    assert!(waited > Duration::from_secs(30), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn room_that_was_booked_on_an_account_that_goes_is_given_back() {
    let scheduler = scheduler(&list(&[account("a", 6_000), account("b", 600)]));
    let only_a = Want {
        accounts: Some(vec!["a".into()]),
        ..want(5_940.0)
    };
    spend(&scheduler, &only_a).await;
    let only_b = Want {
        accounts: Some(vec!["b".into()]),
        ..want(600.0)
    };
    spend(&scheduler, &only_b).await;
    // It asks again until its room on the first one is near, and then books ahead.
    let waits = waiting(&scheduler, want(60.0));
    let roster = scheduler.roster();
    while roster.of("a").unwrap().in_flight() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    scheduler.update(&accounts(&list(&[account("b", 600)])));
    let (label, _) = waits.await.unwrap().unwrap();
    assert_eq!(&*label, "b");
    assert_eq!(roster.of("a").unwrap().in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_raised_limit_lets_those_who_wait_go_early_and_a_lowered_one_holds_them() {
    for (tokens, secs) in [(6_000, 1..5), (300, 30..60)] {
        let scheduler = spent().await;
        // At 600 a minute it would take 22 seconds.
        let waits = waiting(&scheduler, want(100.0));
        tokio::time::sleep(Duration::from_secs(1)).await;
        scheduler.update(&accounts(&list(&[account("a", tokens)])));
        let (_, waited) = waits.await.unwrap().unwrap();
        assert!(secs.contains(&waited.as_secs()), "{tokens}: {waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_keep_their_order() {
    let scheduler = spent().await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for (name, priority) in [("first", 0), ("second", 0), ("urgent", 1), ("third", 0)] {
        let (scheduler, order) = (scheduler.clone(), order.clone());
        tasks.push(tokio::spawn(async move {
            let mut want = want(200.0);
            want.order.priority = priority;
            spend(&scheduler, &want).await;
            order.lock().unwrap().push(name);
        }));
        tokio::task::yield_now().await;
    }
    for tokens in [700, 650, 6_000] {
        scheduler.update(&accounts(&list(&[account("a", tokens)])));
        tokio::task::yield_now().await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(
        *order.lock().unwrap(),
        ["urgent", "first", "second", "third"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_bound_on_requests_in_flight_counts_those_from_before_it() {
    let scheduler = scheduler(r#"{"a":"k"}"#);
    let bounded = |most: u32| {
        accounts(&format!(
            r#"[{{"label":"a","apiKey":"k","maxConcurrency":{most},"limits":{{"*":{{"requestsPerMinute":99}}}}}}]"#
        ))
    };
    scheduler.update(&bounded(3));
    let mut permits = Vec::new();
    for _ in 0..3 {
        permits.push(scheduler.admit(&want(1.0)).await.unwrap());
    }
    scheduler.update(&bounded(2));
    let waits = waiting(&scheduler, want(1.0));
    settled(permits.pop().unwrap(), Outcome::Ok);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!waits.is_finished());
    scheduler.update(&bounded(3));
    let (_, waited) = waits.await.unwrap().unwrap();
    assert_eq!(waited, Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn another_key_ends_the_parking_and_what_the_old_one_hears_later_parks_nobody() {
    let scheduler = scheduler(&list(&[account_of_key("a", "old", 600)]));
    let mut late = scheduler.admit(&want(1.0)).await.unwrap();
    late.sending();
    let permit = scheduler.admit(&want(1.0)).await.unwrap();
    settled(permit, Outcome::KeyRefused);
    let update = |key, tokens| {
        scheduler.update(&accounts(&list(&[account_of_key("a", key, tokens)])));
    };
    // The same key with another limit is still refused.
    update("old", 700);
    let parked = scheduler.admit(&want(1.0)).await.unwrap_err();
    assert_eq!(parked.code(), Code::NoAccount);
    update("new", 700);
    spend(&scheduler, &want(1.0)).await;
    assert_eq!(late.account().key.expose(), "old");
    settled(late, Outcome::KeyRefused);
    let permit = scheduler.admit(&want(1.0)).await.unwrap();
    assert_eq!(permit.account().key.expose(), "new");
}

#[tokio::test(start_paused = true)]
async fn who_sleeps_until_its_moment_is_sent_with_the_key_of_that_moment() {
    let scheduler = scheduler(&list(&[account_of_key("a", "old", 6_000)]));
    spend(&scheduler, &want(5_940.0)).await;
    let sleeping = scheduler.clone();
    let sleeps = tokio::spawn(async move { sleeping.admit(&want(60.0)).await });
    let seat = seat(&scheduler, "a");
    while seat.in_flight() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    scheduler.update(&accounts(&list(&[account_of_key("a", "new", 6_000)])));
    let permit = sleeps.await.unwrap().unwrap();
    assert_eq!(permit.account().key.expose(), "new");
    drop(permit);
    assert_eq!(seat.in_flight(), 0);
}

#[test]
fn who_was_found_to_share_an_accounts_limits_is_asked_again_when_that_has_another_key() {
    let scheduler = scheduler(r#"{"a":"1","b":"2","c":"3"}"#);
    let identify = |label, organization| {
        scheduler.identify(&seat(&scheduler, label), &naming(organization));
    };
    for label in ["a", "b", "c"] {
        identify(label, "org-x");
    }
    assert_eq!(groups(&scheduler), [0, 0, 0]);
    // Nothing that OpenAI sees has changed.
    scheduler.update(&accounts(r#"[{"label":"a","apiKey":"1","weight":2},{"label":"b","apiKey":"2"},{"label":"c","apiKey":"3"}]"#));
    assert_eq!(groups(&scheduler), [0, 0, 0]);
    scheduler.update(&accounts(r#"{"a":"other","b":"2","c":"3"}"#));
    assert_eq!(groups(&scheduler), [0, 1, 2]);
    identify("a", "org-y");
    identify("b", "org-x");
    identify("c", "org-x");
    assert_eq!(groups(&scheduler), [0, 1, 1]);
    // The first of them goes, and the other keeps the lane; until an account comes to which that belongs by its name.
    scheduler.update(&accounts(r#"{"a":"other","c":"3"}"#));
    assert_eq!(groups(&scheduler), [0, 1]);
    scheduler.update(&accounts(r#"{"a":"other","b":"new","c":"3"}"#));
    assert_eq!(groups(&scheduler), [0, 1, 2]);
}
