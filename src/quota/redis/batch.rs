//! What gathers for a model group while a round trip is under way, and goes with the next.

use std::{collections::HashMap, sync::Arc};

use tokio::{
    sync::{Notify, oneshot},
    task::AbortHandle,
    time::Instant,
};

use super::{
    away::Away,
    company::Company,
    keys::Keys,
    processes::Processes,
    wire::{self, Packer, Request},
};
use crate::{
    config::Limits,
    quota::{Answer, Ask, Observation, Settlement, Standing},
    redis::Value,
};

/// Operations in one round trip: the script holds up everybody else for as long as it runs, a few microseconds for each.
const MOST_IN_BATCH: usize = 128;

/// What is kept to be sent again while Redis is away. The room of older bookings has flowed back long before so many are
/// waiting.
const MOST_KEPT: usize = 4_096;

/// Something to do on the lanes of one model group.
#[derive(Debug)]
pub(super) enum Operation {
    Book {
        /// Moments are relative to the asking.
        ask: Ask,
        answer: oneshot::Sender<Result<Answer, Away>>,
    },
    Look {
        ask: Ask,
        answer: oneshot::Sender<Result<Vec<Standing>, Away>>,
    },
    Settle(Box<Settlement>),
    Observe(Box<Observation>),
    /// With a number that grows, so that one that was sent twice is taken once.
    Charge(Box<Charge>, u64),
    /// Only wants to know whether there is an answer.
    Probe {
        answer: oneshot::Sender<Result<(), Away>>,
    },
    Withdraw {
        /// The quota group on whose lane the claim stands.
        claimed: usize,
        claimant: u64,
    },
}

/// What was used of a lane while its process could not say so.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::quota) struct Charge {
    pub(in crate::quota) quota_group: usize,
    /// The lane's configured limits.
    pub(in crate::quota) limits: Limits,
    /// Of each metric; below zero gives back.
    pub(in crate::quota) used: [f64; 4],
    /// What can be left of each metric at most, not counting `used`, where the lane has been lost and made anew in the last
    /// `alone_ms` milliseconds.
    pub(in crate::quota) most_left: [Option<f64>; 4],
    pub(in crate::quota) alone_ms: f64,
    /// Nothing may be sent for this time.
    pub(in crate::quota) block_ms: Option<f64>,
}

impl Operation {
    /// Whether nobody waits for its answer any more.
    fn is_given_up(&self) -> bool {
        match self {
            Operation::Book { answer, .. } => answer.is_closed(),
            Operation::Look { answer, .. } => answer.is_closed(),
            Operation::Probe { answer } => answer.is_closed(),
            _ => false,
        }
    }

    /// Whether it tells what has happened, which stays true when it is sent later.
    fn is_kept(&self) -> bool {
        !matches!(
            self,
            Operation::Book { .. } | Operation::Look { .. } | Operation::Probe { .. }
        )
    }
}

/// The lanes of one model group, seen from here.
#[derive(Debug, Default)]
pub(super) struct Family {
    /// In the order of asking.
    waiting: Vec<Operation>,
    /// What certainly has not run when it was sent; goes before all that waits.
    kept: Vec<Operation>,
    /// The task that carries batches, while there are any.
    carrier: Option<AbortHandle>,
    /// The quota group on whose lane the claim of each of our claimants stands.
    claims: HashMap<u64, usize>,
    /// When what waits leaves.
    company: Company,
    /// Bookings that are not settled yet.
    under_way: usize,
    /// The carrier waits for company, and is told here when there is enough.
    lingering: Option<(Instant, Arc<Notify>)>,
}

impl Family {
    pub(super) fn add(&mut self, operation: Operation) {
        let now = Instant::now();
        match &operation {
            Operation::Book { .. } => self.company.add_booking(now),
            Operation::Settle(settlement) => {
                self.under_way = self.under_way.saturating_sub(1);
                match settlement.refused {
                    true => self.company.add_urgent(),
                    false => self.company.add_other(now),
                }
            }
            Operation::Observe(_) => self.company.add_other(now),
            // Somebody waits for the answer, or behind the claim.
            Operation::Look { .. }
            | Operation::Probe { .. }
            | Operation::Charge(..)
            | Operation::Withdraw { .. } => self.company.add_urgent(),
        }
        self.waiting.push(operation);
        let leaves_at = self.leaves_at();
        // The carrier that is told looks again by itself.
        if let Some((_, carrier)) = self
            .lingering
            .take_if(|(until, _)| leaves_at.is_none_or(|leaves_at| leaves_at < *until))
        {
            carrier.notify_one();
        }
    }

