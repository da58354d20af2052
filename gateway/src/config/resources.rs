//! The strict types of the Kubernetes resources the gateway reads, one file per API family.
//! Fields that exist upstream but are not implemented are kept as [`Present`], so that the
//! compiler can say so; everything else unknown is an error. Nothing here validates values.

pub mod backend;
pub mod core;
pub mod gateway;
pub mod meta;
pub mod model;
pub mod parameters;
pub mod policy;
pub mod route;

pub use meta::{Metadata, Object, ObjectReference, Present, SecretString};
