//! Kubernetes as a place to run scenarios and tests: an API server of our own ([`ApiServer`]) where there is no cluster,
//! and any kind of object written, read and waited for ([`Objects`]). Knows nothing of what the objects mean.

mod objects;
mod server;

pub use objects::{Error, Objects};
pub use server::{ApiServer, Assets, NoServer};
