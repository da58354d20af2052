//! Behaviour of a running gateway on real sockets, against scripted providers. One file per behaviour.

mod bad_input;
mod broken_streams;
mod failover;
mod lifecycle;
mod support;
