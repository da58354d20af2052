//! Where writes begin and end.
//!
//! Owns events written together, and write boundaries at offsets. Refuses to change any byte.

use std::time::Duration;

use bytes::Bytes;

use super::super::{Kind, Piece, Plan};
use crate::script::{Fault, Framing, Split};

/// Between writes that a reader must see apart.
const SPLIT_GAP: Duration = Duration::from_millis(2);

/// A body is cut into writes so often; what is left goes out as it is.
const MOST: usize = 1 << 20;

impl Plan {
    pub(super) fn shape_writes(&mut self, fault: &Fault, done: &mut Vec<&'static str>) {
        let joined = fault.coalesce.map(|count| self.coalesce(count.max(1)));
        self.note("coalesce", joined, done);
        let split = fault.split.as_ref().map(|split| {
            let offsets = split_offsets(split, &self.pieces);
            let gap = split.gap.unwrap_or(if split.every.is_some() { Duration::ZERO } else { SPLIT_GAP });
            self.split_at(&offsets, gap);
            true
        });
        self.note("split", split, done);
        let dribbled = fault.dribble.as_ref().map(|dribble| {
            let offsets: Vec<usize> = every(dribble.bytes, self.body_length());
            self.split_at(&offsets, dribble.gap);
            true
        });
        self.note("dribble", dribbled, done);
    }

    /// Lets every so many events leave in one write, once the last of them is due; says whether there are so many.
    fn coalesce(&mut self, count: usize) -> bool {
        let several = self.pieces.len() > 1;
        let mut group = 0;
        for index in 0..self.pieces.len() {
            if self.pieces[index].bytes.is_empty() || self.pieces[index].kind == Kind::Goaway {
                group = 0;
                continue;
            }
            if group > 0 {
                let gap = std::mem::take(&mut self.pieces[index].gap);
                self.pieces[index - group].gap += gap;
            }
            self.pieces[index].apart = group == 0 && index > 0;
            group = (group + 1) % count;
        }
        several
    }

    /// Makes a write begin at each of the ascending offsets.
    fn split_at(&mut self, offsets: &[usize], gap: Duration) {
        let mut offsets = offsets.iter().copied().peekable();
        let mut start = 0;
        let mut split = Vec::with_capacity(self.pieces.len());
        for mut piece in std::mem::take(&mut self.pieces) {
            while let Some(at) = offsets.next_if(|&at| at < start + piece.bytes.len()) {
                if at <= start {
                    (piece.apart, piece.gap) = (true, piece.gap.max(gap));
                    continue;
                }
                let rest = piece.bytes.split_off(at - start);
                let usage = piece.usage.take();
                split.push(std::mem::replace(
                    &mut piece,
                    Piece { bytes: rest, gap, apart: true, usage, ..Piece::default() },
                ));
                start = at;
            }
            start += piece.bytes.len();
            split.push(piece);
        }
        self.pieces = split;
        if self.framing == Framing::ContentLength && self.declared.is_none() {
            self.declared = Some(self.body_length());
        }
    }
}

fn every(step: usize, length: usize) -> Vec<usize> {
    (step.max(1)..length).step_by(step.max(1)).take(MOST).collect()
}

fn split_offsets(split: &Split, pieces: &[Piece]) -> Vec<usize> {
    let length = pieces.iter().map(|piece| piece.bytes.len()).sum();
    let mut offsets = split.at.clone();
    offsets.extend(split.every.iter().flat_map(|&step| every(step, length)));
    let mut start = 0;
    for Piece { bytes, .. } in pieces {
        if split.inside_utf8 {
            offsets.extend(leading_bytes(bytes).map(|at| start + at + 1));
        }
        if split.inside_json {
            offsets.extend(middle_of_json(bytes).map(|at| start + at));
        }
        start += bytes.len();
    }
    offsets.sort_unstable();
    offsets.dedup();
    offsets.truncate(MOST);
    offsets
}

/// The places of the first bytes of multi-byte characters.
fn leading_bytes(bytes: &Bytes) -> impl Iterator<Item = usize> {
    bytes.iter().enumerate().filter(|&(_, &byte)| byte >= 0xc0).map(|(at, _)| at)
}

/// A place between the first and the last brace of an event.
fn middle_of_json(bytes: &Bytes) -> Option<usize> {
    let (open, close) = (memchr::memchr(b'{', bytes)?, memchr::memrchr(b'}', bytes)?);
    (open < close).then(|| (open + close).div_ceil(2))
}
