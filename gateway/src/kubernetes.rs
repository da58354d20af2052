//! The objects of a cluster: how they are reached ([`client`]), followed ([`watch`]) and held as what the compile step
//! reads ([`objects`]). Reads only; whoever writes to the API server does so elsewhere.

pub mod client;
pub mod objects;
pub mod watch;
