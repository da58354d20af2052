//! The reference gateway: Kubernetes resources in, LLM traffic through.
//!
//! Reading order: [`snapshot`] (what is served), [`config`] (how manifests become a snapshot), then the story
//! of a request in [`proxy`]: [`listen`] (with [`certificate`], `http1` and [`http2`]) → match ([`route`], [`auth`], by model name [`model`]) → [`admit`] → choose ([`select`], [`health`], [`affinity`]) →
//! [`send`] and [`receive`] (with [`failover`] and its [`tries`] around them) → [`commit`], [`relay`] (of an [`answer`], with [`tap`]) → [`record`] (to [`telemetry`]).
//! [`controller`] deploys gateways in a cluster. [`server`] starts and stops all of it; [`reload`] follows the manifests in files, [`kubernetes`] those of a cluster, and [`loaded`] tells what became of them; [`page`] shows all of it.

pub mod access_log;
pub mod admin;
pub mod admit;
pub mod affinity;
pub mod answer;
pub mod asked;
pub mod auth;
pub mod balance;
pub mod block;
mod buffers;
pub mod cel;
pub mod certificate;
pub mod commit;
pub mod config;
mod control;
pub mod controller;
pub mod cors;
pub mod cost;
#[cfg(feature = "schema")]
pub mod crds;
pub mod decode;
pub mod edit;
pub mod error;
pub mod exchange;
pub mod failover;
pub mod framing;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod headers;
pub mod health;
pub mod hint;
mod http1;
pub mod http2;
pub mod json;
pub mod kubernetes;
pub mod listen;
pub mod loaded;
pub mod metrics;
pub mod mirror;
pub mod model;
pub mod operation;
pub mod options;
pub mod otel;
pub mod otlp;
pub mod page;
pub mod particulars;
pub mod path;
pub mod patience;
mod ports;
mod presence;
mod prices;
pub mod proxy;
pub mod receive;
pub mod received;
pub mod record;
pub mod redirect;
pub mod relay;
pub mod reload;
pub mod replay;
pub mod route;
pub mod select;
pub mod send;
pub mod server;
pub mod snapshot;
pub mod socket;
mod source;
pub mod span;
pub mod sse;
pub mod static_backend;
pub mod tap;
pub mod telemetry;
pub mod tls;
pub mod trace;
pub mod tracing;
pub mod tries;
pub mod tunnel;
mod turn;
pub mod upstream;
pub mod usage;
pub mod worker;
pub mod yaml;

pub use options::{ConnectTo, Options, parse_listen};
pub use server::{Error, Gateway, run};
