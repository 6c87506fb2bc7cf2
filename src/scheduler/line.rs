//! The lines of those who wait: who may ask the store for room next.
//!
//! Order: priority, then the deadline that a caller named, then fairness between tenants, then arrival. Fairness is start-time
//! fair queueing: each request gets a virtual start, the end of its tenant's last one, and an end one cost (over the
//! tenant's weight) later; the smallest start goes first. So a tenant with a thousand requests in line delays another's
//! first one by one request, not by a thousand.
//!
//! The first few of a line ask ([`Askers`]), so that an account that is of no use to the first serves somebody behind it: one that the
//! first is too large for, or whose cache is not the first's. The store's claims keep their order on each account. There is no turn
//! to hand on: whoever finds itself among the first asks. One who is overtaken while it sleeps notices when it wakes.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::askers::Askers;
use crate::quota::Cost;

/// Lines kept before those without anybody in them are dropped.
const MOST_LINES: usize = 1_024;

/// A model group, and the labels of the accounts that may serve the caller, sorted (`None` is all). It stays when accounts come and go.
pub(super) type LineKey = (Arc<str>, Option<Vec<Arc<str>>>);

/// What decides a caller's place, besides when it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// Higher goes first.
    pub priority: i32,
    /// The moment that the caller named, on the scheduler's clock; infinite if it named none.
    pub deadline_ms: f64,
    /// Callers that share fairly; those without a name are one tenant.
    pub tenant: Arc<str>,
    /// The tenant's share, above 0.
    pub weight: f64,
}

/// All lines of a scheduler.
#[derive(Debug, Default)]
pub(super) struct Lines {
    lines: Mutex<HashMap<LineKey, Arc<Line>>>,
}

#[derive(Debug, Default)]
struct Line(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    askers: Askers,
    waiting: BTreeMap<Rank, Waiting>,
    arrivals: u64,
    /// The virtual start of whoever left last with room.
    virtual_now: f64,
    /// The virtual end of each tenant's last request; forgotten when the line is empty.
    virtual_ends: HashMap<Arc<str>, f64>,
}

#[derive(Debug)]
struct Waiting {
    cost: Cost,
    /// Told when it comes to be among those who ask.
    turn: Arc<Notify>,
}

/// A place in a line; the smallest is the first.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Rank {
    priority: i32,
    deadline_ms: f64,
    virtual_start: f64,
    arrival: u64,
}

impl Eq for Rank {}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_priority = other.priority.cmp(&self.priority);
        by_priority
            .then(self.deadline_ms.total_cmp(&other.deadline_ms))
            .then(self.virtual_start.total_cmp(&other.virtual_start))
            .then(self.arrival.cmp(&other.arrival))
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A caller's place; leaving is dropping it.
#[derive(Debug)]
pub(super) struct Place {
    line: Arc<Line>,
    rank: Rank,
    turn: Arc<Notify>,
}

impl Lines {
    /// Joins a line.
    pub(super) fn join(&self, key: LineKey, order: &Order, cost: Cost) -> Place {
        let line = self.of(key);
        let turn = Arc::new(Notify::new());
        let mut state = line.state();
        let start = state
            .virtual_ends
            .get(&order.tenant)
            .map_or(state.virtual_now, |end| end.max(state.virtual_now));
        // Requests of no tokens take their turn as well.
        let end = start + cost.tokens.max(1.0) / order.weight;
        state.virtual_ends.insert(order.tenant.clone(), end);
        state.arrivals += 1;
        let rank = Rank {
            priority: order.priority,
            deadline_ms: order.deadline_ms,
            virtual_start: start,
            arrival: state.arrivals,
        };
        let waiting = Waiting {
            cost,
            turn: turn.clone(),
        };
        state.waiting.insert(rank, waiting);
        drop(state);
        Place { line, rank, turn }
    }

    fn of(&self, key: LineKey) -> Arc<Line> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() >= MOST_LINES && !lines.contains_key(&key) {
            // Whoever waits holds a second reference.
            lines.retain(|_, line| Arc::strong_count(line) > 1);
        }
        lines.entry(key).or_default().clone()
    }
}

