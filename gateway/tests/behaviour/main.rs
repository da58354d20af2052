//! Behaviour of a running gateway on real sockets, against scripted providers. One file per behaviour.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bad_input;
mod broken_streams;
mod failover;
mod lifecycle;
mod records;
mod support;
