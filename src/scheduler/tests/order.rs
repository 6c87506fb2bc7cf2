//! Who goes before whom while requests wait.

use tokio::time::timeout_at;

use super::*;

/// One account of 600 tokens per minute, all of which are spent.
async fn spent_account() -> Arc<Scheduler> {
    let scheduler =
        scheduler(r#"[{"label":"a","apiKey":"k","limits":{"*":{"tokensPerMinute":600}}}]"#);
    spend(&scheduler, &want(600.0)).await;
    scheduler
}

/// Lets callers come one after the other; returns their names in the order in which they are served.
async fn served(
    scheduler: &Arc<Scheduler>,
    callers: Vec<(&'static str, Want)>,
) -> Vec<&'static str> {
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for (name, want) in callers {
        let (scheduler, order) = (scheduler.clone(), order.clone());
        tasks.push(tokio::spawn(async move {
            spend(&scheduler, &want).await;
            order.lock().unwrap().push(name);
        }));
        tokio::task::yield_now().await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    order.lock().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn a_large_request_is_not_overtaken_by_small_ones_that_came_later() {
    let scheduler = spent_account().await;
    let callers = vec![
        ("large", want(600.0)),
        ("small", want(1.0)),
        ("smaller", want(2.0)),
    ];
    assert_eq!(
        served(&scheduler, callers).await,
        ["large", "small", "smaller"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_of_higher_priority_overtakes_those_who_wait() {
    let scheduler = spent_account().await;
    let mut urgent = want(100.0);
    urgent.order.priority = 5;
    let callers = vec![
        ("first", want(100.0)),
        ("second", want(100.0)),
        ("urgent", urgent),
    ];
    assert_eq!(
        served(&scheduler, callers).await,
        ["urgent", "first", "second"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_sent_in_vain_goes_before_those_who_came_later() {
    let scheduler = spent_account().await;
    let again = Want {
        is_repeat: true,
        ..want(60.0)
    };
    let callers = vec![
        ("first", want(60.0)),
        ("second", want(60.0)),
        ("again", again),
    ];
    let order = served(&scheduler, callers).await;
    // Who was told its moment before keeps it; who stands behind that one does not go first.
    let place = |name| order.iter().position(|served| *served == name);
    assert!(place("again") < place("second"), "{order:?}");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_while_it_waits_leaves_its_room_to_the_next() {
    let scheduler =
        scheduler(r#"[{"label":"a","apiKey":"k","limits":{"*":{"tokensPerMinute":600}}}]"#);
    spend(&scheduler, &want(600.0)).await;
    let large = want(600.0);
    let impatient = timeout_at(
        Instant::now() + Duration::from_secs(5),
        scheduler.admit(&large),
    );
    assert!(impatient.await.is_err());
    assert_eq!(scheduler.waiting(), 0);
    let started = Instant::now();
    spend(&scheduler, &want(60.0)).await;
    // Five seconds have passed since the account was spent; 60 tokens and a margin of 70.2 must have flowed back.
    assert_eq!(started.elapsed(), Duration::from_millis(8_020));
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_may_only_use_a_busy_account_does_not_keep_others_from_a_free_one() {
    let scheduler = two_accounts();
    let only_first = Want {
        accounts: Some(vec!["a".into()]),
        ..want(600.0)
    };
    spend(&scheduler, &only_first).await;
    let waiting = scheduler.clone();
    let restricted = tokio::spawn(async move { spend(&waiting, &only_first).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let started = Instant::now();
    assert_eq!(&*spend(&scheduler, &want(600.0)).await, "b");
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert_eq!(&*restricted.await.unwrap(), "a");
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_served_in_time_behind_others_is_refused_when_it_comes() {
    let scheduler = scheduler(
        r#"[{"label":"a","apiKey":"k","limits":{"*":{"tokensPerMinute":600,"requestsPerMinute":99}}}]"#,
    );
    spend(&scheduler, &want(600.0)).await;
    let waiting = scheduler.clone();
    let first = tokio::spawn(async move { spend(&waiting, &want(500.0)).await });
    tokio::task::yield_now().await;
    let started = Instant::now();
    // 500 tokens of the first and 100 of its own, at 10 a second.
    let hurried = Want {
        patience: Duration::from_secs(30),
        ..want(100.0)
    };
    let error = scheduler.admit(&hurried).await.unwrap_err();
    assert_eq!(error.code(), Code::Wait);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(60)));
    assert_eq!(started.elapsed(), Duration::ZERO);
    first.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn those_behind_a_caller_that_goes_away_are_told_at_once() {
    let scheduler = spent_account().await;
    let large = want(600.0);
    let impatient = timeout_at(
        Instant::now() + Duration::from_secs(5),
        scheduler.admit(&large),
    );
    let started = Instant::now();
    let behind = async {
        tokio::task::yield_now().await;
        spend(&scheduler, &want(60.0)).await;
        started.elapsed()
    };
    let (impatient, waited) = tokio::join!(impatient, behind);
    assert!(impatient.is_err());
    // 60 tokens and a margin of 70.2, since the account was spent; not the minute that the first would have taken.
    assert_eq!(waited, Duration::from_millis(13_020));
}

#[tokio::test(start_paused = true)]
async fn priority_decides_who_gets_the_next_of_few_places() {
    let scheduler = scheduler(r#"[{"label":"a","apiKey":"k","maxConcurrency":1}]"#);
    let first = scheduler.admit(&want(1.0)).await.unwrap();
    let mut urgent = want(1.0);
    urgent.order.priority = 1;
    let callers = vec![("one", want(1.0)), ("other", want(1.0)), ("urgent", urgent)];
    let waiting = scheduler.clone();
    let order = tokio::spawn(async move { served(&waiting, callers).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    settled(first, Outcome::Ok);
    assert_eq!(order.await.unwrap(), ["urgent", "one", "other"]);
}

#[tokio::test(start_paused = true)]
async fn a_named_moment_goes_before_those_who_asked_earlier_and_named_none() {
    let scheduler = spent_account().await;
    let mut due = want(60.0);
    due.order.deadline_ms = 50_000.0;
    let mut callers: Vec<(&str, Want)> = (0..5).map(|_| ("patient", want(60.0))).collect();
    callers.push(("due", due));
    assert_eq!(served(&scheduler, callers).await[0], "due");
}

#[tokio::test(start_paused = true)]
async fn no_cache_is_worth_more_than_the_callers_patience() {
    let scheduler = two_accounts();
    let prefix = |hash| Prefix {
        hash,
        worth_ms: 2_000.0,
    };
    // A prefix whose home is the first account, which has spent all.
    let at_first = |hash: &u64| nearness(*hash, "a") > nearness(*hash, "b");
    let hash = (0..).find(at_first).unwrap();
    let only_first = Want {
        accounts: Some(vec!["a".into()]),
        ..want(590.0)
    };
    spend(&scheduler, &only_first).await;
    let hurried = Want {
        prefix: Some(prefix(hash)),
        patience: Duration::ZERO,
        ..want(5.0)
    };
    assert_eq!(&*spend(&scheduler, &hurried).await, "b");
    let patient = Want {
        patience: Duration::from_secs(10),
        ..hurried
    };
    let started = Instant::now();
    assert_eq!(&*spend(&scheduler, &patient).await, "a");
    assert!(started.elapsed() > Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_is_refused_keeps_no_place_before_others() {
    let scheduler = spent_account().await;
    let hurried = Want {
        patience: Duration::from_secs(10),
        ..want(600.0)
    };
    let error = scheduler.admit(&hurried).await.unwrap_err();
    assert_eq!(error.code(), Code::Wait);
    let started = Instant::now();
    spend(&scheduler, &want(60.0)).await;
    // 60 tokens and a margin of 70.2 since the account was spent; behind the refused one it would be a minute.
    assert_eq!(started.elapsed(), Duration::from_millis(13_020));
}
