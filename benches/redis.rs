//! What a request costs Redis: `cargo bench --bench redis`. Starts a redis-server of its own.
//!
//! Each request books and is settled with a reading when its answer has come. So many are under way at once, each beginning again
//! when it has ended. "CPU" is all that the server used, "script" the part inside of the script.

use std::{
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use openai_request_manager::{
    config::{Limits, OnRedisDown, RedisTarget},
    headers::{Meter, Reading},
    quota::{
        Answer, Ask, Candidate, Cost, QuotaGroups, Settlement, SharedStore, Store, Unspent,
        redis::RedisStore,
    },
    redis::{Connection, TimeLimits, cmd, from_redis_value},
};

const TOKENS_PER_MINUTE: f64 = 3e9;

struct Server {
    process: Child,
    socket: String,
}

impl Server {
    fn start() -> Self {
        let name = format!("request-manager-bench-{}.sock", std::process::id());
        let socket = std::env::temp_dir().join(name).display().to_string();
        let process = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--unixsocket", &socket])
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is missing (Debian: apt-get install redis-server)");
        Server { process, socket }
    }

    fn connect(&self) -> Arc<Connection> {
        let target = serde_json::json!({"unix": self.socket}).to_string();
        let target = RedisTarget::parse(&target).expect("a target");
        Arc::new(Connection::new(&target, TimeLimits::default()).expect("no TLS"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn ask(accounts: usize, claimant: u64) -> Ask {
    let candidates = (0..accounts).map(|group| Candidate {
        quota_group: group,
        limits: Limits {
            requests_per_minute: Some(3e6),
            tokens_per_minute: Some(TOKENS_PER_MINUTE),
            ..Limits::default()
        },
        weight: 1.0,
        not_before_ms: f64::NEG_INFINITY,
        affinity: 0.0,
    });
    Ask {
        model_group: "gpt-4o".into(),
        cost: Cost {
            requests: 1.0,
            tokens: 1_234.0,
        },
        candidates: candidates.collect(),
        force: false,
        claimant,
        urgency: 0,
        due_in_ms: f64::INFINITY,
        patience_ms: f64::INFINITY,
        cache_worth_ms: 0.0,
    }
}

async fn request(store: &SharedStore, ask: &Ask, answer_ms: u64) {
    let answer = store.book(ask, 0.0).await.expect("an answer");
    let Answer::Booked(booking) = answer else {
        panic!("not booked: {answer:?}");
    };
    if answer_ms > 0 {
        // Not all at the same time.
        let answer_ms = answer_ms as f64 * (0.75 + 0.5 * fastrand::f64());
        tokio::time::sleep(Duration::from_micros((answer_ms * 1000.0) as u64)).await;
    }
    let meter = |limit: f64, left: f64| Meter {
        limit: Some(limit),
        remaining: Some(left.floor()),
        reset: Some(Duration::from_millis(1)),
        stated_window: None,
    };
    let left = booking.tokens_left.unwrap_or(0.0);
    let reading = Reading {
        requests: meter(3e6, 2.9e6),
        tokens: meter(TOKENS_PER_MINUTE, left),
    };
    let settlement = Settlement {
        booking,
        refused: false,
        unspent: Unspent::Nothing,
        reading,
        limit_hit: None,
        block_ms: None,
    };
    store.settle(settlement, 0.0);
}

/// Microseconds of the whole server, microseconds in scripts, scripts run, bytes received and sent.
async fn spent(connection: &Connection) -> [f64; 5] {
    let info = |section: &'static str| async move {
        let answer = connection.run(cmd("INFO").arg(section)).await;
        from_redis_value::<String>(answer.expect("an answer")).expect("a text")
    };
    let number = |text: &str, start: &str| {
        let rest = text.split(start).nth(1).unwrap_or("0");
        let end = rest.find([',', '\r']).unwrap_or(rest.len());
        rest[..end].parse::<f64>().unwrap_or(0.0)
    };
    let cpu = info("cpu").await;
    let cpu_us = 1e6
        * (number(&cpu, "used_cpu_user_main_thread:") + number(&cpu, "used_cpu_sys_main_thread:"));
    let net = info("stats").await;
    let stats = info("commandstats").await;
    let scripts = stats.split("cmdstat_evalsha:").nth(1).unwrap_or_default();
    [
        cpu_us,
        number(scripts, "usec="),
        number(scripts, "calls="),
        number(&net, "total_net_input_bytes:"),
        number(&net, "total_net_output_bytes:"),
    ]
}

/// What the first lane takes of the server's memory.
async fn lane_bytes(connection: &Connection, pool: &str) -> u64 {
    let key = format!("orm:{{{pool}:gpt-4o}}:lane:group-0");
    let answer = connection.run(cmd("MEMORY").arg("USAGE").arg(key)).await;
    from_redis_value(answer.expect("an answer")).unwrap_or(0)
}

async fn measure(server: &Server, load: [usize; 3], answer_ms: u64) {
    let [accounts, at_once, requests] = load;
    let connection = server.connect();
    let pool = format!("{accounts} {at_once} {answer_ms}");
    let names = (0..accounts).map(|group| format!("group-{group}").into());
    let groups: QuotaGroups = names.collect();
    let redis = RedisStore::new(connection.clone(), &pool, groups.into());
    let store = SharedStore::new(redis, OnRedisDown::Fail);
    let asks: Vec<Ask> = (1..=at_once as u64)
        .map(|claimant| ask(accounts, claimant))
        .collect();
    // Lanes come to be and the script is loaded before.
    for ask in &asks {
        request(&store, ask, 0).await;
    }
    let (before, started) = (spent(&connection).await, Instant::now());
    join_all(asks.iter().map(|ask| async {
        for _ in 0..requests / at_once {
            request(&store, ask, answer_ms).await;
        }
    }))
    .await;
    let wall_us = started.elapsed().as_micros() as f64;
    let after = spent(&connection).await;
    let each = |index: usize| (after[index] - before[index]) / requests as f64;
    println!(
        "{accounts:5} accounts, {at_once:3} at once, answers after {answer_ms:2} ms: CPU {:7.1} µs, script {:7.1} µs, {:.3} round trips, {:6.0} bytes to and {:5.0} from Redis, {:7.1} µs of wall time each; a lane takes {} bytes",
        each(0),
        each(1),
        each(2),
        each(3),
        each(4),
        wall_us / requests as f64,
        lane_bytes(&connection, &pool).await
    );
}

#[tokio::main]
async fn main() {
    let server = Server::start();
    let probe = server.connect();
    while probe.connect().await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for (load, answer_ms) in [
        ([3, 1, 5_000], 0),
        ([3, 64, 32_000], 0),
        ([3, 64, 6_400], 20),
        ([3, 64, 6_400], 200),
        ([3, 1_024, 51_200], 100),
        ([10, 64, 16_000], 0),
        ([128, 1, 400], 0),
        ([1_000, 1, 400], 0),
        ([1_000, 64, 640], 0),
    ] {
        measure(&server, load, answer_ms).await;
    }
}
