//! One HTTP call to one account. Never retries: what an answer means is [`crate::outcome`]'s, what to do about it the manager's.

mod answer;
mod failure;
mod trunks;

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use tokio::time::timeout;

use self::trunks::Trunks;
pub use self::{
    answer::{Answer, Opened},
    failure::Failure,
};
use crate::config::{Address, Timeouts};

/// The HTTP client of one manager, with its pooled connections.
#[derive(Debug)]
pub struct Client {
    trunks: Trunks,
}

impl Client {
    /// A client that gives up connecting after `connect`.
    pub fn new(connect: Duration) -> Self {
        Client {
            trunks: Trunks::new(connect),
        }
    }

    /// Sends a body; returns when the response's headers are there.
    pub async fn open(
        &self,
        method: Method,
        address: Address,
        body: Bytes,
        timeouts: &Timeouts,
    ) -> Result<Opened, Failure> {
        let place = self.trunks.place()?;
        let request = place
            .http()
            .request(method, address.url)
            .headers(address.headers)
            .body(body)
            .send();
        let response = timeout(timeouts.first_byte, request)
            .await
            .map_err(|_| Failure::FirstByte(timeouts.first_byte.as_millis()))?
            .map_err(|error| match error.is_connect() && error.is_timeout() {
                true => Failure::SlowConnect(self.trunks.connect().as_millis()),
                false => {
                    let server = error.url().cloned();
                    Failure::of(error, || place.loss(server.as_ref()?))
                }
            })?;
        Ok(Opened::new(response, place, timeouts.idle))
    }
}
