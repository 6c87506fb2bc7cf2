//! Every count arrives once, under names that others can read, whatever was there before.

use super::{cluster::Masters, servers::Server, *};
use crate::books::{day::DAY_MS, sheet::REPORTED_KEPT_MS};

#[tokio::test]
async fn writers_at_once_sum_to_the_token() {
    let server = Server::start(&[]);
    let direct = at(&server);
    let shops = [Shop::on(&server), Shop::on(&server), Shop::on(&server)];
    // Long enough that several reports overlap with counting.
    for round in 0..20_u64 {
        for (index, shop) in shops.iter().enumerate() {
            for request in 0..50 {
                shop.count(&format!("org_{}", 1 + request % 2), "chat", round + request);
                shop.count("org_1", "embeddings", index as u64);
            }
            shop.settle().await;
        }
    }
    // Of each shop and round: 0 + 2 + … + 48, and 25 times the round.
    let even: u64 = (0..20).map(|round| 3 * (600 + 25 * round)).sum();
    let odd: u64 = (0..20).map(|round| 3 * (625 + 25 * round)).sum();
    let embeddings = 20 * 50 * (1 + 2);
    for (key, tokens) in [
        ("org_1:tokensUsed", even + embeddings),
        ("org_2:tokensUsed", odd),
        ("chat:tokensUsed", even + odd),
        ("chat:tokensUsed:org_1", even),
        ("chat:tokensUsed:org_2", odd),
        ("embeddings:tokensUsed", embeddings),
        ("embeddings:tokensUsed:org_1", embeddings),
    ] {
        assert_eq!(
            text(&direct, &format!("GET {key}")).await,
            tokens.to_string(),
            "{key}"
        );
    }
    let usage = hash(&direct, &format!("orm:{{shop:usage}}:{TODAY}")).await;
    assert_eq!(usage["org_1 gpt-4o chat requests"], "1500");
    assert_eq!(usage["org_1 gpt-4o chat tokens"], even.to_string());
    assert_eq!(usage["org_2 gpt-4o chat nano_usd"], (3 * odd).to_string());
    let spent = hash(&direct, "orm:{shop:usage}:spent:2026-11").await;
    assert_eq!(spent["* tokens"], (even + odd + embeddings).to_string());
    let rows = shops[0].usage(json!({"by": ["type"]})).await.unwrap();
    assert_eq!(rows[0]["type"], "chat");
    assert_eq!(rows[0]["totalTokens"], even + odd);
    assert_eq!(rows[1]["requests"], 3_000);
}

#[tokio::test]
async fn many_counts_share_a_report_and_what_is_left_goes_with_it() {
    let server = Server::start(&[]);
    let (shop, direct) = (Shop::new(at(&server), "app:"), at(&server));
    for left in (0..1_000).rev() {
        let entry = Entry {
            account: &"org_1".into(),
            model: "gpt-4o",
            kind: "chat",
            counts: Counts::of_tokens(1),
            tokens_left: Some(f64::from(left) + 0.9),
            requests_left: Some(f64::INFINITY),
        };
        shop.books.count(&entry, None);
    }
    shop.settle().await;
    let info = text(&direct, "INFO commandstats").await;
    let scripts = info.lines().filter(|line| line.starts_with("cmdstat_eval"));
    let runs = scripts.map(|line| {
        let calls = line.split_once("calls=").unwrap().1;
        calls.split(',').next().unwrap().parse::<u64>().unwrap()
    });
    // Four slots, once by hash and once by text; perhaps a report went before most of it was counted.
    assert!(runs.sum::<u64>() <= 12, "{info}");
    assert_eq!(text(&direct, "GET app:org_1:tokensUsed").await, "1000");
    assert_eq!(
        text(&direct, "GET app:org_1:availability:tokens").await,
        "0"
    );
    assert_eq!(
        text(&direct, "EXISTS app:org_1:availability:requests").await,
        "0"
    );
}

