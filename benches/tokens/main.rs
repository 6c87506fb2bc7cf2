//! How fast tokens are counted, on one thread: `cargo bench --bench tokens`. A minute; beside us the library that counts are compared
//! with in the tests.
//!
//! Each figure is the median of several runs over about a megabyte, ours and theirs in turn. tiktoken-rs is not asked about texts
//! that it gives up on with a panic.

mod texts;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use openai_request_manager::{
    models::Encoding,
    tokens::{Endpoint, count_text, estimate},
};
use tiktoken_rs::CoreBPE;

type Tokenizer = fn() -> &'static CoreBPE;

const ENCODINGS: [(Encoding, Tokenizer); 3] = [
    (Encoding::O200kBase, tiktoken_rs::o200k_base_singleton),
    (Encoding::Cl100kBase, tiktoken_rs::cl100k_base_singleton),
    (Encoding::R50kBase, tiktoken_rs::r50k_base_singleton),
];

fn main() {
    // Nothing may have been counted before.
    first_use();
    for (encoding, tokenizer) in ENCODINGS {
        speeds(encoding, tokenizer());
    }
    chats();
}

/// What the first count of a short text takes, and the next.
fn first_use() {
    let text = texts::prose(2_000);
    println!("| first use, 2 KB of prose | ours | again | memory | tiktoken-rs | again | memory |");
    println!("|-|-|-|-|-|-|-|");
    for (encoding, tokenizer) in ENCODINGS {
        let ours = || count_text(&text, encoding);
        let theirs = || tokenizer().count_ordinary(&text);
        let [ours, theirs] = [first_and_next(ours), first_and_next(theirs)];
        println!("| {} | {ours} | {theirs} |", encoding.name());
    }
}

fn first_and_next(count: impl Fn() -> usize) -> String {
    let resident = resident();
    let first = time(&count);
    let more = self::resident() - resident;
    let next = median(1_001, &count);
    format!(
        "{:.2} ms | {:.1} µs | {more:.1} MB",
        first.as_secs_f64() * 1e3,
        next.as_secs_f64() * 1e6,
    )
}

fn speeds(encoding: Encoding, tokenizer: &CoreBPE) {
    println!(
        "\n| {} | bytes a token | MB/s | tiktoken-rs | ms/MB | tiktoken-rs |",
        encoding.name()
    );
    println!("|-|-|-|-|-|-|");
    for text in texts::all(1 << 20) {
        let bytes = text.text.len() as f64;
        let count = count_text(&text.text, encoding);
        let mut rows = vec![format!("{:.2}", bytes / count as f64)];
        let ours = median(7, || count_text(&text.text, encoding));
        let theirs = text.is_for_reference.then(|| {
            assert_eq!(tokenizer.count_ordinary(&text.text), count, "{}", text.name);
            median(3, || tokenizer.count_ordinary(&text.text))
        });
        let times = [Some(ours), theirs].map(|time| time.map(|time| time.as_secs_f64()));
        let shown =
            |value: Option<f64>| value.map_or("panics".to_owned(), |value| format!("{value:.0}"));
        rows.extend(times.map(|time| shown(time.map(|time| bytes / 1e6 / time))));
        rows.extend(times.map(|time| shown(time.map(|time| time * 1e3 / (bytes / 1e6)))));
        println!("| {} | {} |", text.name, rows.join(" | "));
    }
}

/// What it takes to estimate a chat, reading it included, whose system prompt is new or has been counted before.
fn chats() {
    println!("\n| chat with a system prompt of | new | counted before |\n|-|-|-|");
    for len in [2_000, 8_000, 32_000] {
        let prompt = texts::prose(len);
        let body = |number: usize| {
            let content = format!("{number}{prompt}");
            let system = serde_json::json!({"role": "system", "content": content});
            let user = serde_json::json!({"role": "user", "content": "What is said about limits?"});
            serde_json::json!({"model": "gpt-4o", "messages": [system, user]}).to_string()
        };
        let bodies: Vec<String> = (0..101).map(body).collect();
        let estimate = |body: &String| {
            time(|| {
                let estimate = estimate(Endpoint::Chat, body, Encoding::O200kBase);
                estimate.map_or(0, |estimate| estimate.prompt_tokens as usize)
            })
        };
        let median = |times: &mut dyn Iterator<Item = Duration>| {
            let mut times: Vec<_> = times.collect();
            times.sort_unstable();
            format!("{:.1} µs", times[times.len() / 2].as_secs_f64() * 1e6)
        };
        let new = median(&mut bodies.iter().map(estimate));
        let known = median(&mut (0..101).map(|_| estimate(&bodies[100])));
        println!("| {} KB | {new} | {known} |", len / 1_000);
    }
}

fn median(times: usize, count: impl Fn() -> usize) -> Duration {
    let mut times: Vec<_> = (0..times).map(|_| time(&count)).collect();
    times.sort_unstable();
    times[times.len() / 2]
}

fn time(count: impl Fn() -> usize) -> Duration {
    let start = Instant::now();
    black_box(count());
    start.elapsed()
}

/// The process's resident memory in megabytes; 0 where the system does not tell in this way.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
    kilobytes.map_or(0.0, |kilobytes: f64| kilobytes / 1024.0)
}
