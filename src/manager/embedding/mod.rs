//! Embeddings of any number of inputs.
//!
//! [`inputs`] takes a request apart, [`packing`] decides which inputs go together, [`parts`] serves them side by side, [`assembly`] puts
//! together what comes back, and [`embedded`] is what the caller gets. A [`batch`] joins calls before all that, and divides what comes
//! back by [`apportion`].

mod answer;
mod apportion;
mod assembly;
mod batch;
mod embedded;
mod form;
mod inputs;
mod packing;
mod parts;

use tokio::time::Instant;

pub(super) use self::batch::Batches;
pub use self::embedded::Embedded;
use self::{inputs::Inputs, parts::Call};
use super::{Manager, Request, unix_ms};
use crate::error::Result;

impl Manager {
    /// Embeds all inputs of a request, in as many requests as that takes.
    async fn embed_one(&self, request: Request) -> Result<Embedded> {
        self.embed_inputs(&inputs::read(request).await?).await
    }

    async fn embed_inputs(&self, inputs: &Inputs) -> Result<Embedded> {
        let current = self.live.current();
        let options = &inputs.request().options;
        let call = Call {
            manager: self,
            current: &current,
            inputs,
            deadline: Instant::now() + options.total(&current.settings, unix_ms()),
        };
        let embedded = call.run().await;
        if !options.observed {
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
