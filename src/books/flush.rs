//! One report of everything, and what becomes of it.

use std::{mem, sync::Arc, time::Instant};

use tokio::{sync::oneshot, time::timeout};

use super::{
    Grant,
    day::Day,
    reservation::Ask,
    shared::{LOOK, Shared, State},
    sheet::Report,
    tally::Told,
    wire::{self, Answer, BudgetAnswer, BudgetReport, Call, SCRIPT},
};
use crate::{
    error::Result,
    redis::{Cmd, Connection, Failure, Value, cmd},
};

/// Reports whenever there is something to report, until the books are gone.
pub(super) async fn carry(shared: Arc<Shared>) {
    let carrier = Carrier(shared);
    let shared = &carrier.0;
    let Some(connection) = &shared.connection else {
        return;
    };
    while let Some(wait) = shared.wait() {
        if !wait.is_zero() {
            // Whichever comes first: what to do is looked up again.
            let _ = timeout(wait, shared.work.notified()).await;
            continue;
        }
        let flush = shared.begin();
        let answers = flush.run(connection).await;
        shared.take_over(flush, answers);
    }
}

/// A task that reports. Ended before it is done, it leaves its place to another.
struct Carrier(Arc<Shared>);

impl Drop for Carrier {
    fn drop(&mut self) {
        self.0.carrier_ended();
    }
}

/// What goes in one round trip.
#[derive(Debug)]
struct Flush {
    /// Each with the index of its sheet; the pool's own, if it is among them, is the first.
    reports: Vec<(usize, Report, Call)>,
    told: Vec<Told>,
    budgets: Option<BudgetReport>,
    /// Those who wait for the answer to the budgets' asks, in their order.
    asks: Vec<Ask>,
    /// The changes that it holds.
    changes: u64,
    round: u64,
}

/// An answer on its way to the one who waits for it.
type Delivery = (oneshot::Sender<Result<Grant>>, Result<Grant>);

impl Flush {
    async fn run(&self, connection: &Connection) -> Vec<Result<Value, Failure>> {
        let words: Vec<_> = self
            .reports
            .iter()
            .map(|(.., call)| |command: &mut Cmd| call.write(command))
            .collect();
        let told: Vec<Cmd> = self
            .told
            .iter()
            .map(|told| {
                let mut command = cmd("SET");
                command.arg(&told.key).arg(told.number);
                command
            })
            .collect();
        SCRIPT.run_all(connection, &words, &told).await
    }
}

impl Shared {
    fn begin(&self) -> Flush {
        let now_ms = self.now_ms();
        let state = &mut *self.state();
        state.tally.turn_to(Day::of(now_ms));
        state.tally.renew_writers(now_ms);
        state.pace.began(Instant::now());
        state.rounds += 1;
        state.asks.retain(|ask| !ask.answer.is_closed());
        let mut flush = Flush {
            reports: Vec::new(),
            told: state.tally.take_left(),
            budgets: None,
            asks: Vec::new(),
            changes: state.changes,
            round: state.rounds,
        };
        if !state.budgets.is_empty() {
            let mut budgets = state.budgets.report(&state.tally, &self.process, now_ms);
            budgets.clock = self.server_clock();
            budgets.is_leaving = state.is_leaving;
            flush.budgets = Some(budgets);
        }
        let quiet_since_ms = now_ms - LOOK.as_secs_f64() * 500.0;
        for index in 0..state.tally.sheets().count() {
            let Some(sheet) = state.tally.sheet(index) else {
                break;
            };
            let mut budgets = flush.budgets.as_mut().filter(|_| index == 0);
            if budgets.is_none() && !sheet.is_due(quiet_since_ms) {
                continue;
            }
            let report = sheet.report(now_ms);
            // Whether there is room is known when all that was spent is counted.
            if let Some(budgets) = budgets.as_mut().filter(|_| report.is_whole) {
                flush.asks = mem::take(&mut state.asks);
                let asks = flush.asks.iter();
                budgets.asks = asks.map(|ask| (ask.account.clone(), ask.amounts)).collect();
            }
            let call = Call::new(sheet, &report, budgets.as_deref());
            flush.reports.push((index, report, call));
        }
        flush
    }

