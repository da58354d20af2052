//! What a scripted provider does on real sockets, one file a behaviour.

mod auth;
mod azure;
mod cancel;
mod chat;
mod connections;
mod determinism;
mod disconnects;
mod embeddings;
mod encoding;
mod errors;
mod framing;
mod large;
mod legacy;
mod models;
mod moderations;
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