impl Line {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock panics between two changes that belong together.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Whether whoever stands in this line may have to wait for room.
    pub(super) fn is_scarce(&self) -> bool {
        self.line.state().askers.is_scarce()
    }

    /// This place has asked for the first time, and had room at once.
    pub(super) fn found_room(&self) {
        let mut state = self.line.state();
        let joining = state.askers.found_room();
        for waiting in state.waiting.values().take(joining.end).skip(joining.start) {
            waiting.turn.notify_one();
        }
    }

    /// This place has asked, and has to wait: everybody is told where that is news.
    pub(super) fn has_to_wait(&self) {
        let mut state = self.line.state();
        if state.askers.has_to_wait() {
            for waiting in state.waiting.values() {
                waiting.turn.notify_one();
            }
        }
    }

    /// How many stand before this place: 0 for the first.
    pub(super) fn position(&self) -> usize {
        let state = self.line.state();
        state.waiting.range(..self.rank).count()
    }

    /// Returns when this place may have come to be among those who ask, or is nearer to its turn as one of them, or room has become
    /// scarce, since this was asked last. What came before is kept, so none is missed between looking and waiting.
    pub(super) async fn told(&self) {
        self.turn.notified().await;
    }

    /// Whether this place is among those who ask.
    pub(super) fn is_its_turn(&self) -> bool {
        let state = self.line.state();
        let mut asking = state.waiting.keys().take(state.askers.at_a_time());
        asking.any(|rank| *rank == self.rank)
    }

    /// What those who stand before this place will take.
    pub(super) fn ahead(&self) -> Cost {
        let state = self.line.state();
        let before = state.waiting.range(..self.rank);
        before.fold(Cost::NOTHING, |sum, (_, waiting)| Cost {
            requests: sum.requests + waiting.cost.requests,
            tokens: sum.tokens + waiting.cost.tokens,
        })
    }

