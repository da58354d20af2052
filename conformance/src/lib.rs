//! The conformance harness: scenarios in, verdicts out.

pub mod capability;
pub mod client;
pub mod load;
pub mod manifest;
pub mod matcher;
pub mod saboteur;
pub mod scenario;
pub mod seam;
pub mod sse;
pub mod vars;
pub mod wire;
