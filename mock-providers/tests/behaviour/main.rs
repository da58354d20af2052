//! What a scripted provider does on real sockets, one file a behaviour.

mod auth;
mod cancel;
mod chat;
mod connections;
mod determinism;
mod deviations;
mod disconnects;
mod embeddings;
mod encoding;
mod framing;
mod framings;
mod large;
mod legacy;
mod models;
mod neglect;
mod properties;
mod quirks;
mod refusal;
mod responses;
mod rules;
mod scripted;
mod stream;
mod support;
mod tls;
mod tools;
mod writes;
