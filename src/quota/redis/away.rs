//! Why Redis did not do what it was asked for.

use std::fmt;

use crate::error::{Code, Error};

/// Redis did not answer, or refused. It names the server and what it said; no user, no password.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Away(String);

impl Away {
    /// `what` happened with the `server`.
    pub(super) fn new(server: &str, what: &str) -> Self {
        // Most failures begin with the server; one of many servers is named beside the whole.
        Away(match what.starts_with(server) {
            true => what.to_owned(),
            false => format!("{server}: {what}"),
        })
    }

    /// The error of a request that fails for it.
    pub fn into_error(self) -> Error {
        let message = format!(
            "No room was booked, for the limits are in Redis: {self}. Check that it runs and can be reached from here; nothing \
             was sent to OpenAI, so the request can be made again."
        );
        Error::new(Code::Store, message)
    }
}

impl fmt::Display for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
