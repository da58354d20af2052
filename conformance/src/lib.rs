//! The conformance harness: scenarios in, verdicts out.
//!
//! Reading order: [`scenario`] (what a file says), [`load`] (finding and checking files), [`world`] (mocks, manifests
//! and the [`target`] around one scenario), [`run`] (steps), [`expect`] with [`matcher`] (judging), [`outcome`],
//! [`render`] and [`report`] (telling). [`noise`] says how punctual the host was, [`mask`] keeps secrets out of it all.
//! [`saboteur`] and [`seam`] are the negative controls, [`trust`] tries them on the suite, a [`decoy`] is no gateway at
//! all, [`fuzz`] makes scenarios up. [`lint`] reads manifests of any gateway of their kind. [`validate`] asks
//! a provider itself whether it speaks OpenAI's API. [`cluster`] is Kubernetes. [`schema`] is for editors, [`cli`] is the command line.

pub mod bench;
pub mod call;
pub mod capability;
pub mod cli;
pub mod client;
pub mod cluster;
pub mod collector;
pub mod date;
pub mod decoy;
pub mod expect;
pub mod fuzz;
pub mod link;
pub mod lint;
pub mod load;
pub mod manifest;
pub mod mask;
pub mod matcher;
pub mod noise;
pub mod outcome;
pub mod render;
pub mod report;
pub mod run;
pub mod saboteur;
pub mod scenario;
pub mod schema;
pub mod seam;
pub mod sse;
pub mod target;
pub mod telemetry;
pub mod transcript;
pub mod trust;
pub mod validate;
pub mod vars;
pub mod wire;
pub mod world;