    /// When what waits leaves; `None` is at once.
    fn leaves_at(&self) -> Option<Instant> {
        match self.waiting.len() < MOST_IN_BATCH {
            true => self.company.leaves_at(self.under_way),
            false => None,
        }
    }

    /// Until when the carrier should wait for company, unless it is told before; `None` where it should not.
    pub(super) fn linger(&mut self, now: Instant) -> Option<(Instant, Arc<Notify>)> {
        self.lingering = None;
        let until = self.leaves_at().filter(|until| *until > now)?;
        let told = self.lingering.insert((until, Arc::default()));
        Some(told.clone())
    }

    /// Forgets the claim of one who will not ask again.
    pub(super) fn withdraw(&mut self, claimant: u64) {
        if let Some(claimed) = self.claims.remove(&claimant) {
            self.add(Operation::Withdraw { claimed, claimant });
        }
    }

    /// Has a task carry what waits, unless one does.
    pub(super) fn carry(&mut self, start: impl FnOnce() -> Option<AbortHandle>) {
        // One whose runtime has ended before it began is none.
        let has_carrier = self
            .carrier
            .as_ref()
            .is_some_and(|carrier| !carrier.is_finished());
        if !has_carrier && !self.waiting.is_empty() {
            self.carrier = start();
        }
    }

    /// The next batch; `None` ends the task, as what is kept waits for somebody to ask. Where it is time,
    /// the batch says that this process uses the lanes, and asks how many do.
    pub(super) fn next(
        &mut self,
        keys: &Keys,
        model_group: &Arc<str>,
        clock: String,
        processes: &mut Processes,
    ) -> Option<Batch> {
        self.waiting.retain(|operation| !operation.is_given_up());
        if self.waiting.is_empty() {
            self.carrier = None;
            return None;
        }
        let mut operations: Vec<Operation> = self.kept.drain(..).collect();
        operations.append(&mut self.waiting);
        self.company = Company::default();
        if operations.len() > MOST_IN_BATCH {
            self.waiting = operations.split_off(MOST_IN_BATCH);
            self.company.add_urgent();
        }
        let mut packer = Packer::new(keys, model_group, clock);
        for operation in &operations {
            match operation {
                Operation::Book { ask, .. } => {
                    packer.book(ask, self.claims.get(&ask.claimant).copied());
                }
                Operation::Look { ask, .. } => packer.look(ask),
                Operation::Settle(settlement) => packer.settle(settlement),
                Operation::Observe(observation) => packer.observe(observation),
                Operation::Charge(charge, number) => {
                    packer.charge(charge, *number, processes.own());
                }
                Operation::Probe { .. } => {}
                Operation::Withdraw { claimed, claimant } => packer.withdraw(*claimed, *claimant),
            }
        }
        let process = processes.name_due(model_group, Instant::now());
        if let Some(process) = process {
            packer.count_processes(process);
        }
        Some(Batch {
            request: packer.finish(),
            operations,
            counts_processes: process.is_some(),
        })
    }

    /// Enters what an ask was told.
    fn note_claim(&mut self, claimant: u64, claimed: Option<usize>) {
        match claimed {
            Some(claimed) => self.claims.insert(claimant, claimed),
            None => self.claims.remove(&claimant),
        };
    }

    /// Keeps what can be sent again.
    fn keep(&mut self, operations: impl Iterator<Item = Operation>) {
        self.kept.extend(operations.filter(Operation::is_kept));
        let mut too_many = self.kept.len().saturating_sub(MOST_KEPT);
        self.kept.retain(|operation| {
            let goes = too_many > 0 && !matches!(operation, Operation::Charge(..));
            too_many -= usize::from(goes);
            !goes
        });
    }

