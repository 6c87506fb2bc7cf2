//! Scripted trouble: which requests it strikes, and what happens to them.
//!
//! A rule has a trigger (whom it strikes) and an effect (what then happens). Both are plain data; the server carries the
//! effect out. Further effects, such as a cut connection, belong beside [`Scripted`] and nowhere else.

use std::sync::atomic::{AtomicU64, Ordering};

use fastrand::Rng;
use hyper::header::{HeaderName, HeaderValue};

/// One rule of the script as settings state it.
#[derive(Debug, Clone)]
pub(super) struct FaultRule {
    pub(super) trigger: Trigger,
    pub(super) effect: Effect,
}

/// Which requests a rule strikes; a condition that is absent always holds.
#[derive(Debug, Clone)]
pub(super) struct Trigger {
    /// Index of the account in the settings.
    pub(super) account: Option<usize>,
    /// The model's name or its group.
    pub(super) model: Option<String>,
    /// End of the request's path.
    pub(super) path: Option<String>,
    /// Lets so many matching requests pass first.
    pub(super) after: u64,
    /// Strikes so many times at most.
    pub(super) times: Option<u64>,
    /// Share of the matching requests that are struck, 0 to 1.
    pub(super) probability: f64,
}

/// What happens to a request that a rule strikes.
#[derive(Debug, Clone, Default)]
pub(super) struct Effect {
    /// Waits so many milliseconds more before the answer.
    pub(super) delay_ms: f64,
    /// Answers this in the place of the real answer.
    pub(super) answer: Option<Scripted>,
}

/// An answer by script.
#[derive(Debug, Clone)]
pub(super) struct Scripted {
    pub(super) status: u16,
    pub(super) body: ScriptedBody,
    /// Set last, over the usual headers.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

/// The body of an answer by script.
#[derive(Debug, Clone)]
pub(super) enum ScriptedBody {
    /// OpenAI's error of this name.
    Named(&'static str),
    /// What OpenAI or a gateway sends with this status.
    Fitting,
    /// This text as it is.
    Verbatim {
        text: String,
        content_type: &'static str,
    },
}

/// Where on its way a request is when a rule strikes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Before the limiter: the request takes nothing from any limit.
    Gate,
    /// After the limiter: OpenAI counts failed requests, so that it has been charged.
    Engine,
}

impl Effect {
    /// Refusals of the key, the model or the rate come from the gate. Errors of the engine behind it (5xx), of the
    /// content (400), and mere delays strike admitted requests.
    fn stage(&self) -> Stage {
        match &self.answer {
            Some(answer) if matches!(answer.status, 401..500) => Stage::Gate,
            _ => Stage::Engine,
        }
    }
}

/// What a trigger looks at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) account: usize,
    /// Empty where the request names none.
    pub(super) model: &'a str,
    /// Empty where the request names no model.
    pub(super) model_group: &'a str,
    pub(super) path: &'a str,
}

/// A running script: the rules and how often each has matched and struck.
#[derive(Debug)]
pub(super) struct Script {
    rules: Vec<(FaultRule, Counts)>,
}

#[derive(Debug, Default)]
struct Counts {
    matched: AtomicU64,
    struck: AtomicU64,
}

impl Script {
    pub(super) fn new(rules: Vec<FaultRule>) -> Script {
        Script {
            rules: rules
                .into_iter()
                .map(|rule| (rule, Counts::default()))
                .collect(),
        }
    }

    /// The effect of the first rule that strikes this request at this stage. Rules before it that match count it too.
    pub(super) fn strike(
        &self,
        stage: Stage,
        target: &Target<'_>,
        rng: &mut Rng,
    ) -> Option<&Effect> {
        self.rules
            .iter()
            .filter(|(rule, _)| rule.effect.stage() == stage && rule.trigger.matches(target))
            .find(|(rule, counts)| counts.strike(&rule.trigger, rng))
            .map(|(rule, _)| &rule.effect)
    }
}

impl Trigger {
    fn matches(&self, target: &Target<'_>) -> bool {
        self.account.is_none_or(|account| account == target.account)
            && self
                .model
                .as_deref()
                .is_none_or(|model| model == target.model || model == target.model_group)
            && self
                .path
                .as_deref()
                .is_none_or(|end| target.path.ends_with(end))
    }
}

