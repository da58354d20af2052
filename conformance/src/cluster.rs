//! Kubernetes as a place to run scenarios and tests: an API server of our own ([`ApiServer`]) where there is no cluster,
//! any kind of object written, read and waited for ([`Objects`]), and namespaces of a scenario's own ([`Names`]).
//! Knows nothing of what the objects mean.

mod names;
mod objects;
mod server;

pub use names::Names;
pub use objects::{Error, Objects};
pub use server::{ApiServer, Assets, NoServer};
