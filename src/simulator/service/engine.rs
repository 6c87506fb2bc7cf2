//! The engine behind the limiter: it reads the prompt and replies.

use std::sync::atomic::Ordering;

use super::answers::{Answer, JSON};
use super::flow::{Service, Visit};
use crate::simulator::cache::PromptCache;
use crate::simulator::limits::{Group, Readings};
use crate::simulator::replies::Output;
use crate::simulator::work::{Body, Origin, Work};

const EVENTS: &str = "text/event-stream; charset=utf-8";

/// What is known of a request when it is admitted.
#[derive(Debug)]
pub(super) struct Admitted<'a> {
    pub(super) group: &'a Group,
    pub(super) readings: &'a Readings,
    /// The length of its prompt, if the charge has already needed it.
    pub(super) counted: Option<u64>,
    /// Milliseconds until it is answered.
    pub(super) delay_ms: f64,
}

impl Service {
    /// The reply to an admitted request.
    pub(super) fn engine(
        &self,
        visit: &mut Visit<'_>,
        work: &Work<'_>,
        outputs: Vec<Output>,
        admitted: &Admitted<'_>,
    ) -> Answer {
        let (readings, delay_ms) = (Some(admitted.readings), admitted.delay_ms);
        let counted = admitted.counted.map_or_else(|| work.prompt_tokens(), Ok);
        let prompt_tokens = match counted {
            Ok(tokens) => tokens,
            Err(error) => return self.error(visit, &error, readings, delay_ms),
        };
        let cached_tokens = self.cached_tokens(visit, work, prompt_tokens);
        let tally = admitted.group.tally(visit.account);
        for (sum, tokens) in [
            (&tally.prompt_tokens, prompt_tokens),
            (&tally.cached_tokens, cached_tokens),
        ] {
            sum.fetch_add(tokens, Ordering::Relaxed);
        }
        let origin = Origin {
            created: self.epoch_s + (visit.now / 1000.0) as u64,
            ms_per_token: self.settings.ms_per_token,
            seed: self.settings.seed,
            cached_tokens,
        };
        let body = work.body(outputs, prompt_tokens, origin, &mut visit.rng);
        let content_type = match body {
            Body::Whole(_) => JSON,
            Body::Events(_) => EVENTS,
        };
        self.own(visit, 200, content_type, body, readings, delay_ms)
    }

    /// The tokens of the prompt that its organization's cache knows.
    ///
    /// The prompt is known to later requests from this moment on, that of admission: the time until the answer is that
    /// of generating, and the prompt is read before.
    fn cached_tokens(&self, visit: &Visit<'_>, work: &Work<'_>, prompt_tokens: u64) -> u64 {
        // Too short even if all of it is known.
        if PromptCache::cached_tokens(prompt_tokens) == 0 {
            return 0;
        }
        let Some(prefix) = work.prefix() else {
            return 0;
        };
        let known = self.caches.visit(visit.account, prefix.hashes(), visit.now);
        PromptCache::cached_tokens(prefix.tokens(known, prompt_tokens))
    }
}
