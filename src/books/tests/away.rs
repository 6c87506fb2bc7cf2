//! Redis away, slow, or with less than it had: nothing is lost and nothing is counted twice.

use super::{servers::Server, *};
use crate::{
    books::{Amount, Grant},
    config::Budget,
    error::Code,
};

#[tokio::test]
async fn a_crash_under_reports_loses_and_doubles_nothing() {
    let mut server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let shops = [Shop::hasty_on(&server), Shop::hasty_on(&server)];
    let mut sum = 0;
    for round in 1..=4_u64 {
        for shop in &shops {
            for _ in 0..20 {
                shop.count("org_1", "chat", round);
                sum += round;
                // A report may be under way at any of these points.
                tokio::task::yield_now().await;
            }
        }
        server.kill();
        for shop in &shops {
            shop.count("org_2", "chat", 100 * round);
            sum += 100 * round;
        }
        server.restart();
    }
    for shop in &shops {
        shop.settle().await;
    }
    assert_eq!(shops[0].tokens().await, sum);
    let direct = at(&server);
    assert_eq!(text(&direct, "GET org_1:tokensUsed").await, "400");
    assert_eq!(text(&direct, "GET chat:tokensUsed").await, sum.to_string());
}

#[tokio::test]
async fn a_report_whose_answer_came_too_late_is_counted_once() {
    let server = Server::start(&[]);
    let shop = Shop::hasty_on(&server);
    shop.count("org_1", "chat", 5);
    shop.settle().await;
    for _ in 0..3 {
        server.hang();
        shop.count("org_1", "chat", 10);
        let error = shop.usage(json!({})).await.unwrap_err();
        assert_eq!(error.code(), Code::Store);
        assert!(
            error.message().contains("did not answer in time"),
            "{error}"
        );
        server.go_on();
        shop.settle().await;
    }
    assert_eq!(shop.tokens().await, 35);
    assert_eq!(text(&at(&server), "GET org_1:tokensUsed").await, "35");
}

#[tokio::test]
async fn what_redis_has_lost_is_added_again_by_all_who_live() {
    let mut server = Server::start(&[]);
    let shops = [Shop::on(&server), Shop::on(&server)];
    for shop in &shops {
        shop.count("org_1", "chat", 5);
        shop.count("org_2", "embeddings", 7);
        shop.settle().await;
    }
    server.kill();
    server.restart();
    for shop in &shops {
        shop.count("org_1", "chat", 1);
        shop.settle().await;
    }
    assert_eq!(shops[1].tokens().await, 26);
    let direct = at(&server);
    for (key, tokens) in [("org_1:tokensUsed", "12"), ("chat:tokensUsed", "12")] {
        assert_eq!(text(&direct, &format!("GET {key}")).await, tokens, "{key}");
    }
    // Of slots in which nothing is new, the loss is seen when somebody looks.
    for shop in &shops {
        shop.count("org_2", "embeddings", 1);
        shop.settle().await;
    }
    assert_eq!(text(&direct, "GET org_2:tokensUsed").await, "16");
}

#[tokio::test]
async fn scripts_that_were_flushed_are_sent_again() {
    let server = Server::start(&[]);
    let (shop, direct) = (Shop::on(&server), at(&server));
    for _ in 0..3 {
        shop.count("org_1", "chat", 5);
        text(&direct, "SCRIPT FLUSH").await;
        shop.settle().await;
    }
    assert_eq!(text(&direct, "GET org_1:tokensUsed").await, "15");
}

#[tokio::test]
async fn usage_says_that_redis_is_away_and_counting_goes_on() {
    let mut server = Server::start(&["--appendonly", "yes"]);
    let shop = Shop::on(&server);
    shop.count("org_1", "chat", 5);
    shop.settle().await;
    server.kill();
    let error = shop.usage(json!({})).await.unwrap_err();
    assert_eq!(error.code(), Code::Store);
    let address = format!("redis at 127.0.0.1:{}", server.port);
    assert!(error.message().contains(&address), "{error}");
    shop.count("org_1", "chat", 6);
    assert_eq!(shop.books.of("org_1").tokens(), 11);
    server.restart();
    shop.settle().await;
    assert_eq!(shop.tokens().await, 11);
}

#[tokio::test]
async fn books_that_are_dropped_say_what_nobody_has_heard() {
    let server = Server::start(&[]);
    let (shop, direct) = (Shop::on(&server), at(&server));
    shop.count("org_1", "chat", 5);
    shop.settle().await;
    // Within a tenth of a second of the last report, so that it would have waited.
    shop.count("org_1", "chat", 6);
    drop(shop);
    eventually(|| async {
        match text(&direct, "GET org_1:tokensUsed").await.as_str() {
            "11" => Ok(()),
            other => Err(other.to_owned()),
        }
    })
    .await;
}

#[tokio::test]
async fn a_redis_that_takes_no_writes_gets_them_later() {
    let server = Server::start(&[]);
    let (shop, direct) = (Shop::on(&server), at(&server));
    shop.count("org_1", "chat", 5);
    shop.settle().await;
    text(&direct, "CONFIG SET maxmemory 1").await;
    shop.count("org_1", "chat", 6);
    let error = shop.usage(json!({})).await.unwrap_err();
    assert!(error.message().contains("is out of memory"), "{error}");
    text(&direct, "CONFIG SET maxmemory 0").await;
    shop.settle().await;
    assert_eq!(text(&direct, "GET org_1:tokensUsed").await, "11");
    assert_eq!(shop.tokens().await, 11);
}

#[tokio::test]
async fn a_user_who_may_not_write_the_keys_of_others_still_has_usage_and_budgets() {
    let server = Server::start(&[]);
    let direct = at(&server);
    text(
        &direct,
        "ACL SETUSER app on >pass ~orm:{shop:usage}:* +@all",
    )
    .await;
    let mut as_app = target(&server);
    as_app["username"] = json!("app");
    as_app["password"] = json!("pass");
    let shop = Shop::new(connection(&as_app, PATIENT), "");
    shop.books.set_budgets(
        Budget {
            tokens_per_day: Some(100.0),
            ..Budget::default()
        },
        &[],
    );
    for _ in 0..3 {
        shop.count("org_1", "chat", 5);
        let grant = shop
            .books
            .reserve(&"org_1".into(), Amount::new(1, None))
            .await;
        assert!(matches!(grant, Ok(Grant::Granted(_))), "{grant:?}");
    }
    assert_eq!(shop.tokens().await, 15);
    assert_eq!(text(&direct, "EXISTS org_1:tokensUsed").await, "0");
    text(&direct, "ACL SETUSER app ~*").await;
    shop.settle().await;
    assert_eq!(text(&direct, "GET org_1:tokensUsed").await, "15");
}
