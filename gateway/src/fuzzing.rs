//! Entries for fuzzing: bytes that others choose, carried as far as they go without a network.
//!
//! Owns what must hold for any bytes, judged by readers that share nothing with the gateway's own. Refuses sockets, so
//! that a run is fast and can be repeated. It is no part of the library: it exists for tests and with the feature
//! `fuzzing` alone.

mod body;
mod connection;
mod manifests;
mod stream;
#[cfg(test)]
mod tests;

pub use body::body;
pub use connection::connection;
#[cfg(test)]
pub(crate) use connection::heard;
pub use manifests::manifests;
pub use stream::stream;
