//! Scripted LLM providers over real sockets.
//!
//! Owns the script, the bytes and their times, the faults and the journal of what the caller did.
//! Refuses to know gateways, scenarios or reports: it is an embeddable peer that answers as it was told.

pub mod script;
