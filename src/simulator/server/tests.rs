//! Tests over a real socket, with requests written by hand.

use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Simulator;
use super::simulator::LARGEST_BODY;
use crate::simulator::settings::Settings;

async fn simulator(settings: &str) -> Simulator {
    Simulator::start(Settings::parse(settings).unwrap())
        .await
        .unwrap()
}

fn post(path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-a\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

const CHAT: &str = r#"{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}"#;
const STREAM: &str =
    r#"{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}],"stream":true}"#;

/// Reads until `end` has been seen, or the connection closes.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).await.unwrap();
        seen.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&seen);
        if count == 0 || text.contains(end) {
            return text.into_owned();
        }
    }
}

/// One whole answer with a length; its head and body.
async fn read_answer(stream: &mut TcpStream) -> (String, String) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    (head, String::from_utf8(body).unwrap())
}

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let simulator = simulator("{}").await;
    let mut stream = TcpStream::connect(simulator.address()).await.unwrap();
    for _ in 0..3 {
        let request = post("/v1/chat/completions", CHAT);
        stream.write_all(request.as_bytes()).await.unwrap();
        let (head, body) = read_answer(&mut stream).await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        for name in [
            "x-ratelimit-remaining-tokens: ",
            "x-request-id: req_",
            "date: ",
        ] {
            assert!(head.contains(name), "{head}");
        }
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["object"], "chat.completion");
    }
    stream
        .write_all(b"GET /_simulator/stats HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let (_, stats) = read_answer(&mut stream).await;
    let stats: Value = serde_json::from_str(&stats).unwrap();
    assert_eq!(stats["totals"]["admitted"], 3);
    assert!(simulator.stats().contains(r#""admitted":3"#));
}

#[tokio::test]
async fn a_stream_arrives_as_events_and_ends_with_done() {
    let simulator = simulator(r#"{"msPerToken": 1, "outputTokens": 4}"#).await;
    let mut stream = TcpStream::connect(simulator.address()).await.unwrap();
    let request = post("/v1/chat/completions", STREAM);
    stream.write_all(request.as_bytes()).await.unwrap();
    let text = read_until(&mut stream, "0\r\n\r\n").await;
    assert!(text.contains("content-type: text/event-stream; charset=utf-8\r\n"));
    assert!(text.contains("transfer-encoding: chunked\r\n"));
    assert_eq!(text.matches("data: {").count(), 1 + 4 + 1);
    assert!(text.contains("data: [DONE]\n\n"));
}

#[tokio::test]
async fn stopping_lets_an_answer_under_way_end_and_refuses_new_connections() {
    let simulator = Arc::new(simulator(r#"{"msPerToken": 2, "outputTokens": 40}"#).await);
    let address = simulator.address();
    let mut stream = TcpStream::connect(address).await.unwrap();
    // An idle connection must not hold the end up.
    let idle = TcpStream::connect(address).await.unwrap();
    let request = post("/v1/chat/completions", STREAM);
    stream.write_all(request.as_bytes()).await.unwrap();
    read_until(&mut stream, "assistant").await;
    let stopping = tokio::spawn({
        let simulator = Arc::clone(&simulator);
        async move { simulator.stop().await }
    });
    let rest = read_until(&mut stream, "\u{0}").await;
    assert!(rest.ends_with("0\r\n\r\n"), "{rest}");
    stopping.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
    simulator.stop().await;
    drop(idle);
}

#[tokio::test]
async fn dropping_ends_everything_at_once() {
    let simulator = simulator(r#"{"latencyMs": 3600000}"#).await;
    let mut stream = TcpStream::connect(simulator.address()).await.unwrap();
    let request = post("/v1/chat/completions", CHAT);
    stream.write_all(request.as_bytes()).await.unwrap();
    while !simulator.stats().contains(r#""admitted":1"#) {
        tokio::task::yield_now().await;
    }
    drop(simulator);
    let mut rest = Vec::new();
    // The answer never came: closed or reset, but not an hour later.
    let _ = stream.read_to_end(&mut rest).await;
    assert!(rest.is_empty());
}

#[tokio::test]
async fn bodies_above_the_limit_are_refused() {
    let simulator = simulator("{}").await;
    let mut stream = TcpStream::connect(simulator.address()).await.unwrap();
    let head = format!(
        "POST /v1/embeddings HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-a\r\ncontent-length: {}\r\n\r\n",
        LARGEST_BODY + 1
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let block = vec![b'a'; 1 << 20];
    for _ in 0..64 {
        stream.write_all(&block).await.unwrap();
    }
    stream.write_all(b"a").await.unwrap();
    let (head, body) = read_answer(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
    assert!(body.contains("larger than 67108864 bytes"));
}

#[tokio::test]
async fn a_client_that_speaks_no_http_harms_nobody() {
    let simulator = simulator("{}").await;
    let mut noise = TcpStream::connect(simulator.address()).await.unwrap();
    noise
        .write_all(b"\x16\x03\x01 no http\r\n\r\n")
        .await
        .unwrap();
    let answer = read_until(&mut noise, "\u{0}").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"));
    let mut stream = TcpStream::connect(simulator.address()).await.unwrap();
    let request = post("/v1/chat/completions", CHAT);
    stream.write_all(request.as_bytes()).await.unwrap();
    assert!(read_answer(&mut stream).await.0.starts_with("HTTP/1.1 200"));
}