    fn take_over(self: &Arc<Self>, flush: Flush, answers: Vec<Result<Value, Failure>>) {
        let mut answers = answers.into_iter();
        let mut deliveries = Vec::new();
        {
            let state = &mut *self.state();
            let (mut has_failed, mut is_whole) = (false, true);
            let (mut own, mut own_is_whole) = (None, true);
            for (index, report, _) in &flush.reports {
                let answer = said(answers.next());
                if answer == Ok(Answer::Lost) && *index == 0 {
                    state.budgets.lost(&mut state.tally, self.now_ms());
                }
                let Some(sheet) = state.tally.sheet(*index) else {
                    break;
                };
                let is_all = match &answer {
                    Ok(Answer::Kept(_)) => {
                        sheet.kept(report);
                        report.is_whole
                    }
                    Ok(Answer::Lost) => {
                        sheet.lost();
                        false
                    }
                    Err((may_have_run, _)) => {
                        sheet.failed(report, *may_have_run);
                        has_failed = true;
                        false
                    }
                };
                is_whole &= is_all;
                if *index == 0 {
                    own_is_whole = is_all;
                    own = Some(answer);
                }
            }
            for told in &flush.told {
                if !matches!(answers.next(), Some(Ok(_))) {
                    state.tally.tell_again(told);
                    has_failed = true;
                }
            }
            state.pace_on(&flush, has_failed, is_whole);
            if own_is_whole {
                state.own_acknowledged = flush.changes;
            }
            if let Some(own) = own {
                if let Err((_, what)) = &own {
                    state.own_failure = Some((flush.round, what.clone()));
                }
                state.is_away = own.is_err();
                deliveries = self.answer_asks(state, flush, own);
            }
        }
        // Outside of the lock: a reservation that nobody waits for any more gives itself back.
        for (to, grant) in deliveries {
            drop(to.send(grant));
        }
        self.ended.notify_waiters();
        self.tell_of_budgets();
    }

    /// Enters what Redis has granted, and finds an answer for everybody.
    fn answer_asks(
        self: &Arc<Self>,
        state: &mut State,
        flush: Flush,
        own: Result<Answer, (bool, String)>,
    ) -> Vec<Delivery> {
        let Some(report) = flush.budgets else {
            return Vec::new();
        };
        match own {
            Ok(Answer::Kept(answer)) => {
                let answer = answer.unwrap_or_default();
                state.is_leaving &= !report.is_leaving;
                let now_ms = self.now_ms();
                state.budgets.heard(&report, &answer, &state.tally, now_ms);
                self.grants(state, flush.asks, &answer)
            }
            Ok(Answer::Lost) => {
                let later = mem::take(&mut state.asks);
                state.asks = flush.asks;
                state.asks.extend(later);
                Vec::new()
            }
            Err(_) => {
                let asks = flush.asks.into_iter().chain(mem::take(&mut state.asks));
                let decide = |ask: Ask| {
                    let grant = self.grant_of_share(state, &ask.account, ask.amounts);
                    (ask.answer, grant)
                };
                asks.map(decide).collect()
            }
        }
    }

    fn grants(
        self: &Arc<Self>,
        state: &mut State,
        asks: Vec<Ask>,
        answer: &BudgetAnswer,
    ) -> Vec<Delivery> {
        let verdicts = answer
            .verdicts
            .iter()
            .copied()
            .chain(std::iter::repeat(false));
        asks.into_iter()
            .zip(verdicts)
            .map(|(ask, granted)| {
                if granted {
                    state.budgets.reserve(&ask.account, ask.amounts);
                }
                let grant = self.grant(granted, &ask.account, ask.amounts);
                (ask.answer, Ok(grant))
            })
            .collect()
    }
}

impl State {
    /// Notes how a report ended, and when the next one goes.
    fn pace_on(&mut self, flush: &Flush, has_failed: bool, is_whole: bool) {
        if has_failed {
            self.failed = Some(flush.round);
            self.pace.failed(Instant::now());
            return;
        }
        self.pace.succeeded();
        if is_whole {
            self.acknowledged = flush.changes;
        } else {
            self.pace.hurry();
        }
    }
}

/// What Redis said to a report; else whether it may have counted it, and what happened.
fn said(answer: Option<Result<Value, Failure>>) -> Result<Answer, (bool, String)> {
    match answer {
        Some(Ok(value)) => {
            wire::answer(value).ok_or_else(|| (true, "its answer makes no sense".to_owned()))
        }
        Some(Err(failure)) => Err((failure.may_have_run(), failure.to_string())),
        None => Err((true, "it gave no answer".to_owned())),
    }
}
