//! From a want to a permit: standing in line, asking for room, sleeping until the moment.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep, timeout_at};

use super::{
    Candidates, Permit, Scheduler, Want,
    claim::Claim,
    health::Access,
    line::{LineKey, Place},
    milliseconds,
};
use crate::{
    error::{Code, Error, Result},
    quota::{Answer, Ask, Settlement, Standing},
};

const MINUTE_MS: f64 = 60_000.0;

#[allow(clippy::large_enum_variant)] // Lives for one match; a box would cost an allocation a request.
enum Booked {
    Permit(Permit, Duration),
    AskAgain(Duration),
}

impl Scheduler {
    /// Waits for room on the best account; returns the permit at the moment when it may be used.
    ///
    /// Fails at once with [`Code::TooLarge`] where the cost exceeds every limit, [`Code::NoAccount`] where no account is in
    /// working order, [`Code::Budget`] where none may spend, and [`Code::Wait`] where the room comes too late.
    pub async fn admit(self: &Arc<Self>, want: &Want) -> Result<Permit> {
        let _waiting = Waiting::new(&self.waiting);
        let deadline = Instant::now() + want.patience;
        let mut had_a_turn = want.is_repeat;
        loop {
            self.sit_out_own_holds(want, deadline).await?;
            let (permit, wait) = if had_a_turn {
                // It came before all who stand in line now.
                self.book_when_free(want, None, true, deadline).await?
            } else {
                self.book_in_turn(want, deadline).await?
            };
            had_a_turn = true;
            let mut permit = permit;
            // The room is booked, so the permit's guard gives it back if the caller goes away in its sleep. A sleep of
            // nothing would still last until the timer's next millisecond.
            if !wait.is_zero() {
                sleep(wait).await;
            }
            // The account may have gone meanwhile, or a refusal may have come in that closes it; then the room is given back.
            let is_ready = wait.is_zero() || want.force;
            if self.is_seated(&mut permit, want) && (is_ready || self.is_open(&permit, want)) {
                return Ok(permit);
            }
        }
    }

    /// Books room when all who go before have theirs.
    async fn book_in_turn(
        self: &Arc<Self>,
        want: &Want,
        deadline: Instant,
    ) -> Result<(Permit, Duration)> {
        let now_ms = self.now_ms();
        // A caller that is kept from some account by itself must not keep others from it: it takes what is left over.
        let is_held = want.held.iter().any(|(_, until_ms)| *until_ms > now_ms);
        if want.force || is_held {
            return self
                .book_when_free(want, None, want.is_repeat, deadline)
                .await;
        }
        let place = self.lines.join(self.line_of(want), &want.order, want.cost);
        if want.patience.is_zero() && !place.is_scarce() {
            // It cannot stand in line, and need not: those before it only wait for their answers.
            drop(place);
            return self.book_when_free(want, None, false, deadline).await;
        }
        self.until_its_turn(want, &place, deadline).await?;
        let booked = self
            .book_when_free(want, Some(&place), false, deadline)
            .await?;
        place.leave_served();
        Ok(booked)
    }

    /// Stands in line until this caller is among those who ask. Where room is scarce, or comes to be, one that would wait too long is
    /// refused at once.
    async fn until_its_turn(&self, want: &Want, place: &Place, deadline: Instant) -> Result<()> {
        let mut has_looked = false;
        loop {
            if !has_looked && place.is_scarce() {
                has_looked = true;
                if let Some(wait) = self.wait_in_line(want, place).await
                    && is_after(wait, deadline)
                {
                    return Err(self.too_late(want, Some(wait)).await);
                }
            }
            if place.is_its_turn() {
                return Ok(());
            }
            if timeout_at(deadline, place.told()).await.is_err() {
                return Err(self.too_late(want, None).await);
            }
        }
    }

