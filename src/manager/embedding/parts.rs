//! The parts of one call, side by side: each is a request of its own, which waits, fails over and is repeated as any other.

use std::{collections::VecDeque, ops::Range};

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::Instant;

use super::{
    Embedded,
    assembly::Assembly,
    embedded,
    inputs::Inputs,
    packing::{self, Bounds},
};
use crate::{
    attempt::Attempt,
    error::{Code, Error, Result},
    manager::{
        Manager, Reply,
        answered::Answered,
        live::Current,
        serving::allowed,
        trail::Trail,
        wanted::{GiveUp, Wanted},
    },
    quota::Cost,
};

/// Parts under way at once. Each holds its body and at its end an answer of up to 17 MB (2,048 times 1,536 floats in base64).
const SIDE_BY_SIDE: usize = 8;

/// OpenAI's code where a request has more tokens than one may have.
const TOO_MANY_TOKENS: &str = "max_tokens_per_request";

/// One call for embeddings.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) manager: &'a Manager,
    pub(super) current: &'a Current,
    pub(super) inputs: &'a Inputs,
    /// When its time is over.
    pub(super) deadline: Instant,
}

/// What came of a part.
#[derive(Debug)]
struct Ended {
    inputs: Range<usize>,
    end: Result<Reply>,
}

/// The first part that failed for good.
#[derive(Debug)]
struct Failed {
    inputs: Range<usize>,
    error: Error,
}

impl Call<'_> {
    /// Serves all parts. Where one fails for good, those that were not sent are given up, and those that were are waited for: what they
    /// use is counted.
    pub(super) async fn run(&self) -> Result<Embedded> {
        let count = self.inputs.len();
        let tokens = self.inputs.tokens();
        let mut waiting = VecDeque::from(self.packed(&tokens).await?);
        let mut assembly = Some(Assembly::new(self.inputs.form, count));
        let mut parts: Vec<(Range<usize>, Reply)> = Vec::with_capacity(waiting.len());
        // Of parts that were split since.
        let mut earlier: Vec<Attempt> = Vec::new();
        let mut failed: Option<Failed> = None;
        let give_up = GiveUp::new();
        let mut under_way = FuturesUnordered::new();
        let mut most = SIDE_BY_SIDE;
        loop {
            while failed.is_none()
                && under_way.len() < most
                && let Some(inputs) = waiting.pop_front()
            {
                under_way.push(self.serve(inputs, give_up.wanted()));
            }
            let Some(Ended { inputs, end }) = under_way.next().await else {
                break;
            };
            let error = match end {
                Ok(mut reply) => {
                    most = SIDE_BY_SIDE;
                    let body = std::mem::take(&mut reply.body);
                    parts.push((inputs.clone(), reply));
                    match assembly.take() {
                        Some(so_far) if failed.is_none() => {
                            match so_far.add(inputs.clone(), body).await {
                                Ok(with_part) => {
                                    assembly = Some(with_part);
                                    continue;
                                }
                                Err(error) => error,
                            }
                        }
                        _ => continue,
                    }
                }
                Err(error) => error,
            };
            if failed.is_none() {
                if inputs.len() > 1 && could_be_smaller(&error) {
                    earlier.extend_from_slice(error.attempts());
                    let bounds = self.bounds().await?;
                    for part in packing::split(inputs, &tokens, bounds).into_iter().rev() {
                        waiting.push_front(part);
                    }
                    continue;
                }
                // It waits behind the others of its own call: they make room by their ends.
                if is_unsent(&error) && !under_way.is_empty() {
                    most = under_way.len();
                    waiting.push_front(inputs);
                    continue;
                }
            }
            let attempts = error.attempts().to_vec();
            match &failed {
                None => failed = Some(Failed { inputs, error }),
                Some(_) => earlier.extend(attempts),
            }
            give_up.now();
        }
        parts.sort_unstable_by_key(|(inputs, _)| inputs.start);
        if let Some(failed) = failed {
            let served = parts.into_iter().flat_map(|(_, reply)| reply.attempts);
            return Err(failed.into_error(count, earlier.into_iter().chain(served)));
        }
        if let Some((_, first)) = parts.first_mut() {
            earlier.append(&mut first.attempts);
            first.attempts = earlier;
        }
        let usage = embedded::usage(parts.iter().map(|(_, reply)| reply));
        let assembly = assembly.unwrap_or_else(|| Assembly::new(self.inputs.form, count));
        Ok(Embedded {
            form: self.inputs.form,
            inputs: count,
            whole: assembly.finish(usage.as_ref())?,
            parts,
            merged_calls: None,
            warnings: None,
        })
    }

    /// One part, in the ordinary way.
    async fn serve(&self, inputs: Range<usize>, wanted: Wanted) -> Ended {
        let request = self.inputs.part(&inputs);
        let mut trail = Trail::default();
        trail.wanted = wanted;
        let end = self
            .manager
            .serve_until(&request, self.current, self.deadline, trail)
            .await
            .and_then(Answered::into_reply);
        Ended { inputs, end }
    }

    /// The parts by OpenAI's bounds; where there are several, also by what the accounts are known to take.
    async fn packed(&self, tokens: &[u64]) -> Result<Vec<Range<usize>>> {
        let parts = packing::pack(tokens, packing::OPENAI);
        if parts.len() < 2 {
            return Ok(parts);
        }
        Ok(packing::pack(tokens, self.bounds().await?))
    }

    /// What the accounts are known to take. Where the books cannot be read, only OpenAI's bounds are known: asking for room says more.
    async fn bounds(&self) -> Result<Bounds> {
        let request = self.inputs.request();
        let accounts = allowed(request.options.accounts.as_deref(), &self.current.settings)?;
        let scheduler = &self.manager.scheduler;
        let standings = scheduler.standings(&request.model_group, Cost::NOTHING);
        let standings = standings.await.unwrap_or_default();
        let limits = standings
            .iter()
            .filter(|standing| {
                let label = &standing.account.label;
                accounts
                    .as_ref()
                    .is_none_or(|accounts| accounts.contains(label))
            })
            .map(|standing| standing.lane.tokens_limit);
        Ok(Bounds::of_lanes(limits))
    }
}

impl Failed {
    /// The error of the call, with all calls that were made.
    fn into_error(self, inputs: usize, others: impl Iterator<Item = Attempt>) -> Error {
        let Failed {
            inputs: part,
            error,
        } = self;
        let attempts: Vec<Attempt> = error.attempts().iter().cloned().chain(others).collect();
        let error = error.with_attempts(attempts);
        match part.len() {
            all if all == inputs => error,
            1 => error.behind(&format!("input {} of {inputs}", part.start)),
            _ => error.behind(&format!(
                "inputs {} to {} of {inputs}",
                part.start,
                part.end - 1
            )),
        }
    }
}

/// Whether fewer inputs could be taken where these were not.
fn could_be_smaller(error: &Error) -> bool {
    let upstream = error.last_answer().and_then(|last| last.error.as_ref());
    error.code() == Code::TooLarge
        || upstream.is_some_and(|error| error.code.as_deref() == Some(TOO_MANY_TOKENS))
}

/// Whether there was no room for it in the time that it may wait, and nothing else is wrong.
fn is_unsent(error: &Error) -> bool {
    error.code() == Code::Wait && error.attempts().is_empty()
}
