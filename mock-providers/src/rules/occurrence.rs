//! How often each request was made: the part of a draw that tells equal requests apart.
//!
//! Owns one count for each distinct request, in shards so that threads seldom meet. Refuses to grow without bound: after
//! [`MOST`] distinct requests, those that were never seen count as made for the first time, every time. What they get
//! still does not depend on threads, and the counts of all others go on.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, PoisonError};

const SHARDS: usize = 64;

/// How many distinct requests are counted, about; some 40 MiB of memory.
pub(crate) const MOST: usize = 1 << 20;

/// The counts of one provider.
pub(crate) struct Occurrences {
    shards: [Mutex<HashMap<u64, u64, BuildHasherDefault<Spread>>>; SHARDS],
}

impl Default for Occurrences {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl Occurrences {
    /// Counts one more request with this hash, from 1.
    pub(crate) fn next(&self, request: u64) -> u64 {
        let shard = &self.shards[(request >> 32) as usize % SHARDS];
        let mut counts = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= MOST / SHARDS && !counts.contains_key(&request) {
            return 1;
        }
        let count = counts.entry(request).or_insert(0);
        *count += 1;
        *count
    }

    /// Forgets all of them.
    pub(crate) fn reset(&self) {
        for shard in &self.shards {
            shard.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }
}

/// Request hashes are spread already.
#[derive(Default)]
pub(crate) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::hash;

    #[test]
    fn known_requests_are_counted_on_when_there_is_no_room_for_new_ones() {
        let occurrences = Occurrences::default();
        let request = |n: usize| hash(&n.to_le_bytes());
        let first: Vec<u64> = (0..2 * MOST).map(|n| occurrences.next(request(n))).collect();
        assert!(first.iter().all(|count| *count == 1), "a request that is new is always the first of its kind");
        assert_eq!(occurrences.next(request(0)), 2);
        assert_eq!(occurrences.next(request(2 * MOST - 1)), 1);
        let kept: usize = occurrences.shards.iter().map(|shard| shard.lock().unwrap().len()).sum();
        assert!(kept <= MOST);
    }

    #[test]
    fn threads_share_out_the_counts_of_one_request() {
        let occurrences = Occurrences::default();
        let mut counts: Vec<u64> = std::thread::scope(|scope| {
            let take = || (0..500).map(|_| occurrences.next(7)).collect::<Vec<_>>();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
        });
        counts.sort_unstable();
        assert!(counts.into_iter().eq(1..=2000));
    }
}