    /// How long a caller will wait with all who stand before it, as the books say now: until the accounts together hold what
    /// they and it will take. `None` where an account's limits are not known, or nobody stands before it.
    async fn wait_in_line(&self, want: &Want, place: &Place) -> Option<Duration> {
        let ahead = place.ahead();
        if ahead.requests == 0.0 {
            return None;
        }
        let lanes = self.usable_lanes(want).await?;
        let wait_ms = |amount: f64, left_and_limit: fn(&Standing) -> Option<(f64, f64)>| {
            let known: Option<Vec<(f64, f64)>> = lanes.iter().map(left_and_limit).collect();
            let (left, per_minute) = known?
                .into_iter()
                .fold((0.0, 0.0), |sum, lane| (sum.0 + lane.0, sum.1 + lane.1));
            Some(((amount - left) * MINUTE_MS / per_minute).max(0.0))
        };
        let tokens = wait_ms(ahead.tokens + want.cost.tokens, |lane| {
            Some((lane.tokens_left?, lane.tokens_limit?))
        });
        let requests = wait_ms(ahead.requests + want.cost.requests, |lane| {
            Some((lane.requests_left?, lane.requests_limit?))
        });
        let longest_ms = tokens.into_iter().chain(requests).reduce(f64::max)?;
        longest_ms.is_finite().then(|| milliseconds(longest_ms))
    }

    /// Whether a permit's account is still there and has the model, on the same lane; its settings are those of now from here on.
    fn is_seated(&self, permit: &mut Permit, want: &Want) -> bool {
        let roster = self.roster();
        let booked = permit.seat();
        match roster.of(&booked.account.label) {
            Some(seat)
                if seat.is_of_same_label(booked)
                    && seat.quota_group == booked.quota_group
                    && seat.account.serves(&want.model) =>
            {
                permit.move_to(seat.clone());
                true
            }
            _ => false,
        }
    }

    /// Whether a permit's account may still be used for a want.
    fn is_open(&self, permit: &Permit, want: &Want) -> bool {
        let now_ms = self.now_ms();
        let seat = permit.seat();
        let access = seat.health().access(&want.model_group, now_ms);
        let is_blocked = self.blocks().iter().any(|block| {
            block.quota_group == seat.quota_group
                && block.model_group == want.model_group
                && block.until_ms > now_ms
        });
        // A probe has parked its account for others, not for itself.
        let is_closed = matches!(access, Access::Parked { .. }) && !permit.is_probe();
        !is_blocked && !is_closed
    }

    /// Callers of one line wait for the same accounts: one that may only use a busy account must not keep others from
    /// a free one. Who was refused by an account is a repeat, and stands in no line.
    fn line_of(&self, want: &Want) -> LineKey {
        let roster = self.roster();
        let accounts = || roster.seats.iter().map(|seat| &seat.account);
        let accounts = if accounts().all(|account| account.serves(&want.model)) {
            want.accounts.clone()
        } else {
            let having = accounts().filter(|account| account.serves(&want.model));
            let labels = having.map(|account| &account.label);
            Some(labels.filter(|label| want.allows(label)).cloned().collect())
        };
        let accounts = accounts.map(|mut accounts: Vec<Arc<str>>| {
            accounts.sort_unstable();
            accounts.dedup();
            accounts
        });
        (want.model_group.clone(), accounts)
    }

    /// A caller whose every account is held back by a backoff of its own waits outside the line.
    async fn sit_out_own_holds(&self, want: &Want, deadline: Instant) -> Result<()> {
        if want.held.is_empty() {
            return Ok(());
        }
        loop {
            // Registered before looking, so that no change is missed in between.
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();

            let now_ms = self.now_ms();
            let roster = self.roster();
            let accounts = roster.seats.iter().map(|seat| &seat.account);
            let usable = accounts.filter(|account| account.serves(&want.model));
            let usable = usable.map(|account| &account.label);
            let usable = usable.filter(|label| want.allows(label));
            let held_until = usable.map(|label| want.held_until(label).fold(now_ms, f64::max));
            let wait_ms = held_until.fold(f64::INFINITY, f64::min) - now_ms;
            if wait_ms <= 0.0 || !wait_ms.is_finite() {
                return Ok(());
            }
            let wait = milliseconds(wait_ms);
            if is_after(wait, deadline) {
                return Err(self.too_late(want, Some(wait)).await);
            }
            // An account may come that is not held.
            tokio::select! {
                () = sleep(wait) => (),
                () = changed => (),
            }
        }
    }

