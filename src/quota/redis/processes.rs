//! How many processes share the lanes of a model group.
//!
//! Each says now and then, with a batch that goes anyway, that it uses them, and is told how many do.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::time::Instant;

/// A process that goes on using lanes says so again after this time; it is forgotten after several times as much.
const TOLD_AGAIN: Duration = Duration::from_secs(5);

/// A count is good for this long: as long as a process is remembered that is not heard of.
const LATELY: Duration = Duration::from_secs(30);

/// Model groups remembered: names come from callers, so their number needs a bound.
const MOST_MODEL_GROUPS: usize = 1_024;

/// What is known of those who share the lanes.
#[derive(Debug)]
pub(super) struct Processes {
    /// Our own name among them.
    own: String,
    told: HashMap<Arc<str>, Told>,
    /// The latest count of any model group.
    latest: f64,
}

#[derive(Debug)]
struct Told {
    /// When our name was said last.
    at: Option<Instant>,
    count: Option<(f64, Instant)>,
}

impl Processes {
    pub(super) fn new() -> Self {
        Processes {
            own: format!("{:016x}", fastrand::u64(..)),
            told: HashMap::new(),
            latest: 1.0,
        }
    }

    /// Our name.
    pub(super) fn own(&self) -> &str {
        &self.own
    }

    /// Our name, where it is time to say it again.
    pub(super) fn name_due(&mut self, model_group: &Arc<str>, now: Instant) -> Option<&str> {
        if let Some(told) = self.told.get_mut(model_group) {
            if told.at.is_some_and(|at| now < at + TOLD_AGAIN) {
                return None;
            }
            told.at = Some(now);
        } else {
            if self.told.len() >= MOST_MODEL_GROUPS {
                self.told.clear();
            }
            let told = Told {
                at: Some(now),
                count: None,
            };
            self.told.insert(model_group.clone(), told);
        }
        Some(&self.own)
    }

    /// What Redis said.
    pub(super) fn counted(&mut self, model_group: &Arc<str>, count: f64, now: Instant) {
        self.latest = count;
        if let Some(told) = self.told.get_mut(model_group) {
            told.count = Some((count, now));
        }
    }

    /// It is not known whether Redis has heard our name: say it with the next batch.
    pub(super) fn say_again(&mut self, model_group: &Arc<str>) {
        if let Some(told) = self.told.get_mut(model_group) {
            told.at = None;
        }
    }

    /// How many use the lanes of a model group, as far as was told lately. Where it was not, the larger of what was told last of
    /// it and of any other; this process alone where nothing was told at all.
    pub(super) fn count(&self, model_group: &Arc<str>, now: Instant) -> f64 {
        let told = self.told.get(model_group);
        match told.and_then(|told| told.count) {
            Some((count, at)) if now < at + LATELY => count,
            Some((count, _)) => count.max(self.latest),
            None => self.latest,
        }
    }
}
