//! What a scripted provider does on real sockets, one file a behaviour.

mod auth;
mod cancel;
mod chat;
mod connections;
mod determinism;
mod disconnects;
mod embeddings;
mod encoding;
mod framing;
mod large;
mod latency;
mod legacy;
mod limits;
mod models;
mod neglect;
mod properties;
mod refusal;
mod responses;
mod rules;
mod scripted;
mod stream;
mod support;
mod tls;
mod tools;
mod writes;