    /// Leaves with room, so that virtual time goes on.
    pub(super) fn leave_served(self) {
        let mut state = self.line.state();
        state.virtual_now = state.virtual_now.max(self.rank.virtual_start);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.line.state();
        state.waiting.remove(&self.rank);
        // All who ask may be nearer to their turn now.
        for asking in state.waiting.values().take(state.askers.at_a_time()) {
            asking.turn.notify_one();
        }
        if state.waiting.is_empty() {
            state.virtual_ends.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::askers::{ASKERS, MOST_ASKERS};

    fn order(priority: i32, deadline_ms: f64, tenant: &str, weight: f64) -> Order {
        Order {
            priority,
            deadline_ms,
            tenant: tenant.into(),
            weight,
        }
    }

    fn join(lines: &Lines, order: &Order) -> Place {
        let cost = Cost {
            requests: 1.0,
            tokens: 10.0,
        };
        lines.join(("m".into(), None), order, cost)
    }

    /// The names of callers in the order in which they become the first.
    fn served(callers: Vec<(&'static str, Order)>) -> Vec<&'static str> {
        let lines = Lines::default();
        let mut places: Vec<_> = callers
            .iter()
            .map(|(name, order)| (*name, join(&lines, order)))
            .collect();
        let mut served = Vec::new();
        while !places.is_empty() {
            let first = places
                .iter()
                .position(|(_, place)| place.position() == 0)
                .unwrap();
            let (name, place) = places.remove(first);
            place.leave_served();
            served.push(name);
        }
        served
    }

    const NONE: f64 = f64::INFINITY;

    #[test]
    fn priority_goes_before_deadline_before_arrival() {
        assert_eq!(
            served(vec![
                ("late", order(0, NONE, "", 1.0)),
                ("later", order(0, NONE, "", 1.0)),
                ("due", order(0, 500.0, "", 1.0)),
                ("due first", order(0, 400.0, "", 1.0)),
                ("low", order(-1, 100.0, "", 1.0)),
                ("high", order(1, NONE, "", 1.0)),
            ]),
            ["high", "due first", "due", "late", "later", "low"]
        );
    }

    #[test]
    fn a_tenant_with_many_requests_delays_another_by_one() {
        let mut callers: Vec<_> = (0..100)
            .map(|_| ("many", order(0, NONE, "many", 1.0)))
            .collect();
        callers.push(("one", order(0, NONE, "one", 1.0)));
        let place = served(callers)
            .iter()
            .position(|name| *name == "one")
            .unwrap();
        assert!(place <= 1, "{place}");
    }

    #[test]
    fn tenants_share_by_their_weights() {
        let mut callers = Vec::new();
        for _ in 0..60 {
            callers.push(("heavy", order(0, NONE, "heavy", 3.0)));
            callers.push(("light", order(0, NONE, "light", 1.0)));
        }
        let first: Vec<_> = served(callers).into_iter().take(40).collect();
        let heavy = first.iter().filter(|name| **name == "heavy").count();
        assert!((29..=31).contains(&heavy), "{heavy}");
    }

    #[test]
    fn a_tenant_that_was_idle_gets_no_credit_for_it() {
        let lines = Lines::default();
        for _ in 0..50 {
            let busy = join(&lines, &order(0, NONE, "busy", 1.0));
            let waiting = join(&lines, &order(0, NONE, "busy", 1.0));
            busy.leave_served();
            waiting.leave_served();
        }
        let busy = join(&lines, &order(0, NONE, "busy", 1.0));
        let idle: Vec<_> = (0..3)
            .map(|_| join(&lines, &order(0, NONE, "idle", 1.0)))
            .collect();
        assert!(busy.position() == 0);
        drop(busy);
        assert!(idle[0].position() == 0);
    }

    #[test]
    fn whoever_goes_away_leaves_its_place_to_the_next() {
        let lines = Lines::default();
        let order = order(0, NONE, "", 1.0);
        let [first, second, third] = [(); 3].map(|()| join(&lines, &order));
        assert_eq!(third.ahead().tokens, 20.0);
        drop(second);
        assert_eq!(third.ahead().tokens, 10.0);
        drop(first);
        assert!(third.position() == 0);
    }

    #[test]
    fn only_the_first_few_ask() {
        let lines = Lines::default();
        let order = order(0, NONE, "", 1.0);
        let places: Vec<_> = (0..ASKERS + 2).map(|_| join(&lines, &order)).collect();
        let asking = places.iter().filter(|place| place.is_its_turn());
        assert_eq!(asking.count(), ASKERS);
        assert!(places[0].is_its_turn() && !places[ASKERS].is_its_turn());
    }

    #[tokio::test]
    async fn whoever_moves_up_is_told() {
        let lines = Lines::default();
        let order = order(0, NONE, "", 1.0);
        let mut places: Vec<_> = (0..ASKERS + 2).map(|_| join(&lines, &order)).collect();
        let gone = places.remove(3);
        let last = places.remove(ASKERS - 1);
        tokio::join!(last.told(), async { drop(gone) });
        assert!(last.is_its_turn());
        let first = places.remove(0);
        let next = places.remove(0);
        tokio::join!(next.told(), async { drop(first) });
        assert!(next.position() == 0);
    }

    #[tokio::test]
    async fn whoever_may_ask_from_now_on_is_told_and_everybody_when_room_is_scarce() {
        let lines = Lines::default();
        let order = order(0, NONE, "", 1.0);
        let places: Vec<_> = (0..2 * MOST_ASKERS).map(|_| join(&lines, &order)).collect();
        let asking = || places.iter().filter(|place| place.is_its_turn()).count();
        assert!(places[0].is_scarce());
        for place in &places[1..ASKERS] {
            place.found_room();
        }
        assert_eq!(asking(), ASKERS);
        let joining = &places[2 * ASKERS - 1];
        tokio::join!(joining.told(), async { places[0].found_room() });
        assert_eq!((asking(), joining.is_scarce()), (2 * ASKERS, false));
        let last = &places[2 * MOST_ASKERS - 1];
        tokio::join!(last.told(), async { places[3].has_to_wait() });
        assert_eq!((asking(), last.is_scarce()), (ASKERS, true));
    }
}
