//! Random arrivals, cancellations and answers, in virtual time.

use proptest::prelude::*;

use super::*;

const PATIENCE: Duration = Duration::from_secs(7_200);

/// How a request that has its permit ends.
#[derive(Debug, Clone, Copy)]
enum Ending {
    Answered,
    NeverSent,
    DroppedAfterSending,
}

#[derive(Debug, Clone)]
struct Caller {
    arrives_ms: u64,
    tokens: f64,
    priority: i32,
    /// Goes away if it has no permit after this time.
    leaves_after_ms: Option<u64>,
    holds_ms: u64,
    ending: Ending,
}

fn any_caller() -> impl Strategy<Value = Caller> {
    let leaves_after_ms = proptest::option::weighted(0.3, 0_u64..20_000);
    let ending = prop_oneof![
        4 => Just(Ending::Answered),
        1 => Just(Ending::NeverSent),
        1 => Just(Ending::DroppedAfterSending)
    ];
    let arrival = (0_u64..10_000, 1_u32..3_000, 0..3);
    (arrival, leaves_after_ms, 0_u64..5_000, ending).prop_map(
        |((arrives_ms, tokens, priority), leaves_after_ms, holds_ms, ending)| Caller {
            arrives_ms,
            tokens: f64::from(tokens),
            priority,
            leaves_after_ms,
            holds_ms,
            ending,
        },
    )
}

/// Other settings, from a moment on: what else there is beside the first account, and its key and bound on requests in flight.
#[derive(Debug, Clone)]
struct Update {
    after_ms: u64,
    others: Vec<u32>,
    key: u32,
    most_in_flight: u32,
}

fn any_update() -> impl Strategy<Value = Update> {
    let others = proptest::sample::subsequence(vec![1, 2, 3], 0..=3);
    (0_u64..15_000, others, 0_u32..3, 1_u32..4).prop_map(
        |(after_ms, others, key, most_in_flight)| Update {
            after_ms,
            others,
            key,
            most_in_flight,
        },
    )
}

impl Update {
    fn accounts(&self) -> Vec<Arc<Account>> {
        let accounts: Vec<String> = [0]
            .iter()
            .chain(&self.others)
            .map(|label| {
                format!(
                    r#"{{"label":"{label}","apiKey":"k{}","maxConcurrency":{},"limits":{{"*":{{"tokensPerMinute":6000}}}}}}"#,
                    self.key, self.most_in_flight
                )
            })
            .collect();
        let json = format!(r#"{{"accounts":[{}]}}"#, accounts.join(","));
        Settings::parse(&json).unwrap().accounts
    }
}

/// Makes the updates one after the other; returns the seats that there ever were.
async fn make(scheduler: Arc<Scheduler>, mut updates: Vec<Update>) -> Vec<Arc<Seat>> {
    updates.sort_by_key(|update| update.after_ms);
    let mut seats = scheduler.roster().seats.clone();
    for update in updates {
        let until_ms = update.after_ms as f64 - scheduler.now_ms();
        tokio::time::sleep(milliseconds(until_ms)).await;
        scheduler.update(&update.accounts());
        seats.extend(scheduler.roster().seats.iter().cloned());
    }
    seats
}

/// Accounts of 6,000 tokens per minute.
fn accounts(most_in_flight: &[Option<u32>]) -> Arc<Scheduler> {
    let accounts: Vec<String> = most_in_flight
        .iter()
        .enumerate()
        .map(|(index, most)| {
            let bound = most.map_or(String::new(), |most| format!(r#""maxConcurrency":{most},"#));
            format!(
                r#"{{"label":"{index}","apiKey":"k",{bound}"limits":{{"*":{{"tokensPerMinute":6000}}}}}}"#
            )
        })
        .collect();
    scheduler(&format!("[{}]", accounts.join(",")))
}

/// What became of a caller, on the scheduler's clock.
#[derive(Debug, Clone, Copy)]
struct Fate {
    arrived_ms: f64,
    /// Infinite where it went away before.
    admitted_ms: f64,
    /// When it no longer waited.
    left_ms: f64,
    priority: i32,
}

/// Lets all callers come, and returns what became of each, in their order.
async fn fates(scheduler: &Arc<Scheduler>, callers: &[Caller]) -> Vec<Fate> {
    let tasks: Vec<_> = callers
        .iter()
        .cloned()
        .map(|caller| {
            let scheduler = scheduler.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(caller.arrives_ms)).await;
                let arrived_ms = scheduler.now_ms();
                let mut want = Want {
                    patience: PATIENCE,
                    ..want(caller.tokens)
                };
                want.order.priority = caller.priority;
                let leaves_after = caller
                    .leaves_after_ms
                    .map_or(PATIENCE, Duration::from_millis);
                let permit = tokio::time::timeout(leaves_after, scheduler.admit(&want)).await;
                let mut fate = Fate {
                    arrived_ms,
                    admitted_ms: f64::INFINITY,
                    left_ms: scheduler.now_ms(),
                    priority: caller.priority,
                };
                let Ok(permit) = permit else {
                    return fate;
                };
                fate.admitted_ms = scheduler.now_ms();
                let mut permit = permit.unwrap();
                if !matches!(caller.ending, Ending::NeverSent) {
                    permit.sending();
                }
                tokio::time::sleep(Duration::from_millis(caller.holds_ms)).await;
                match caller.ending {
                    Ending::Answered => settled(permit, Outcome::Ok),
                    Ending::NeverSent | Ending::DroppedAfterSending => drop(permit),
                }
                fate
            })
        })
        .collect();
    let mut fates = Vec::new();
    for task in tasks {
        fates.push(task.await.unwrap());
    }
    fates
}

