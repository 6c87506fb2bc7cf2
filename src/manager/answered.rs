//! What an attempt answers a request with: a complete reply, or a stream that has begun.

use std::sync::Arc;

use tokio::time::Instant;

use super::{
    InFlight, Reply, Request,
    delivery::{Open, Served},
    exchange::Coming,
    live::Current,
    streaming::Streaming,
};
use crate::{
    books::Reservation,
    error::{Code, Error, Result},
    scheduler::Slot,
    tokens::Estimate,
};

/// What a request is answered with.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // Lives for one match; a box would cost an allocation a request.
pub(super) enum Answered {
    Whole(Reply),
    Begun(Box<Begun>),
}

impl Answered {
    /// The reply to a request that does not stream.
    pub(super) fn into_reply(self) -> Result<Reply> {
        match self {
            Answered::Whole(reply) => Ok(reply),
            // Only who asks for a stream is given one.
            Answered::Begun(_) => Err(Error::new(Code::Upstream, "a stream that nobody asked for")),
        }
    }
}

/// An answer of which the first event, or byte, has come.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) coming: Coming,
    pub(super) served: Served,
    pub(super) estimate: Estimate,
    pub(super) reservation: Option<Reservation>,
    pub(super) slot: Option<Slot>,
}

impl Begun {
    /// The stream that the caller reads.
    pub(super) fn into_stream(
        self,
        request: Request,
        current: Arc<Current>,
        deadline: Instant,
        in_flight: InFlight,
    ) -> Streaming {
        let open = Open {
            request,
            estimate: self.estimate,
            current,
            reservation: self.reservation,
            slot: self.slot,
            in_flight,
        };
        Streaming::new(self.coming, self.served, deadline, open)
    }
}
