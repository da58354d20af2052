//! What a client keeps of an answer at most: whoever sends without end is told so, and the run goes on.

/// Bytes of a head.
pub(super) const HEAD: usize = 1024 * 1024;
/// Bytes of a body.
pub(super) const BODY: usize = 64 * 1024 * 1024;
/// Bytes behind the answer.
pub(super) const EXTRA: u64 = 1024 * 1024;
/// Reads whose times are kept.
pub(super) const READS: usize = 100_000;
