//! What the JavaScript side writes becomes a target; what is wrong is named, and no secret is shown.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value, json};

use super::*;
use crate::error::Code;

/// The examples that both sides agree on: a name, the JSON, and how the target is described.
const EXAMPLES: &str = include_str!("../../../__test__/fixtures/redis-targets.json");

fn parsed(json: &Value) -> RedisTarget {
    RedisTarget::parse(&json.to_string()).unwrap_or_else(|error| panic!("{json}: {error}"))
}

#[test]
fn every_example_is_parsed_and_described() {
    let examples: BTreeMap<String, Value> = serde_json::from_str(EXAMPLES).unwrap();
    assert!(examples.len() > 5);
    for (name, example) in examples {
        assert_eq!(
            parsed(&example["target"]).describe(),
            example["description"],
            "{name}"
        );
    }
}

#[test]
fn every_field_arrives() {
    let target = parsed(&json!({
        "sentinel": {"nodes": [{"host": "b", "port": 2}, {"host": "a", "port": 1}, {"host": "b", "port": 2}],
                     "master": "main", "username": "su", "password": "sp", "tls": {"check": "nothing"}},
        "username": "u", "password": "p", "database": 3, "keyPrefix": "app:", "tls": {"serverName": "redis.test"}
    }));
    let Place::Sentinel(sentinels) = &target.place else {
        panic!("{target:?}")
    };
    let addresses: Vec<String> = sentinels.addresses.iter().map(Address::to_string).collect();
    assert_eq!(addresses, ["a:1", "b:2"]);
    assert_eq!(sentinels.master, "main");
    assert_eq!(sentinels.login.username.as_deref(), Some("su"));
    assert_eq!(
        sentinels.login.password.as_ref().map(Secret::expose),
        Some("sp")
    );
    assert_eq!(
        sentinels.tls.as_ref().map(|tls| tls.check),
        Some(ServerCheck::Nothing)
    );
    assert_eq!(target.login.username.as_deref(), Some("u"));
    assert_eq!(
        target.login.password.as_ref().map(Secret::expose),
        Some("p")
    );
    assert_eq!((target.database, &*target.key_prefix), (3, "app:"));
    let tls = target.tls.unwrap();
    assert_eq!(tls.check, ServerCheck::Full);
    assert_eq!(tls.server_name.unwrap().to_str(), "redis.test");
}

#[test]
fn equal_targets_are_equal_whatever_the_order_of_their_servers() {
    let nodes = |first: u16, second: u16| {
        parsed(&json!({"cluster": [{"host": "h", "port": first}, {"host": "h", "port": second}]}))
    };
    let targets = HashSet::from([nodes(1, 2), nodes(2, 1), nodes(1, 3)]);
    assert_eq!(targets.len(), 2);
}

#[test]
fn a_long_list_of_servers_and_an_ipv6_address_are_described() {
    let nodes: Vec<Value> = (1..=5)
        .map(|port| json!({"host": "::1", "port": port}))
        .collect();
    let target = parsed(&json!({"cluster": nodes}));
    assert_eq!(
        target.describe(),
        "redis cluster at [::1]:1, [::1]:2, [::1]:3 and 2 more"
    );
}

#[test]
fn a_wrong_target_is_named_and_no_secret_is_shown() {
    let tcp = json!({"host": "h", "port": 1});
    for (json, message) in [
        (
            json!({}),
            "`redis` must name one of tcp, unix, sentinel, cluster",
        ),
        (
            json!({"tcp": tcp, "unix": "/x"}),
            "`redis` must name one of tcp, unix, sentinel, cluster",
        ),
        (
            json!({"tcp": {"host": "h", "port": 70_000}}),
            "`redis.tcp.port` must be a whole number from 1 to 65535, got 70000 (a number)",
        ),
        (
            json!({"cluster": []}),
            "`redis.cluster` must hold at least one host and port",
        ),
        (
            json!({"cluster": [tcp], "database": 1}),
            "`redis` cannot have a `database` but 0 on a cluster",
        ),
        (
            json!({"tcp": tcp, "password": ["secret"]}),
            "`redis.password` must be a non-empty string, got an array (the value is not shown)",
        ),
        (
            json!({"tcp": tcp, "tls": {"ca": "secret"}}),
            "`redis.tls.ca` must hold certificates in PEM (-----BEGIN CERTIFICATE-----)",
        ),
        (
            json!({"tcp": tcp, "tls": {"cert": "x", "key": "secret"}}),
            "`redis.tls.key` must hold a private key in PEM without a passphrase (the value is not shown)",
        ),
        (
            json!({"tcp": tcp, "tls": {"key": "secret"}}),
            "`redis.tls` must have both `cert` and `key`, or neither",
        ),
        (
            json!({"tcp": tcp, "tls": {"serverName": "a b"}}),
            "`redis.tls.serverName` must be a host name or an IP address, got \"a b\" (a string)",
        ),
        (
            json!({"tcp": tcp, "tls": {"check": "some"}}),
            "`redis.tls.check` must be \"full\", \"anyName\" or \"nothing\", got \"some\" (a string)",
        ),
    ] {
        let error = RedisTarget::parse(&json.to_string()).unwrap_err();
        assert_eq!((error.message(), error.code()), (message, Code::Argument));
    }
    let target = parsed(&json!({"tcp": tcp, "username": "u", "password": "secret"}));
    assert!(!format!("{target:?} {}", target.describe()).contains("secret"));
}
