//! What one core counts by itself because it belongs to no finished exchange: exchanges under way, connections and
//! handshakes. Each core has its own, so that none waits for another; the scraper sums them up.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::MOST_BLANK;
use crate::metrics::family;
use crate::metrics::table::Row;
use crate::metrics::value::Distribution;
use crate::metrics::write::Text;
use crate::record::Records;

/// The counts of one core. Aligned, so that it shares no cache line with another's.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Core {
    begun: AtomicU64,
    ended: AtomicU64,
    rare: Mutex<Rare>,
    /// Records of this core that were told of.
    told: Mutex<Records>,
}

/// What happens once a connection.
#[derive(Debug, Default, Clone)]
struct Rare {
    /// By port and protocol.
    accepted: BTreeMap<(u16, &'static str), u64>,
    /// Upstream, in plain text and with TLS.
    connects: [Distribution; 2],
    handshakes: Distribution,
}

impl Core {
    /// An exchange begins.
    pub fn begin(&self) {
        self.begun.fetch_add(1, Relaxed);
    }

    /// An exchange has ended.
    pub fn end(&self) {
        self.ended.fetch_add(1, Relaxed);
    }

    /// Exchanges under way.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        // in this order the difference is never negative
        let ended = self.ended.load(Relaxed);
        self.begun.load(Relaxed).saturating_sub(ended)
    }

    /// A client connection was accepted.
    pub fn accepted(&self, port: u16, protocol: &'static str) {
        *self.rare().accepted.entry((port, protocol)).or_default() += 1;
    }

    /// A TLS handshake with a client has succeeded.
    pub fn shook_hands(&self, took: Duration) {
        self.rare().handshakes.observe(&family::TLS_HANDSHAKE, took.as_secs_f64(), None);
    }

    /// An upstream connection was made.
    pub fn connected(&self, tls: bool, took: Duration) {
        self.rare().connects[usize::from(tls)].observe(&family::UPSTREAM_CONNECT, took.as_secs_f64(), None);
    }

    /// Records of this core may be used again, as far as there is a use for so many; the rest stays.
    pub(super) fn give_back(&self, records: &mut Records) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let room = MOST_BLANK.saturating_sub(told.len()).min(records.len());
        told.extend(records.drain(..room));
    }

    /// All that may be used again; none where that is just being given back, which a request does not wait for.
    pub(super) fn take_back(&self, into: &mut Records) {
        if let Ok(mut told) = self.told.try_lock() {
            std::mem::swap(into, &mut told);
        }
    }

    fn rare(&self) -> MutexGuard<'_, Rare> {
        self.rare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const TRANSPORTS: [&str; 2] = ["transport=\"plaintext\"", "transport=\"tls\""];

/// Writes what all cores together have counted, exchanges under way aside.
pub(super) fn write(cores: &[Arc<Core>], text: &mut Text) {
    let mut sum = Rare::default();
    for core in cores {
        let rare = core.rare().clone();
        for (key, count) in rare.accepted {
            *sum.accepted.entry(key).or_default() += count;
        }
        sum.handshakes.merge(&rare.handshakes);
        for (all, one) in sum.connects.iter_mut().zip(&rare.connects) {
            all.merge(one);
        }
    }
    let accepted = sum.accepted.iter();
    let labels = |(port, protocol): &(u16, &str)| format!("bind=\"{port}\",protocol=\"{protocol}\"");
    text.values(&family::CONNECTIONS, accepted.map(|(key, count)| (labels(key), count)));
    let rows = [Row { labels: "".into(), value: sum }];
    text.distributions(&family::UPSTREAM_CONNECT, &rows, |rare| TRANSPORTS.into_iter().zip(&rare.connects).collect());
    text.distributions(&family::TLS_HANDSHAKE, &rows, |rare| vec![("", &rare.handshakes)]);
}
