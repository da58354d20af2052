//! Scripted LLM providers over real sockets.
//!
//! Owns the script, the bytes and their times, the faults and the journal of what the caller did.
//! Refuses to know gateways, scenarios or reports: it is an embeddable peer that answers as it was told.
//! The reference of all script keys is the documentation of [`script`].

pub mod admin;
mod answer;
mod anthropic;
mod attend;
mod azure;
mod connection;
pub mod credentials;
mod deliver;
mod dialect;
mod digest;
pub mod fleet;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod gate;
mod http2;
mod journal;
mod limits;
mod lint;
mod listener;
mod metrics;
mod openai;
mod pace;
mod plan;
mod provider;
pub mod quirks;
pub mod record;
mod request;
mod rules;
pub mod script;
mod states;
pub mod tls;
mod tokens;
mod upload;
pub mod verdict;
mod wire;
mod workers;

pub use journal::{Advice, ConnectionRecord, Draws, End, Journal, Peer, RequestRecord, TlsFacts, TlsFailure, Usage};
pub use lint::{Finding, Severity, lint};
pub use metrics::Tally;
pub use provider::{MockProvider, Options, StartError, start};
pub use request::RequestHead;
pub use states::{StateError, States};
pub use workers::Workers;
