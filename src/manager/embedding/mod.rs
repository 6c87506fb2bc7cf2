//! Embeddings of any number of inputs.
//!
//! [`inputs`] takes a request apart, [`packing`] decides which inputs go together, [`parts`] serves them side by side, [`assembly`] puts
//! together what comes back, and [`embedded`] is what the caller gets.

mod answer;
mod assembly;
mod embedded;
mod form;
mod inputs;
mod packing;
mod parts;

use tokio::time::Instant;

pub use self::embedded::Embedded;
use self::parts::Call;
use std::sync::Arc;

use super::{InFlight, Manager, Request};
use crate::error::Result;

impl Manager {
    /// Embeds all inputs of a request, in as many requests as that takes.
    pub async fn embed(self: &Arc<Self>, mut request: Request) -> Result<Embedded> {
        let _in_flight = InFlight::enter(self)?;
        let current = self.live.current();
        let timeouts = request.options.timeouts;
        let total = timeouts.unwrap_or(current.settings.timeouts).total;
        let deadline = Instant::now() + total;
        let observed = std::mem::take(&mut request.options.observed);
        let embedded = match inputs::read(request).await {
            Ok(inputs) => {
                let call = Call {
                    manager: self,
                    current: &current,
                    inputs: &inputs,
                    deadline,
                };
                call.run().await
            }
            Err(error) => Err(error),
        };
        if !observed {
            return embedded;
        }
        let warnings = self.scheduler.take_warnings();
        match embedded {
            Ok(embedded) => Ok(Embedded {
                warnings: Some(warnings),
                ..embedded
            }),
            Err(error) => Err(error.with_warnings(warnings)),
        }
    }
}