    /// Its task was ended, or its thread's runtime was: nobody carries what waits, so those who wait for an answer are told
    /// (their senders are dropped).
    pub(super) fn interrupt(&mut self) {
        self.carrier = None;
        self.company = Company::default();
        let waiting = std::mem::take(&mut self.waiting);
        self.keep(waiting.into_iter());
    }

    /// Ends the task, if there is one.
    pub(super) fn abort(&mut self) {
        if let Some(carrier) = self.carrier.take() {
            carrier.abort();
        }
    }

    /// Whether something is on its way.
    pub(super) fn is_busy(&self) -> bool {
        self.carrier.is_some()
    }

    /// Whether something waits for somebody to ask.
    pub(super) fn keeps(&self) -> bool {
        !self.kept.is_empty()
    }

    /// Whether there is nothing to remember.
    pub(super) fn is_idle(&self) -> bool {
        self.carrier.is_none()
            && self.waiting.is_empty()
            && self.kept.is_empty()
            && self.claims.is_empty()
            && self.under_way == 0
    }
}

/// What goes in one round trip.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) request: Request,
    operations: Vec<Operation>,
    pub(super) counts_processes: bool,
}

/// What Redis said to a batch.
pub(super) struct Answered {
    pub(super) deliveries: Vec<Delivery>,
    /// How many processes use the lanes, where the batch asked.
    pub(super) processes: Option<f64>,
}

/// An answer on its way to the one who waits for it.
#[allow(clippy::large_enum_variant)] // Lives for one match; a box would cost an allocation a request.
pub(super) enum Delivery {
    /// Of a claimant.
    Booking(
        oneshot::Sender<Result<Answer, Away>>,
        u64,
        Result<Answer, Away>,
    ),
    Standings(
        oneshot::Sender<Result<Vec<Standing>, Away>>,
        Result<Vec<Standing>, Away>,
    ),
    Probed(oneshot::Sender<Result<(), Away>>, Result<(), Away>),
}

impl Batch {
    /// Reads the script's answer and notes the claims. `None` where it makes no sense.
    pub(super) fn answered(&mut self, value: &Value, family: &mut Family) -> Option<Answered> {
        let mut answers = wire::answers(value)?.into_iter();
        let mut deliveries = Vec::new();
        for operation in self.operations.drain(..) {
            match operation {
                Operation::Book { ask, answer } => {
                    let (said, claimed) = wire::booked(&ask, &answers.next()?)?;
                    family.under_way += usize::from(matches!(said, Answer::Booked(_)));
                    family.note_claim(ask.claimant, claimed);
                    deliveries.push(Delivery::Booking(answer, ask.claimant, Ok(said)));
                }
                Operation::Look { answer, .. } => {
                    let standings = wire::standings(&answers.next()?);
                    deliveries.push(Delivery::Standings(answer, Ok(standings)));
                }
                Operation::Probe { answer } => deliveries.push(Delivery::Probed(answer, Ok(()))),
                _ => {}
            }
        }
        let processes = match self.counts_processes {
            true => Some(*answers.next()?.first()?),
            false => None,
        };
        Some(Answered {
            deliveries,
            processes,
        })
    }

    /// Redis failed. Those who wait for an answer are told. What certainly has not run is kept, and then what has gathered
    /// meanwhile would meet the same: the task ends, instead of trying over and over.
    pub(super) fn failed(
        self,
        may_have_run: bool,
        away: &Away,
        family: &mut Family,
    ) -> Vec<Delivery> {
        let mut operations = self.operations;
        if !may_have_run {
            operations.append(&mut family.waiting);
            family.company = Company::default();
        }
        let mut deliveries = Vec::new();
        let mut others = Vec::new();
        for operation in operations {
            match operation {
                Operation::Book { ask, answer } => {
                    deliveries.push(Delivery::Booking(answer, ask.claimant, Err(away.clone())));
                }
                Operation::Look { answer, .. } => {
                    deliveries.push(Delivery::Standings(answer, Err(away.clone())));
                }
                Operation::Probe { answer } => {
                    deliveries.push(Delivery::Probed(answer, Err(away.clone())));
                }
                other => others.push(other),
            }
        }
        if may_have_run {
            // Sent again it is recognized.
            others.retain(|operation| matches!(operation, Operation::Charge(..)));
        }
        family.keep(others.into_iter());
        deliveries
    }
}
