//! The events of a stream, rendered into one buffer.
//!
//! Owns cutting the buffer into pieces: a stream of any length costs one allocation for its bytes and one for its
//! pieces. Refuses to know what the events say.

use std::time::Duration;

use bytes::Bytes;

use super::{Kind, Piece};
use crate::journal::Usage;

/// Events under way.
#[derive(Default)]
pub(crate) struct Events {
    buffer: Vec<u8>,
    ends: Vec<(usize, Piece)>,
}

impl Events {
    /// Room for so many bytes and events.
    pub(crate) fn with_capacity(bytes: usize, events: usize) -> Self {
        Self { buffer: Vec::with_capacity(bytes), ends: Vec::with_capacity(events) }
    }

    /// One more event, as its writer renders it at the end of the buffer.
    pub(crate) fn push(&mut self, kind: Kind, gap: Duration, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.buffer);
        self.ends.push((self.buffer.len(), Piece { gap, kind, ..Piece::default() }));
    }

    /// The event just pushed reports this usage.
    pub(crate) fn reports(&mut self, usage: Option<Usage>) {
        if let Some((_, piece)) = self.ends.last_mut() {
            piece.usage = usage;
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.ends.len()
    }

    /// The pieces, all of them slices of the one buffer.
    pub(crate) fn finish(mut self) -> Vec<Piece> {
        // In place: what waits in a stream for its time may wait long.
        self.buffer.shrink_to_fit();
        let (bytes, mut start) = (Bytes::from(self.buffer), 0);
        let cut = |(end, piece)| {
            let own = bytes.slice(start..end);
            start = end;
            Piece { bytes: own, ..piece }
        };
        self.ends.into_iter().map(cut).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_lie_end_to_end_in_the_order_of_their_events() {
        let mut events = Events::with_capacity(16, 2);
        events.push(Kind::Role, Duration::ZERO, |out| out.extend_from_slice(b"one"));
        events.push(Kind::Content, Duration::from_millis(1), |out| out.extend_from_slice(b"three"));
        events.reports(Some(Usage { prompt_tokens: 7, ..Usage::default() }));
        assert_eq!(events.count(), 2);
        let pieces = events.finish();
        assert_eq!((pieces[0].bytes.as_ref(), pieces[1].bytes.as_ref()), (&b"one"[..], &b"three"[..]));
        assert_eq!(pieces[1].usage.map(|usage| usage.prompt_tokens), Some(7));
        assert_eq!((pieces[0].kind, pieces[1].gap), (Kind::Role, Duration::from_millis(1)));
    }
}
