//! Who goes before whom among those who were told to come back to one lane.

use super::*;

const LIMIT: f64 = 60_000.0;

/// One who wants room on a lane that has none.
#[derive(Debug, Clone)]
struct Caller {
    arrives_ms: f64,
    tokens: f64,
    urgency: i32,
    /// When it comes back, against when it was told to: earlier as a share of the time, or later in milliseconds.
    early: f64,
    late_ms: f64,
}

fn any_caller() -> impl Strategy<Value = Caller> {
    let tokens = prop_oneof![1.0..500.0, 1.0..20_000.0];
    let early = prop_oneof![Just(0.0), 0.0..0.9];
    let late_ms = prop_oneof![Just(0.0), 0.0..150.0];
    (0.0..10_000.0, tokens, 0..2, early, late_ms).prop_map(
        |(arrives_ms, tokens, urgency, early, late_ms)| Caller {
            arrives_ms,
            tokens,
            urgency,
            early,
            late_ms,
        },
    )
}

/// One who was sent away and has not come back yet.
#[derive(Debug, Clone, Copy)]
struct Away {
    caller: usize,
    urgency: i32,
    since: usize,
    told_ms: f64,
}

fn spent_lane() -> MemoryStore {
    let store = MemoryStore::new();
    booked(store.book_now(&ask(LIMIT, vec![candidate(0, LIMIT)]), 0.0));
    store
}

fn question(index: usize, tokens: f64, urgency: i32) -> Ask {
    Ask {
        claimant: index as u64 + 1,
        urgency,
        ..ask(tokens, vec![candidate(0, LIMIT)])
    }
}

proptest! {
    #![proptest_config(crate::tests::cases(200))]

    /// Somebody may be booked while others stand before it, if there is room for them as well: then whoever of them asks at that moment
    /// is served, and no later. One that is late itself can lose as much time as its own room and margin take to flow back: what
    /// is surely there is reckoned from the last request, whoever stood before that.
    #[test]
    fn nobody_takes_the_room_of_one_who_came_earlier_or_is_more_urgent(
        callers in proptest::collection::vec(any_caller(), 2..20),
    ) {
        let store = spent_lane();
        let mut agenda: Vec<(f64, usize)> =
            callers.iter().enumerate().map(|(index, caller)| (caller.arrives_ms, index)).collect();
        let mut away: Vec<Away> = Vec::new();
        let mut sent_away = 0;
        let mut asked = 0;
        while !agenda.is_empty() {
            asked += 1;
            prop_assert!(asked < 20_000, "they ask without end");
            agenda.sort_by(|one, other| other.0.total_cmp(&one.0));
            let (now_ms, index) = agenda.pop().unwrap();
            let caller = &callers[index];
            let own = away.iter().position(|away| away.caller == index).map(|at| away.remove(at));
            let answer = store.book_now(&question(index, caller.tokens, caller.urgency), now_ms);
            match answer {
                Answer::Later { ask_again_ms, .. } => {
                    sent_away += 1;
                    let since = own.map_or(sent_away, |own| own.since);
                    let told_ms = now_ms + ask_again_ms;
                    away.push(Away { caller: index, urgency: caller.urgency, since, told_ms });
                    let again_ms = ask_again_ms * (1.0 - caller.early) + caller.late_ms;
                    agenda.push((now_ms + again_ms.max(1.0), index));
                }
                Answer::Booked(booking) => {
                    let since = own.map_or(usize::MAX, |own| own.since);
                    let mut before: Vec<Away> = away
                        .iter()
                        .filter(|away| (-away.urgency, away.since) < (-caller.urgency, since))
                        .copied()
                        .collect();
                    before.sort_by_key(|away| (-away.urgency, away.since));
                    let others = copy(&store);
                    for first in before {
                        let other = &callers[first.caller];
                        let answer = others.book_now(&question(first.caller, other.tokens, other.urgency), now_ms);
                        let wait_ms = match answer {
                            Answer::Booked(booking) => booking.wait_ms,
                            Answer::Later { wait_ms, .. } => wait_ms,
                            never => panic!("{never:?}"),
                        };
                        // Nothing is confirmed, and a token flows back in a millisecond.
                        let own_ms = other.tokens + f64::max(1.17 * other.tokens, 0.002 * LIMIT);
                        let lost_ms = if now_ms > first.told_ms { own_ms } else { 0.0 };
                        prop_assert!(
                            wait_ms <= booking.wait_ms + lost_ms + 1e-6,
                            "{index} goes at {now_ms} + {}, {} before it at {wait_ms}",
                            booking.wait_ms,
                            first.caller
                        );
                    }
                }
                never => prop_assert!(false, "{never:?}"),
            }
        }
    }

    #[test]
    fn one_who_stays_away_is_waited_for_until_its_claim_ends_and_not_after(
        absent in 1_000.0..20_000.0,
        tokens in 1_000.0..20_000.0,
    ) {
        let store = spent_lane();
        let Answer::Later { ask_again_ms, .. } = store.book_now(&question(0, absent, 0), 0.0) else {
            panic!("there is room on a spent lane");
        };
        let without = copy(&store);
        without.withdraw("m", 1);
        let wait_ms = |store: &MemoryStore, now_ms: f64| {
            match copy(store).book_now(&question(1, tokens, 0), now_ms) {
                Answer::Booked(booking) => booking.wait_ms,
                Answer::Later { wait_ms, .. } => wait_ms,
                never => panic!("{never:?}"),
            }
        };
        let end_ms = ask_again_ms + 1_000.0;
        for now_ms in [0.0, 0.5 * end_ms, end_ms - 1.0] {
            let (behind, alone) = (wait_ms(&store, now_ms), wait_ms(&without, now_ms));
            prop_assert!(behind > alone, "{behind} {alone}");
        }
        prop_assert_eq!(wait_ms(&store, end_ms), wait_ms(&without, end_ms));
    }
}
