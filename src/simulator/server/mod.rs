//! The socket around the service: HTTP/1.1 on loopback, kept alive, and the only real clock.

mod sending;
mod simulator;
#[cfg(test)]
mod tests;

pub use simulator::Simulator;