    /// Books room as soon as this caller is among the first of its line, and a lane and one of its account's concurrent requests
    /// are free; returns the permit and the time until it may be used. One that `had_a_turn` goes before others.
    async fn book_when_free(
        self: &Arc<Self>,
        want: &Want,
        place: Option<&Place>,
        had_a_turn: bool,
        deadline: Instant,
    ) -> Result<(Permit, Duration)> {
        let mut claim = Claim::new(self, want, had_a_turn);
        loop {
            while let Some(place) = place.filter(|place| !place.is_its_turn()) {
                claim.withdraw();
                if timeout_at(deadline, place.told()).await.is_err() {
                    return Err(self.too_late(want, None).await);
                }
            }
            // Registered before looking, so that no change is missed in between.
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();

            let now_ms = self.now_ms();
            let candidates = self.candidates(want, now_ms);
            let wake = candidates.wake_ms().map(milliseconds);
            if candidates.lanes.is_empty() && candidates.busy == 0 {
                return Err(self.nobody(want, &candidates));
            }
            // Nobody claims a place among an account's concurrent requests, so the few that are free are for the first in line.
            let is_kept = place.is_some_and(|place| place.position() >= candidates.places);
            let ask_again = if candidates.lanes.is_empty() || is_kept {
                None
            } else {
                match self
                    .book(want, candidates, &mut claim, place, deadline)
                    .await?
                {
                    Booked::Permit(permit, wait) => {
                        claim.is_booked();
                        return Ok((permit, wait));
                    }
                    Booked::AskAgain(after) => Some(after),
                }
            };
            let ask_again = [ask_again, wake].into_iter().flatten().min();
            let wake_at = ask_again.map_or(deadline, |after| Instant::now() + after);
            let moved_up = async {
                match place {
                    Some(place) => place.told().await,
                    None => std::future::pending().await,
                }
            };
            let woken = async {
                tokio::select! {
                    () = changed => (),
                    () = moved_up => (),
                }
            };
            if timeout_at(wake_at.min(deadline), woken).await.is_err() && wake_at >= deadline {
                return Err(self.too_late(want, None).await);
            }
        }
    }

    async fn book(
        self: &Arc<Self>,
        want: &Want,
        candidates: Candidates,
        claim: &mut Claim<'_>,
        place: Option<&Place>,
        deadline: Instant,
    ) -> Result<Booked> {
        let now_ms = self.now_ms();
        let mut candidates = candidates;
        let ask = Ask {
            model_group: want.model_group.clone(),
            cost: want.cost,
            candidates: std::mem::take(&mut candidates.lanes),
            force: want.force,
            claimant: claim.claimant,
            urgency: claim.urgency,
            due_in_ms: want.order.deadline_ms - now_ms,
            patience_ms: (deadline - Instant::now()).as_secs_f64() * 1000.0,
            cache_worth_ms: want.prefix.map_or(0.0, |prefix| prefix.worth_ms),
        };
        match self.store.book(&ask, now_ms).await? {
            Answer::Booked(booking) => {
                let seat = &candidates.roster.seats[candidates.seats[booking.candidate]];
                if !seat.enter() {
                    // Another model's caller took the last place.
                    self.store.settle(Settlement::unsent(booking), now_ms);
                    self.changed.notify_waiters();
                    return Ok(Booked::AskAgain(Duration::ZERO));
                }
                let wait = milliseconds(booking.wait_ms);
                if let Some(place) = place
                    && wait.is_zero()
                    && !claim.is_entered
                {
                    place.found_room();
                }
                let choice = candidates.choice(&booking);
                let mut permit = Permit::new(self.clone(), seat.clone(), booking, choice);
                if is_after(wait, deadline) && !want.force {
                    return Err(self.too_late(want, Some(wait)).await);
                }
                if seat.health().admitted(&want.model_group, now_ms) {
                    permit.mark_as_probe();
                }
                Ok(Booked::Permit(permit, wait))
            }
            Answer::Later {
                ask_again_ms,
                wait_ms,
            } => {
                // Before anything else: a caller that is refused for it must take it back as well.
                claim.is_entered = true;
                if let Some(place) = place {
                    place.has_to_wait();
                }
                let wait = milliseconds(wait_ms);
                if is_after(wait, deadline) {
                    return Err(self.too_late(want, Some(wait)).await);
                }
                Ok(Booked::AskAgain(milliseconds(ask_again_ms)))
            }
            Answer::Never { metric, limit } => Err(Error::new(
                Code::TooLarge,
                format!(
                    "the request needs {} tokens, but the largest limit of any account for \"{}\" is {limit} {}; shorten \
                     it or lower its maximum of output tokens",
                    want.cost.tokens,
                    want.model_group,
                    metric.name()
                ),
            )),
        }
    }
}

/// Whether a wait from now ends after the deadline. No wait is never too late, also without any patience.
fn is_after(wait: Duration, deadline: Instant) -> bool {
    !wait.is_zero() && Instant::now() + wait > deadline
}

/// Counts a caller as waiting for as long as it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Waiting(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
