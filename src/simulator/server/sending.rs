//! The body of an answer on its way to the client.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use crate::simulator::replies::{Event, EventStream};
use crate::simulator::work::Body;

/// Settings bound every time by an hour, so that the conversion cannot fail.
pub(super) fn milliseconds(span: f64) -> Duration {
    Duration::try_from_secs_f64(span / 1000.0).unwrap_or_default()
}

/// The body of an answer while it is sent.
#[derive(Debug)]
pub(super) enum Sending {
    Whole(Option<Bytes>),
    Events(Box<EventBody>),
}

impl Sending {
    pub(super) fn new(body: Body) -> Sending {
        match body {
            Body::Whole(bytes) => Sending::Whole(Some(bytes)),
            Body::Events(events) => Sending::Events(Box::new(EventBody {
                events: *events,
                waiting: None,
            })),
        }
    }

    pub(super) fn nothing() -> Sending {
        Sending::Whole(None)
    }
}

/// Events, each after its pause. hyper asks for the next one only while the client is there, and drops the body when it
/// is gone.
#[derive(Debug)]
pub(super) struct EventBody {
    events: EventStream,
    waiting: Option<(Pin<Box<Sleep>>, Bytes)>,
}

impl EventBody {
    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.waiting.is_none() {
            match self.events.next() {
                None => return Poll::Ready(None),
                Some(Event { bytes, pause_ms }) if pause_ms > 0.0 => {
                    self.waiting = Some((Box::pin(sleep(milliseconds(pause_ms))), bytes));
                }
                Some(Event { bytes, .. }) => return Poll::Ready(Some(bytes)),
            }
        }
        if let Some((pause, _)) = &mut self.waiting {
            ready!(pause.as_mut().poll(context));
        }
        Poll::Ready(self.waiting.take().map(|(_, bytes)| bytes))
    }
}

impl HttpBody for Sending {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = match &mut *self {
            Sending::Whole(bytes) => bytes.take(),
            Sending::Events(events) => ready!(events.poll_event(context)),
        };
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Sending::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Sending::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Sending::Events(_) => SizeHint::default(),
        }
    }
}