fn in_virtual_time<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.unwrap().block_on(work)
}

proptest! {
    #![proptest_config(crate::tests::cases(100))]

    #[test]
    fn whoever_stays_is_served_and_in_the_end_all_room_and_places_are_free(
        most_in_flight in proptest::collection::vec(proptest::option::of(1_u32..=3), 1..=2),
        callers in proptest::collection::vec(any_caller(), 1..40),
    ) {
        in_virtual_time(async {
            let scheduler = accounts(&most_in_flight);
            let fates = fates(&scheduler, &callers).await;
            for (caller, fate) in callers.iter().zip(fates) {
                let stayed = caller.leaves_after_ms.is_none();
                prop_assert!(!stayed || fate.admitted_ms.is_finite(), "{caller:?}");
            }
            prop_assert_eq!(scheduler.waiting(), 0);
            for seat in &scheduler.roster().seats {
                prop_assert_eq!(seat.in_flight(), 0);
            }
            // A minute after the last of it everything has flowed back, and no claim keeps anybody from it.
            tokio::time::sleep(Duration::from_secs(61)).await;
            let started = Instant::now();
            for _ in &most_in_flight {
                spend(&scheduler, &want(6_000.0)).await;
            }
            prop_assert_eq!(started.elapsed(), Duration::ZERO);
            Ok(())
        })?;
    }

    /// One account stays under its label, so that nobody is left without any.
    #[test]
    fn whoever_stays_is_served_whatever_changes_and_in_the_end_all_places_are_free(
        updates in proptest::collection::vec(any_update(), 1..8),
        callers in proptest::collection::vec(any_caller(), 1..40),
    ) {
        in_virtual_time(async {
            let scheduler = accounts(&[None, Some(2)]);
            let making = tokio::spawn(make(scheduler.clone(), updates));
            let fates = fates(&scheduler, &callers).await;
            for (caller, fate) in callers.iter().zip(fates) {
                let stayed = caller.leaves_after_ms.is_none();
                prop_assert!(!stayed || fate.admitted_ms.is_finite(), "{caller:?}");
            }
            prop_assert_eq!(scheduler.waiting(), 0);
            for seat in making.await.unwrap() {
                prop_assert_eq!(seat.in_flight(), 0);
            }
            Ok(())
        })?;
    }

    /// Room is booked a horizon ahead, so one that comes within it may find the next place taken. And this holds of room on one
    /// account alone: where there are several, what is of no use to the first serves somebody behind it; and a place among
    /// an account's concurrent requests goes to whichever of the first few looks first. Where room comes back for several,
    /// whichever looks first is served first as well, and the others lose no more than the time that their doubt costs.
    #[test]
    fn nobody_is_admitted_long_before_one_of_higher_priority_that_has_waited_for_a_horizon(
        callers in proptest::collection::vec(any_caller(), 2..40),
    ) {
        in_virtual_time(async {
            let scheduler = accounts(&[None]);
            let fates = fates(&scheduler, &callers).await;
            // Timers count whole milliseconds.
            let horizon_ms = crate::quota::HORIZON_MS + 2.0;
            for fate in fates.iter().filter(|fate| fate.admitted_ms.is_finite()) {
                let passed = callers.iter().zip(&fates).filter(|(_, other)| {
                    other.priority > fate.priority
                        && other.arrived_ms + horizon_ms < fate.admitted_ms
                        && other.left_ms > fate.admitted_ms
                });
                let (lost_ms, last_ms) = passed.fold((1.0, 0.0), |(lost_ms, last_ms), (caller, other)| {
                    // 1.17 of its tokens, or 0.002 of the limit, and its own room, at 6,000 a minute.
                    let needed = caller.tokens + f64::max(1.17 * caller.tokens, 12.0);
                    (lost_ms + 10.0 * needed, f64::max(last_ms, other.left_ms))
                });
                prop_assert!(last_ms <= fate.admitted_ms + lost_ms, "{fate:?} before {last_ms}");
            }
            Ok(())
        })?;
    }
}
