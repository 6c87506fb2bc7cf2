//! The simulator as JavaScript holds it.

use std::sync::{Arc, OnceLock};

use napi_derive::napi;

use super::completions::Completions;
use crate::{
    error::{Code, Error, Result},
    simulator::{Settings, Simulator},
};

/// A simulator that runs from `start` until `stop`, or until this object is gone.
#[napi]
#[derive(Default)]
pub struct Simulation {
    simulator: Arc<OnceLock<Simulator>>,
}

#[napi]
impl Simulation {
    /// A simulator that does not run yet.
    #[napi(constructor)]
    pub fn new() -> Self {
        Simulation::default()
    }

    /// Starts it with settings as JSON text; ends with its port.
    #[napi]
    pub fn start(&self, completions: &Completions, number: i32, settings: String) {
        let simulator = self.simulator.clone();
        completions.shared().run(number, false, move || async move {
            let running = start(&settings).await?;
            let port = running.address().port();
            match simulator.set(running) {
                Ok(()) => Ok(port.to_string()),
                Err(_) => Err(Error::new(
                    Code::Argument,
                    "this simulator was started already",
                )),
            }
        });
    }

    /// What happened so far, as JSON text; null before the start.
    #[napi]
    pub fn stats(&self) -> String {
        self.simulator
            .get()
            .map_or_else(|| "null".to_owned(), Simulator::stats)
    }

    /// Stops it in order; ends when all answers under way are sent.
    #[napi]
    pub fn stop(&self, completions: &Completions, number: i32) {
        let simulator = self.simulator.clone();
        completions.shared().run(number, false, move || async move {
            if let Some(simulator) = simulator.get() {
                simulator.stop().await;
            }
            Ok("null".to_owned())
        });
    }
}

async fn start(settings: &str) -> Result<Simulator> {
    let settings =
        Settings::parse(settings).map_err(|error| Error::new(Code::Config, error.to_string()))?;
    Simulator::start(settings)
        .await
        .map_err(|error| Error::new(Code::Config, format!("the simulator cannot start: {error}")))
}
