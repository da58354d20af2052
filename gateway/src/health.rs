//! What the gateway knows of a provider's well-being: latency, failures, evictions.
//! One value per provider, shared by all cores and kept across reloads. The clock is passed in.

/// Placeholder until the selection step lands.
#[derive(Debug, Default)]
pub struct Health;
