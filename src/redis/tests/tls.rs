//! TLS: who may vouch for the server, for which name, and what it asks of us.

use std::cell::Cell;

use serde_json::json;

use super::{
    super::FailureKind,
    servers::{Certificates, Folder, Server, free_port},
    *,
};

/// A server with a port for TLS beside its plain one, and certificates from `certificates` with these names.
fn start(certificates: &Certificates, certificate: &str, clients: &str) -> (Server, u16) {
    let tls_port = Cell::new(0);
    let server = Server::start_in(Folder::new(), |port| {
        tls_port.set(free_port());
        [
            ("--port", port.to_string()),
            ("--tls-port", tls_port.get().to_string()),
            ("--tls-ca-cert-file", certificates.path("ca.crt")),
            (
                "--tls-cert-file",
                certificates.path(&format!("{certificate}.crt")),
            ),
            (
                "--tls-key-file",
                certificates.path(&format!("{certificate}.key")),
            ),
            ("--tls-auth-clients", clients.to_owned()),
        ]
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect()
    });
    (server, tls_port.get())
}

fn to(host: &str, port: u16, tls: Json) -> Connection {
    let target = json!({"tcp": {"host": host, "port": port}, "tls": tls});
    connection(&target, PATIENT)
}

#[tokio::test]
async fn a_server_is_taken_for_its_signer_and_its_name() {
    let certificates = Certificates::make();
    let (_server, port) = start(&certificates, "server", "no");
    let ca = certificates.read("ca.crt");
    for (host, tls, works) in [
        ("127.0.0.1", json!({"ca": ca}), true),
        (
            "127.0.0.1",
            json!({"ca": ca, "serverName": "redis.test"}),
            true,
        ),
        // Its certificate is for redis.test and 127.0.0.1.
        ("localhost", json!({"ca": ca}), false),
        ("localhost", json!({"ca": ca, "check": "anyName"}), true),
        // Mozilla's roots have not signed it.
        ("127.0.0.1", json!({}), false),
        ("127.0.0.1", json!({"check": "anyName"}), false),
        ("127.0.0.1", json!({"check": "nothing"}), true),
    ] {
        let answer = to(host, port, tls.clone())
            .run(&command("ECHO hello"))
            .await;
        match answer {
            Ok(_) => assert!(works, "{host} {tls}"),
            Err(failure) => {
                assert_eq!(
                    (failure.kind(), works),
                    (FailureKind::Unreachable, false),
                    "{failure}"
                );
                assert!(failure.to_string().contains("certificate"), "{failure}");
            }
        }
    }
}

#[tokio::test]
async fn a_server_that_signed_its_own_certificate_is_taken_where_that_is_named() {
    let certificates = Certificates::make();
    let (_server, port) = start(&certificates, "ca", "no");
    let own = certificates.read("ca.crt");
    let any_name = to("localhost", port, json!({"ca": own, "check": "anyName"}));
    assert_eq!(text(&any_name, "ECHO hello").await, "hello");
    // It is for no host at all.
    let named = failure(&to("localhost", port, json!({"ca": own})), "PING").await;
    assert_eq!(named.kind(), FailureKind::Unreachable);
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_gets_ours() {
    let certificates = Certificates::make();
    let (_server, port) = start(&certificates, "server", "yes");
    let [ca, cert, key] =
        ["ca.crt", "client.crt", "client.key"].map(|name| certificates.read(name));
    let shown = to(
        "127.0.0.1",
        port,
        json!({"ca": ca, "cert": cert, "key": key}),
    );
    assert_eq!(text(&shown, "ECHO hello").await, "hello");
    assert!(!format!("{shown:?}").contains("PRIVATE KEY"));
    let hidden = failure(&to("127.0.0.1", port, json!({"ca": ca})), "PING").await;
    assert_eq!(hidden.kind(), FailureKind::Unreachable);
}

#[test]
fn a_key_that_does_not_fit_its_certificate_is_a_wrong_argument() {
    let certificates = Certificates::make();
    let [cert, key] = ["client.crt", "server.key"].map(|name| certificates.read(name));
    let target = json!({"unix": "/x", "tls": {"cert": cert, "key": key}});
    let target = RedisTarget::parse(&target.to_string()).unwrap();
    let error = Connection::new(&target, PATIENT).unwrap_err();
    assert_eq!(error.code(), crate::error::Code::Argument);
    assert!(
        error
            .message()
            .starts_with("the TLS settings of `redis` cannot be used: "),
        "{error}"
    );
}
