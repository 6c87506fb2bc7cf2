//! Whether to try again after an attempt, and when. Pure; randomness is an argument.
//!
//! Walking over accounts and repeating have separate budgets: an account that refuses its key says nothing about the request, so it must
//! not use up the tries that are meant for a failing server. A number of retries that the caller names replaces them all.

use std::time::Duration;

use crate::{attempt::Outcome, outcome::Verdict};

/// OpenAI's clients: 0.5 s, doubled each time, at most 8 s, less up to a quarter.
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
const LONGEST_BACKOFF: Duration = Duration::from_secs(8);
const MOST_JITTER: f64 = 0.25;

/// A server's wait above this is not believed for a failing server, as in OpenAI's own client.
const LONGEST_BELIEVED_WAIT: Duration = Duration::from_secs(60);

/// A 429 while our books say that there is room comes from somebody else's use; each blocks its lane, so a number of them in
/// a row is a reason to doubt the account rather than to go on for ever.
const MOST_LIMITED: u32 = 16;

/// The tries that a request has left.
#[derive(Debug, Clone)]
pub(super) struct Tries {
    /// All further attempts together.
    all: u32,
    repeats: u32,
    walks: u32,
    limited: u32,
    /// Repeats and 429s so far: the exponents of their backoffs.
    repeated: u32,
    limited_so_far: u32,
}

/// What to do after an attempt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Next {
    /// Give up, with this answer.
    Fail,
    /// Any account, as the books say.
    Anywhere,
    /// Any account but this one.
    Elsewhere,
    /// Any account at once, this one after the time.
    After(Duration),
}

impl Tries {
    /// The tries of a new request. `named` is the caller's number of further attempts: it goes before our own budgets.
    pub(super) fn new(named: Option<u32>, accounts: usize) -> Self {
        let accounts = u32::try_from(accounts).unwrap_or(u32::MAX);
        let budget = |ours: u32| named.unwrap_or(ours);
        Tries {
            all: budget(u32::MAX),
            repeats: budget(accounts.max(2)),
            walks: budget(accounts),
            limited: budget(MOST_LIMITED.max(accounts)),
            repeated: 0,
            limited_so_far: 0,
        }
    }

    /// What to do after an attempt that was not `Ok`; `random` lies in 0..1.
    pub(super) fn after(&mut self, verdict: &Verdict, random: f64) -> Next {
        let told_not_to = verdict.should_retry == Some(false);
        let (budget, next) = match verdict.outcome {
            Outcome::Ok | Outcome::BadRequest | Outcome::Aborted => return Next::Fail,
            Outcome::OutOfMoney
            | Outcome::KeyRefused
            | Outcome::ModelRefused
            | Outcome::TooLarge => (&mut self.walks, Next::Elsewhere),
            Outcome::Limited | Outcome::Overloaded | Outcome::Broken if told_not_to => {
                return Next::Fail;
            }
            Outcome::Limited => {
                self.limited_so_far += 1;
                (&mut self.limited, Next::Anywhere)
            }
            Outcome::Overloaded | Outcome::Broken => {
                let believed = verdict.wait.filter(|wait| *wait <= LONGEST_BELIEVED_WAIT);
                let wait = believed.unwrap_or_else(|| backoff(self.repeated, random));
                self.repeated += 1;
                (&mut self.repeats, Next::After(wait))
            }
        };
        if *budget == 0 || self.all == 0 {
            return Next::Fail;
        }
        *budget -= 1;
        self.all -= 1;
        next
    }

    /// The wait for a limited lane whose server named none.
    pub(super) fn block_without_word(&self, random: f64) -> Duration {
        backoff(self.limited_so_far, random)
    }
}

/// The wait before repeat number `repeat`, counted from 0.
fn backoff(repeat: u32, random: f64) -> Duration {
    let base = FIRST_BACKOFF
        .saturating_mul(1 << repeat.min(10))
        .min(LONGEST_BACKOFF);
    base.mul_f64(1.0 - MOST_JITTER * random.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(outcome: Outcome) -> Verdict {
        Verdict {
            outcome,
            should_retry: None,
            wait: None,
            limit_hit: None,
            error: None,
        }
    }

    fn steps(tries: &mut Tries, outcome: Outcome) -> usize {
        let verdict = verdict(outcome);
        (0..1000)
            .take_while(|_| tries.after(&verdict, 0.0) != Next::Fail)
            .count()
    }

    #[test]
    fn the_backoff_is_that_of_openais_clients() {
        let ms = |repeat, random| backoff(repeat, random).as_millis();
        let longest: Vec<_> = (0..7).map(|repeat| ms(repeat, 0.0)).collect();
        assert_eq!(longest, [500, 1000, 2000, 4000, 8000, 8000, 8000]);
        let shortest: Vec<_> = (0..3).map(|repeat| ms(repeat, 1.0)).collect();
        assert_eq!(shortest, [375, 750, 1500]);
    }

    #[test]
    fn walking_over_accounts_and_repeating_have_separate_budgets() {
        let mut tries = Tries::new(None, 3);
        assert_eq!(steps(&mut tries, Outcome::KeyRefused), 3);
        assert_eq!(steps(&mut tries, Outcome::Overloaded), 3);
        assert_eq!(steps(&mut tries, Outcome::Limited), 16);
    }

    #[test]
    fn a_single_account_is_repeated_twice() {
        assert_eq!(steps(&mut Tries::new(None, 1), Outcome::Broken), 2);
    }

    #[test]
    fn the_callers_number_bounds_everything_together() {
        let mut tries = Tries::new(Some(2), 10);
        assert_eq!(
            tries.after(&verdict(Outcome::KeyRefused), 0.0),
            Next::Elsewhere
        );
        assert_eq!(tries.after(&verdict(Outcome::Limited), 0.0), Next::Anywhere);
        assert_eq!(tries.after(&verdict(Outcome::Limited), 0.0), Next::Fail);
        assert_eq!(steps(&mut Tries::new(Some(0), 10), Outcome::Overloaded), 0);
        assert_eq!(steps(&mut Tries::new(Some(9), 1), Outcome::Overloaded), 9);
    }

    #[test]
    fn a_wrong_request_is_never_repeated() {
        assert_eq!(steps(&mut Tries::new(None, 5), Outcome::BadRequest), 0);
    }

    #[test]
    fn the_servers_word_goes_before_our_own_backoff() {
        let mut tries = Tries::new(None, 3);
        let mut told = verdict(Outcome::Overloaded);
        told.wait = Some(Duration::from_secs(7));
        assert_eq!(tries.after(&told, 0.0), Next::After(Duration::from_secs(7)));
        told.wait = Some(Duration::from_secs(61));
        assert_eq!(tries.after(&told, 0.0), Next::After(Duration::from_secs(1)));
        told.should_retry = Some(false);
        assert_eq!(tries.after(&told, 0.0), Next::Fail);
    }
}
