//! Behaviour of a running gateway on real sockets, against scripted providers. One file per behaviour.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod admin;
mod answers;
mod bad_input;
mod broken_streams;
mod client_keys;
mod cost;
mod cross_origin;
mod drain;
mod expressions;
mod failover;
mod files;
mod filters;
mod http2;
mod http2_upstream;
mod https;
mod lifecycle;
mod limits;
mod mirrors;
mod models;
mod paths;
mod process;
mod records;
mod reload;
mod retries;
mod secrets;
mod selection;
mod sessions;
mod slow_clients;
mod status;
mod support;
mod telemetry;
mod timeouts;
mod upstreams;
mod websocket;
