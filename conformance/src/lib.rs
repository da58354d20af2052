//! The conformance harness: scenarios in, verdicts out.

pub mod matcher;
pub mod scenario;
