//! A function that is asked for a secret: once for all who need it at the same time, and again when a server refused what it gave.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};

use super::{Ask, CurrentKey};

type Answer = Result<CurrentKey, Arc<str>>;

/// A function of the user's, which JavaScript knows by a number, and what it gave.
#[derive(Debug)]
pub struct KeyFunction {
    number: u32,
    slot: Mutex<Slot>,
}

#[derive(Debug, Default)]
struct Slot {
    /// How often it was asked.
    asked: u64,
    /// The latest answer.
    answer: Option<Answer>,
    /// Under way. Everybody who needs the answer polls it, so it goes on when some of them are aborted.
    asking: Option<Shared<BoxFuture<'static, Answer>>>,
}

impl PartialEq for KeyFunction {
    /// Whether both are the same function, whatever it gave.
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl KeyFunction {
    /// The function of a number, which was not asked yet.
    pub fn new(number: u32) -> Self {
        KeyFunction {
            number,
            slot: Mutex::default(),
        }
    }

    /// Its number.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// See [`Key::current`](super::Key::current).
    pub(super) async fn current(&self, refused: Option<&CurrentKey>, ask: Ask<'_>) -> Answer {
        let asking = {
            let mut slot = self.slot();
            if let Some(answer) = slot.usable(refused) {
                return answer;
            }
            match &slot.asking {
                Some(asking) => asking.clone(),
                None => {
                    slot.asked += 1;
                    let asked = slot.asked;
                    let answer = ask(self.number).map(move |answer| match answer {
                        Ok(key) => Ok(CurrentKey { key, asked }),
                        Err(why) => Err(why.into()),
                    });
                    let asking = answer.boxed().shared();
                    slot.asking = Some(asking.clone());
                    asking
                }
            }
        };
        let answer = asking.clone().await;
        let mut slot = self.slot();
        // The first one to hear the answer enters it.
        let is_under_way = slot.asking.as_ref().is_some_and(|own| own.ptr_eq(&asking));
        if is_under_way {
            slot.asking = None;
            slot.answer = Some(answer.clone());
        }
        answer
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        // Its fields are assigned one by one, and each state of them can be gone on from.
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// The latest answer, if nobody has to ask. Requests that were in flight together are refused one after the other: what was asked
    /// after the first of them holds for all, be it a failure.
    fn usable(&self, refused: Option<&CurrentKey>) -> Option<Answer> {
        let answer = self.answer.as_ref()?;
        match refused {
            None if self.asking.is_some() => None,
            None => answer.is_ok().then(|| answer.clone()),
            Some(refused) => {
                (self.asked > refused.asked && self.asking.is_none()).then(|| answer.clone())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;
    use crate::key::ApiKey;

    /// Gives `answers` in turn, the last one again and again, each when it is let go; counts how often it is asked.
    struct Source {
        answers: Vec<Result<&'static str, &'static str>>,
        asked: AtomicUsize,
        gate: Option<Arc<Notify>>,
    }

    fn source(answers: &[Result<&'static str, &'static str>]) -> Source {
        Source {
            answers: answers.to_vec(),
            asked: AtomicUsize::new(0),
            gate: None,
        }
    }

    impl Source {
        fn ask(&self) -> impl Fn(u32) -> BoxFuture<'static, Result<ApiKey, String>> + Sync {
            |number| {
                assert_eq!(number, 7);
                let asked = self.asked.fetch_add(1, Ordering::SeqCst);
                let answer = self.answers[asked.min(self.answers.len() - 1)];
                let gate = self.gate.clone();
                async move {
                    if let Some(gate) = gate {
                        gate.notified().await;
                    }
                    match answer {
                        Ok(key) => ApiKey::parse(key),
                        Err(why) => Err(why.to_owned()),
                    }
                }
                .boxed()
            }
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::SeqCst)
        }
    }

    fn text(answer: &Answer) -> Result<&str, &str> {
        match answer {
            Ok(key) => Ok(key.key.expose()),
            Err(why) => Err(why),
        }
    }

    #[tokio::test]
    async fn it_is_asked_once_and_again_only_after_a_refusal() {
        let function = KeyFunction::new(7);
        let source = source(&[Ok("one"), Ok("two")]);
        let first = function.current(None, &source.ask()).await;
        assert_eq!(text(&first), Ok("one"));
        assert_eq!(function.current(None, &source.ask()).await, first);
        assert_eq!(source.asked(), 1);
        let refused = first.unwrap();
        for _ in 0..3 {
            // All that were in flight with the refused one.
            let second = function.current(Some(&refused), &source.ask()).await;
            assert_eq!(text(&second), Ok("two"));
        }
        assert_eq!(
            text(&function.current(None, &source.ask()).await),
            Ok("two")
        );
        assert_eq!(source.asked(), 2);
    }

    #[tokio::test]
    async fn all_who_need_it_at_once_ask_once_also_when_the_first_goes_away() {
        let function = KeyFunction::new(7);
        let gate = Arc::new(Notify::new());
        let source = Source {
            gate: Some(gate.clone()),
            ..source(&[Ok("one")])
        };
        let ask = source.ask();
        let mut first = Box::pin(function.current(None, &ask));
        assert!(first.as_mut().now_or_never().is_none());
        let second = function.current(None, &ask);
        let third = function.current(None, &ask);
        drop(first);
        let let_go = async {
            tokio::task::yield_now().await;
            gate.notify_waiters();
        };
        let (second, third, ()) = tokio::join!(second, third, let_go);
        assert_eq!((text(&second), text(&third)), (Ok("one"), Ok("one")));
        assert_eq!(source.asked(), 1);
    }

    #[tokio::test]
    async fn a_failure_is_told_to_all_who_were_refused_and_the_next_asks_again() {
        let function = KeyFunction::new(7);
        let source = source(&[Ok("one"), Err("vault is closed"), Ok("three")]);
        let refused = function.current(None, &source.ask()).await.unwrap();
        for _ in 0..2 {
            let answer = function.current(Some(&refused), &source.ask()).await;
            assert_eq!(text(&answer), Err("vault is closed"));
        }
        assert_eq!(source.asked(), 2);
        assert_eq!(
            text(&function.current(None, &source.ask()).await),
            Ok("three")
        );
    }

    #[tokio::test]
    async fn the_same_key_again_is_known_to_be_no_other() {
        let function = KeyFunction::new(7);
        let source = source(&[Ok("one")]);
        let refused = function.current(None, &source.ask()).await.unwrap();
        for _ in 0..3 {
            let answer = function.current(Some(&refused), &source.ask()).await;
            assert_eq!(text(&answer), Ok("one"));
        }
        assert_eq!(source.asked(), 2);
    }
}