#[tokio::test]
async fn what_stood_in_a_key_before_is_added_to_or_left_alone() {
    let server = Server::start(&[]);
    let (shop, direct) = (Shop::on(&server), at(&server));
    for (key, value) in [
        ("org_1", "NaN"),
        ("org_2", "12.75"),
        ("org_3", "100"),
        ("org_4", "9223372036854775807"),
    ] {
        text(&direct, &format!("SET {key}:tokensUsed {value}")).await;
    }
    text(&direct, "RPUSH org_5:tokensUsed mine").await;
    for account in ["org_1", "org_2", "org_3", "org_4", "org_5"] {
        shop.count(account, "chat", 5);
    }
    shop.settle().await;
    text(&direct, "INCRBY org_3:tokensUsed 1000").await;
    shop.count("org_3", "chat", 5);
    shop.settle().await;
    for (key, value) in [
        ("org_1", "5"),
        ("org_2", "17"),
        ("org_3", "1110"),
        ("org_4", "9223372036854775807"),
    ] {
        assert_eq!(
            text(&direct, &format!("GET {key}:tokensUsed")).await,
            value,
            "{key}"
        );
    }
    assert_eq!(text(&direct, "LLEN org_5:tokensUsed").await, "1");
    assert_eq!(text(&direct, "GET chat:tokensUsed").await, "30");
    assert_eq!(shop.tokens().await, 30);
}

#[tokio::test]
async fn at_a_change_of_day_another_writer_begins_and_old_keys_expire() {
    let server = Server::start(&[]);
    let (shop, direct) = (Shop::on(&server), at(&server));
    shop.count("org_1", "chat", 5);
    shop.settle().await;
    let before = keys(&direct, "orm:*:reported:*").await;
    assert_eq!(before.len(), 4);
    *shop.now_ms.lock().unwrap() += DAY_MS;
    shop.count("org_1", "chat", 7);
    shop.settle().await;
    shop.count("org_1", "chat", 9);
    shop.settle().await;
    let after = keys(&direct, "orm:*:reported:*").await;
    // Counts that come with the new day still belong to the old writer; it ends when they have arrived.
    assert!(after.len() >= before.len() + 4, "{after:?}");
    assert_eq!(text(&direct, "GET org_1:tokensUsed").await, "21");
    let tomorrow = hash(&direct, "orm:{shop:usage}:2026-11-25").await;
    assert_eq!(tomorrow["org_1 gpt-4o chat tokens"], "16");
    let kept_ms = |key: String| {
        let direct = &direct;
        async move {
            text(direct, &format!("PTTL {key}"))
                .await
                .parse::<f64>()
                .unwrap()
        }
    };
    for key in after {
        let left_ms = kept_ms(key).await;
        assert!((1.0..=REPORTED_KEPT_MS).contains(&left_ms), "{left_ms}");
    }
    let left_ms = kept_ms("orm:{shop:usage}:2026-11-25".to_owned()).await;
    assert!(
        (399.0 * DAY_MS..=400.0 * DAY_MS).contains(&left_ms),
        "{left_ms}"
    );
    assert_eq!(text(&direct, "TTL org_1:tokensUsed").await, "-1");
}

#[tokio::test]
async fn on_a_cluster_every_key_is_counted_in_its_slot_whatever_prefix_and_type_are() {
    let masters = Masters::start().await;
    for prefix in ["", "app:", "{app}:", "a}b{", "{}", "{x"] {
        let shop = Shop::new(masters.connection(), prefix);
        for kind in ["chat", "own {type}", "}{"] {
            shop.count("org_1", kind, 5);
            shop.count("org_2", kind, 6);
        }
        shop.settle().await;
        shop.count("org_1", "chat", 7);
        shop.settle().await;
        let direct = masters.connection();
        let get = async |key: String| {
            let mut command = redis::cmd("GET");
            command.arg(format!("{prefix}{key}"));
            shown(&direct.run(&command).await.unwrap())
        };
        assert_eq!(get("org_1:tokensUsed".to_owned()).await, "22", "{prefix}");
        assert_eq!(
            get("chat:tokensUsed:org_1".to_owned()).await,
            "12",
            "{prefix}"
        );
        assert_eq!(
            get("own {type}:tokensUsed".to_owned()).await,
            "11",
            "{prefix}"
        );
        assert_eq!(get("}{:tokensUsed:org_2".to_owned()).await, "6", "{prefix}");
    }
    assert_eq!(Shop::new(masters.connection(), "").tokens().await, 6 * 40);
}

#[tokio::test]
async fn a_row_that_is_none_of_ours_does_not_keep_usage_from_being_read() {
    let server = Server::start(&[]);
    let (shop, direct) = (Shop::on(&server), at(&server));
    shop.count("org_1", "chat", 5);
    shop.settle().await;
    text(
        &direct,
        &format!("HSET orm:{{shop:usage}}:{TODAY} note hello a b"),
    )
    .await;
    assert_eq!(shop.tokens().await, 5);
}
