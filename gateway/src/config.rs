//! Configuration is data: manifests → typed resources → checked → one immutable [`Snapshot`].
//!
//! [`load`] reads files strictly: one bad document refuses them all, with every problem and its
//! place. [`compile`] turns objects into what the request path uses and tells every object's
//! status; it never fails as a whole, a bad object only breaks what refers to it. Watching files
//! and swapping snapshots is the caller's business.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use crate::cost::Catalog;
use crate::snapshot::Snapshot;
use crate::yaml::Problem;

mod compile;
mod files;
pub mod kind;
pub mod manifests;
mod read;
pub mod resources;
mod secret;
pub mod status;
pub mod view;

pub use compile::{ALLOW_PLAINTEXT, compile, is_near, tell};
pub(crate) use compile::{OUR_CLASS, conditions_of, parameters, serves};
pub use files::Files;
pub(crate) use files::is_manifest;
pub use manifests::{Key, Manifests, from_sources};
pub use status::{Condition, ListenerStatus, ObjectStatus, ParentStatus, Report};

/// A snapshot and what to tell about every object.
#[derive(Debug)]
pub struct Compiled {
    /// What is served.
    pub snapshot: Snapshot,
    /// Prices of models, by `namespace/name` of the Gateway.
    pub catalogs: HashMap<Arc<str>, Catalog>,
    /// Every object with conditions or notes, in document order within a kind.
    pub status: Vec<ObjectStatus>,
    /// The Secrets, ConfigMaps and Services that references led to, whether they are there or not.
    pub looked_up: BTreeSet<Key>,
}

/// Reads a file, or a folder's `*.yaml`, `*.yml` and `*.json` by name.
pub fn load(path: &Path) -> Result<Manifests, Vec<Problem>> {
    Files::read(path).load()
}

/// Loads and compiles without serving; the report says whether all objects are as they should be.
pub fn check(path: &Path) -> Result<Report, Vec<Problem>> {
    let manifests = load(path)?;
    Ok(Report { status: compile(&manifests, None).status })
}