impl Counts {
    fn strike(&self, trigger: &Trigger, rng: &mut Rng) -> bool {
        if self.matched.fetch_add(1, Ordering::Relaxed) < trigger.after {
            return false;
        }
        if trigger.probability < 1.0 && rng.f64() >= trigger.probability {
            return false;
        }
        let most = trigger.times.unwrap_or(u64::MAX);
        self.struck
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |struck| {
                (struck < most).then(|| struck + 1)
            })
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(trigger: Trigger, status: u16) -> FaultRule {
        let answer = Some(Scripted {
            status,
            body: ScriptedBody::Fitting,
            headers: Vec::new(),
        });
        FaultRule {
            trigger,
            effect: Effect {
                delay_ms: 0.0,
                answer,
            },
        }
    }

    const ALWAYS: Trigger = Trigger {
        account: None,
        model: None,
        path: None,
        after: 0,
        times: None,
        probability: 1.0,
    };

    const TARGET: Target<'_> = Target {
        account: 1,
        model: "gpt-4o-2024-08-06",
        model_group: "gpt-4o",
        path: "/v1/chat/completions",
    };

    fn strikes(trigger: Trigger, requests: usize) -> Vec<bool> {
        let script = Script::new(vec![rule(trigger, 500)]);
        let mut rng = Rng::with_seed(1);
        (0..requests)
            .map(|_| script.strike(Stage::Engine, &TARGET, &mut rng).is_some())
            .collect()
    }

    #[test]
    fn a_rule_lets_some_pass_then_strikes_its_number_of_times() {
        let trigger = Trigger {
            after: 2,
            times: Some(3),
            ..ALWAYS
        };
        let expected = [false, false, true, true, true, false, false];
        assert_eq!(strikes(trigger, 7), expected);
    }

    #[test]
    fn a_rule_with_a_probability_strikes_that_share() {
        let trigger = Trigger {
            probability: 0.3,
            ..ALWAYS
        };
        let struck = strikes(trigger, 10_000).iter().filter(|hit| **hit).count();
        assert!((2_800..3_200).contains(&struck), "{struck}");
        let never = Trigger {
            probability: 0.0,
            ..ALWAYS
        };
        assert!(!strikes(never, 100).contains(&true));
    }

    #[test]
    fn conditions_narrow_a_rule_to_its_account_model_and_path() {
        for (trigger, hits) in [
            (ALWAYS, true),
            (
                Trigger {
                    account: Some(1),
                    ..ALWAYS
                },
                true,
            ),
            (
                Trigger {
                    account: Some(0),
                    ..ALWAYS
                },
                false,
            ),
            (
                Trigger {
                    model: Some("gpt-4o".into()),
                    ..ALWAYS
                },
                true,
            ),
            (
                Trigger {
                    model: Some("gpt-4o-2024-08-06".into()),
                    ..ALWAYS
                },
                true,
            ),
            (
                Trigger {
                    model: Some("gpt-4".into()),
                    ..ALWAYS
                },
                false,
            ),
            (
                Trigger {
                    path: Some("/chat/completions".into()),
                    ..ALWAYS
                },
                true,
            ),
            (
                Trigger {
                    path: Some("/embeddings".into()),
                    ..ALWAYS
                },
                false,
            ),
        ] {
            assert_eq!(strikes(trigger.clone(), 1), [hits], "{trigger:?}");
        }
    }

    #[test]
    fn refusals_strike_before_the_limiter_and_failures_after_it() {
        for (status, stage) in [
            (401, Stage::Gate),
            (403, Stage::Gate),
            (404, Stage::Gate),
            (429, Stage::Gate),
            (200, Stage::Engine),
            (400, Stage::Engine),
            (500, Stage::Engine),
            (503, Stage::Engine),
        ] {
            assert_eq!(rule(ALWAYS, status).effect.stage(), stage, "{status}");
        }
        assert_eq!(Effect::default().stage(), Stage::Engine);
    }

    #[test]
    fn the_first_rule_that_strikes_wins() {
        let once = Trigger {
            times: Some(1),
            ..ALWAYS
        };
        let script = Script::new(vec![rule(once, 503), rule(ALWAYS, 500)]);
        let mut rng = Rng::with_seed(1);
        let statuses: Vec<u16> = (0..3)
            .filter_map(|_| script.strike(Stage::Engine, &TARGET, &mut rng))
            .filter_map(|effect| Some(effect.answer.as_ref()?.status))
            .collect();
        assert_eq!(statuses, [503, 500, 500]);
    }
}
