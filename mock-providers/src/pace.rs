//! The times of a stream's events.
//!
//! Owns the gap before each event of content, as `latency` scripts it. Refuses to wait: `deliver` does.

use std::time::Duration;

use crate::script::Latency;

/// The gaps before content events: the first is the time to the first token.
pub(crate) struct Pace {
    next: Duration,
    then: Duration,
}

impl Pace {
    pub(crate) fn new(latency: &Latency) -> Self {
        Self { next: latency.ttft.unwrap_or_default(), then: latency.itl.unwrap_or_default() }
    }

    /// The gap before the next event of content.
    pub(crate) fn next(&mut self) -> Duration {
        std::mem::replace(&mut self.next, self.then)
    }
}
