//! The store against real servers, which the tests start themselves.

mod away;
mod same;
pub(in crate::quota) mod store;

use std::time::Duration;

use crate::redis::{Connection, TimeLimits, tests::*};
