//! Time is virtual: tokio's clock is paused and jumps to the next timer.

mod budget;
mod choice;
mod order;
mod properties;
mod update;

use super::*;
use crate::{
    attempt::{Loss, Outcome},
    config::Settings,
    error::Code,
    quota::{MemoryStore, Unspent},
};

fn scheduler(accounts: &str) -> Arc<Scheduler> {
    let settings = Settings::parse(&format!(r#"{{"accounts":{accounts}}}"#)).unwrap();
    let store = Arc::new(MemoryStore::new());
    Arc::new(Scheduler::new(&settings.accounts, Arc::default(), store))
}

fn two_accounts() -> Arc<Scheduler> {
    scheduler(
        r#"[{"label":"a","apiKey":"k","limits":{"*":{"tokensPerMinute":600}}},
            {"label":"b","apiKey":"k","limits":{"*":{"tokensPerMinute":600}}}]"#,
    )
}

fn want(tokens: f64) -> Want {
    Want {
        model: "m".into(),
        model_group: "m".into(),
        cost: Cost {
            requests: 1.0,
            tokens,
        },
        accounts: None,
        refused_by: Vec::new(),
        held: Vec::new(),
        prefix: None,
        force: false,
        is_repeat: false,
        order: Order {
            priority: 0,
            deadline_ms: f64::INFINITY,
            tenant: "".into(),
            weight: 1.0,
        },
        patience: Duration::from_secs(120),
    }
}

fn settled(permit: Permit, outcome: Outcome) {
    told(permit, outcome, None);
}

fn told(permit: Permit, outcome: Outcome, loss: Option<Loss>) {
    permit.settle(Settling {
        outcome,
        loss,
        unspent: Unspent::Nothing,
        reading: crate::headers::Reading::default(),
        limit_hit: None,
        block_ms: None,
    });
}

/// Admits, sends and settles; returns the account's label.
async fn spend(scheduler: &Arc<Scheduler>, want: &Want) -> Arc<str> {
    let mut permit = scheduler.admit(want).await.unwrap();
    permit.sending();
    let label = permit.account().label.clone();
    settled(permit, Outcome::Ok);
    label
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_exactly_until_the_first_account_has_room() {
    let scheduler = two_accounts();
    spend(&scheduler, &want(600.0)).await;
    spend(&scheduler, &want(500.0)).await;
    let started = Instant::now();
    assert_eq!(&*spend(&scheduler, &want(400.0)).await, "b");
    // The second account has 100 tokens. Nothing is known of its charges, so the request and its margin are all that it can
    // hold: 500 are lacking, at 10 a second.
    assert_eq!(started.elapsed(), Duration::from_secs(50));
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_is_dropped_unsent_gives_its_room_back() {
    let scheduler =
        scheduler(r#"[{"label":"a","apiKey":"k","limits":{"*":{"tokensPerMinute":600}}}]"#);
    drop(scheduler.admit(&want(600.0)).await.unwrap());
    let started = Instant::now();
    let mut permit = scheduler.admit(&want(600.0)).await.unwrap();
    assert_eq!(started.elapsed(), Duration::ZERO);
    permit.sending();
    drop(permit);
    // Sent: OpenAI has counted it.
    let refused = scheduler
        .admit(&Want {
            patience: Duration::ZERO,
            ..want(600.0)
        })
        .await;
    assert_eq!(refused.unwrap_err().code(), Code::Wait);
}

#[tokio::test(start_paused = true)]
async fn room_that_comes_too_late_is_refused_at_once_with_the_true_wait() {
    let scheduler =
        scheduler(r#"[{"label":"a","apiKey":"k","limits":{"*":{"tokensPerMinute":600}}}]"#);
    spend(&scheduler, &want(600.0)).await;
    let started = Instant::now();
    let hurried = Want {
        patience: Duration::from_secs(10),
        ..want(100.0)
    };
    let error = scheduler.admit(&hurried).await.unwrap_err();
    assert_eq!(error.code(), Code::Wait);
    // 100 tokens and a margin of 117, at 10 a second.
    assert_eq!(error.retry_after(), Some(Duration::from_millis(21_700)));
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_request_above_every_limit_is_refused_at_once_with_the_numbers() {
    let error = two_accounts().admit(&want(601.0)).await.unwrap_err();
    assert_eq!(error.code(), Code::TooLarge);
    assert!(error.message().contains("601 tokens"), "{error}");
    assert!(error.message().contains("600 tokens per minute"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn no_account_has_more_requests_in_flight_than_it_allows() {
    let scheduler = scheduler(
        r#"[{"label":"a","apiKey":"k","maxConcurrency":2,"limits":{"*":{"requestsPerMinute":9}}}]"#,
    );
    let first = scheduler.admit(&want(1.0)).await.unwrap();
    let second = scheduler.admit(&want(1.0)).await.unwrap();
    let waiting = scheduler.clone();
    let third = tokio::spawn(async move { waiting.admit(&want(1.0)).await.map(drop) });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!third.is_finished());
    settled(first, Outcome::Ok);
    third.await.unwrap().unwrap();
    drop(second);
}

#[tokio::test(start_paused = true)]
async fn force_goes_now_where_nothing_is_left() {
    let scheduler = two_accounts();
    let forced = Want {
        force: true,
        ..want(600.0)
    };
    let started = Instant::now();
    for _ in 0..5 {
        spend(&scheduler, &forced).await;
    }
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn an_account_that_refused_its_key_is_left_out_and_asked_again_later() {
    let scheduler = two_accounts();
    let permit = scheduler.admit(&want(1.0)).await.unwrap();
    let refused = permit.account().label.clone();
    settled(permit, Outcome::KeyRefused);
    for _ in 0..5 {
        assert_ne!(spend(&scheduler, &want(1.0)).await, refused);
    }
    let only = Want {
        accounts: Some(vec![refused.clone()]),
        ..want(1.0)
    };
    let error = scheduler.admit(&only).await.unwrap_err();
    assert_eq!(error.code(), Code::NoAccount);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(60)));
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(spend(&scheduler, &only).await, refused);
}

#[tokio::test(start_paused = true)]
async fn the_loss_of_a_connection_counts_once_for_each_account_and_losses_in_a_row_hold_it_back() {
    let wide = r#""limits":{"*":{"requestsPerMinute":1e6}}"#;
    let accounts = ["a", "b"].map(|label| format!(r#"{{"label":"{label}","apiKey":"k",{wide}}}"#));
    let scheduler = scheduler(&format!("[{}]", accounts.join(",")));
    let lose = async |label: &str, loss: &Loss| {
        let want = Want {
            accounts: Some(vec![label.into()]),
            ..want(1.0)
        };
        let permit = scheduler.admit(&want).await.unwrap();
        told(permit, Outcome::Broken, Some(loss.clone()));
    };
    let started = Instant::now();
    let losses: Vec<Loss> = (0..4).map(|_| Loss::new()).collect();
    for loss in &losses {
        for _ in 0..20 {
            lose("a", loss).await;
        }
        assert_eq!(started.elapsed(), Duration::ZERO);
    }
    let fifth = Loss::new();
    lose("a", &fifth).await;
    lose("b", &fifth).await;
    lose("b", &fifth).await;
    assert_eq!(started.elapsed(), Duration::ZERO);
    lose("a", &fifth).await;
    assert_eq!(started.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_held_account_is_passed_over_and_waited_for_where_there_is_no_other() {
    let scheduler = two_accounts();
    let until_ms = scheduler.now_ms() + 4_000.0;
    let held = Want {
        held: vec![("a".into(), until_ms)],
        ..want(1.0)
    };
    let started = Instant::now();
    assert_eq!(&*spend(&scheduler, &held).await, "b");
    assert_eq!(started.elapsed(), Duration::ZERO);
    let only = Want {
        accounts: Some(vec!["a".into()]),
        ..held
    };
    assert_eq!(&*spend(&scheduler, &only).await, "a");
    assert_eq!(started.elapsed(), Duration::from_secs(4));
}

#[tokio::test(start_paused = true)]
async fn room_that_comes_back_early_wakes_who_waits() {
    let scheduler =
        scheduler(r#"[{"label":"a","apiKey":"k","limits":{"*":{"tokensPerMinute":600}}}]"#);
    let first = scheduler.admit(&want(600.0)).await.unwrap();
    let waiting = scheduler.clone();
    let second = tokio::spawn(async move { waiting.admit(&want(600.0)).await.map(drop) });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let started = Instant::now();
    drop(first);
    second.await.unwrap().unwrap();
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_order_of_standings_is_the_order_of_choosing() {
    let scheduler = two_accounts();
    spend(&scheduler, &want(300.0)).await;
    let standings = scheduler
        .standings(&"m".into(), want(100.0).cost)
        .await
        .unwrap();
    let accounts: Vec<usize> = standings.iter().map(|standing| standing.place).collect();
    assert_eq!(accounts, [1, 0]);
    assert_eq!(standings[1].lane.tokens_left, Some(300.0));
}

#[tokio::test(start_paused = true)]
async fn a_burst_on_unknown_limits_starts_slowly_and_is_served() {
    let scheduler = scheduler(r#"{"a": "k", "b": "k"}"#);
    let most = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for _ in 0..60 {
        let (scheduler, most) = (scheduler.clone(), most.clone());
        tasks.push(tokio::spawn(async move {
            let mut permit = scheduler.admit(&want(1.0)).await.unwrap();
            permit.sending();
            let seats = &scheduler.roster().seats;
            let under_way: usize = seats.iter().map(|seat| seat.in_flight()).sum();
            let now = scheduler.now_ms();
            if now < 100.0 {
                most.fetch_max(under_way, Ordering::Relaxed);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            settled(permit, Outcome::Ok);
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    // One on each account before the first answer; 1 + 2 + 4 + … by 100 ms each afterwards.
    assert_eq!(most.load(Ordering::Relaxed), 2);
    assert!(scheduler.now_ms() < 1_000.0, "{}", scheduler.now_ms());
}

#[tokio::test(start_paused = true)]
async fn a_block_reaches_those_who_booked_before_it() {
    let scheduler =
        scheduler(r#"[{"label":"a","apiKey":"k","limits":{"*":{"tokensPerMinute":6000}}}]"#);
    let mut first = scheduler.admit(&want(5_940.0)).await.unwrap();
    first.sending();
    // 60 tokens and the margin are back in 600 ms: booked ahead.
    let waiting = scheduler.clone();
    let second = tokio::spawn(async move {
        spend(&waiting, &want(60.0)).await;
        waiting.now_ms()
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    first.settle(Settling {
        outcome: Outcome::Limited,
        loss: None,
        unspent: Unspent::Tokens,
        reading: crate::headers::Reading::default(),
        limit_hit: None,
        block_ms: Some(4_000.0),
    });
    assert!(second.await.unwrap() >= 4_100.0);
}

#[test]
fn accounts_of_one_organization_are_found_to_share_its_limits() {
    let scheduler = scheduler(
        r#"[{"label":"a","apiKey":"k"},{"label":"b","apiKey":"k"},{"label":"c","apiKey":"k"},
            {"label":"given","apiKey":"k","quotaGroup":"own"}]"#,
    );
    scheduler.identify(&seat(&scheduler, "a"), &HeaderMap::new());
    for (label, organization) in [
        ("a", "org-x"),
        ("b", "org-x"),
        ("c", "org-y"),
        ("given", "org-x"),
    ] {
        scheduler.identify(&seat(&scheduler, label), &naming(organization));
    }
    assert_eq!(groups(&scheduler), [0, 0, 2, 3]);
    let warnings = scheduler.take_warnings();
    let [warning] = &warnings[..] else {
        panic!("{warnings:?}");
    };
    assert_eq!(warning.code, "QUOTA_GROUPS_MERGED");
    assert_eq!(
        (warning.account.as_deref(), warning.quota_group.as_deref()),
        (Some("b"), Some("a"))
    );
    assert!(
        warning.message.contains("`quotaGroup`"),
        "{}",
        warning.message
    );
    // Told once, also where more answers name the organization.
    scheduler.identify(&seat(&scheduler, "b"), &naming("org-x"));
    assert!(scheduler.take_warnings().is_empty());
}

#[test]
fn a_warning_does_not_tell_the_id_of_the_organization_that_a_group_is_named_after() {
    let scheduler = scheduler(
        r#"[{"label":"a","apiKey":"k","organization":"org-x"},{"label":"b","apiKey":"k"}]"#,
    );
    for label in ["a", "b"] {
        scheduler.identify(&seat(&scheduler, label), &naming("org-x"));
    }
    let warnings = scheduler.take_warnings();
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0].quota_group.as_deref(), Some("a"));
    assert!(!warnings[0].message.contains("org-x"), "{warnings:?}");
}

fn seat(scheduler: &Scheduler, label: &str) -> Arc<Seat> {
    scheduler.roster().of(label).unwrap().clone()
}

/// The quota groups of all accounts.
fn groups(scheduler: &Scheduler) -> Vec<usize> {
    let seats = &scheduler.roster().seats;
    seats.iter().map(|seat| seat.quota_group).collect()
}

/// The headers of an answer that names its organization.
fn naming(organization: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(
        "openai-organization",
        http::HeaderValue::from_static(organization),
    );
    headers
}
