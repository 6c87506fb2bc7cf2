//! Requests that nobody wants any more before they are sent, because another one of their call has failed.

use std::{
    future::{Future, pending},
    pin::Pin,
};

use tokio::sync::watch;

use crate::error::{Code, Error, Result};

/// Whether a request is still wanted; one that was sent already goes on to its end, so that what it uses is counted.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted(Option<watch::Receiver<bool>>);

/// Whoever can give up requests.
#[derive(Debug)]
pub(super) struct GiveUp(watch::Sender<bool>);

impl GiveUp {
    pub(super) fn new() -> Self {
        GiveUp(watch::Sender::new(false))
    }

    pub(super) fn now(&self) {
        self.0.send_replace(true);
    }

    pub(super) fn wanted(&self) -> Wanted {
        Wanted(Some(self.0.subscribe()))
    }
}

impl Wanted {
    /// Waits for room for as long as the request is wanted.
    ///
    /// The future is pinned where it was made: a future that holds another one by value has room for it twice, and every call asks for
    /// memory for that.
    pub(super) async fn until_room<T>(
        &self,
        room: Pin<&mut impl Future<Output = Result<T>>>,
    ) -> Result<T> {
        let Some(mut given_up) = self.0.clone() else {
            return room.await;
        };
        let given_up = async {
            // Without the one who could give it up it stays wanted.
            if given_up.wait_for(|given_up| *given_up).await.is_err() {
                pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            () = given_up => Err(Error::new(Code::Upstream, "another part of the call has failed")),
            room = room => room,
        }
    }
}
