//! What faults do to a plan.
//!
//! Owns the order in which they apply: truncation (of what `deviate` has left), then the content coding, then the
//! length is declared, then transport (stall, disconnect), then write boundaries. All of it is data in, data out.

use std::time::Duration;

use bytes::Bytes;

use super::{Before, Ending, Kind, Piece, Plan};
use crate::digest::Random;
use crate::script::{Fault, Framing, Hang, How, Point, Split, Stage, Stall};

/// Between writes that a reader must see apart.
const SPLIT_GAP: Duration = Duration::from_millis(2);

impl Plan {
    /// Reshapes the plan as the script says, and names what it did.
    pub(crate) fn apply(&mut self, fault: &Fault, request: &Random) {
        let mut names: Vec<&str> = fault.names_of(Stage::Quota);
        names.extend(fault.status.map(|_| "status"));
        names.extend(self.fault_before_head(fault, request));
        if let Some(truncate) = &fault.truncate {
            names.push("truncate");
            self.cut(truncate.point());
            self.ending = Ending::Cut;
        }
        if let Some(encoding) = self.encoding {
            self.encode(encoding);
        }
        self.declared = Some(self.body_length());
        if let Some(stall) = &fault.stall {
            names.push("stall");
            self.stall(stall, request);
        }
        if let Some(disconnect) = &fault.disconnect {
            names.push("disconnect");
            // What a stall for ever keeps back never comes to an end of its own.
            if self.cut(disconnect.point()) || self.ending != Ending::Silence {
                self.ending = if disconnect.how == How::Rst { Ending::Reset } else { Ending::Fin };
            }
        }
        if let Some(split) = &fault.split {
            names.push("split");
            let offsets = split_offsets(split, &self.pieces);
            let gap = split.gap.unwrap_or(if split.every.is_some() { Duration::ZERO } else { SPLIT_GAP });
            self.split_at(&offsets, gap);
        }
        if let Some(dribble) = &fault.dribble {
            names.push("dribble");
            let offsets: Vec<usize> = every(dribble.bytes, self.body_length());
            self.split_at(&offsets, dribble.gap);
        }
        self.name_faults(&names);
    }

    fn fault_before_head(&mut self, fault: &Fault, request: &Random) -> Option<&'static str> {
        if fault.rst_before_head {
            self.before = Before::Reset;
            return Some("rst_before_head");
        }
        if fault.empty_response {
            self.before = Before::Fin;
            return Some("empty_response");
        }
        match fault.hang_before_head.as_ref()? {
            Hang::Forever => self.before = Before::Silence,
            Hang::For(time) => self.delay += time.draw(request, "hang_before_head"),
        }
        Some("hang_before_head")
    }

    /// Where in the body a point lies.
    fn offset(&self, point: Point) -> usize {
        let length = self.body_length();
        let chunks = point.chunks.map(|count| self.after_chunks(count));
        let events = point.events.map(|count| self.pieces.iter().take(count).map(|piece| piece.bytes.len()).sum());
        let bytes = point.bytes.map(|count| count.min(length));
        [chunks, events, bytes].into_iter().flatten().min().unwrap_or(0)
    }

    /// The end of the nth content event, or the start of the first for none.
    fn after_chunks(&self, count: usize) -> usize {
        let (mut offset, mut seen) = (0, 0);
        for piece in &self.pieces {
            let content = piece.kind == Kind::Content;
            if content && seen == count {
                return offset;
            }
            offset += piece.bytes.len();
            seen += usize::from(content);
            if content && seen == count {
                return offset;
            }
        }
        offset
    }

    /// Drops what lies behind the point; says whether there was anything.
    pub(super) fn cut(&mut self, point: Point) -> bool {
        let offset = self.offset(point);
        self.split_at_offset(offset).is_some_and(|index| {
            self.pieces.truncate(index);
            true
        })
    }

    fn stall(&mut self, stall: &Stall, request: &Random) {
        let offset = self.offset(stall.point());
        let index = self.split_at_offset(offset);
        let time = stall.duration.as_ref().map(|time| time.draw(request, "stall"));
        match (time, index) {
            (Some(time), Some(index)) => self.pieces[index].gap += time,
            // Nothing follows but the end: it waits too.
            (Some(time), None) => self.pieces.push(Piece { gap: time, ..Piece::default() }),
            (None, index) => {
                self.pieces.truncate(index.unwrap_or(self.pieces.len()));
                self.ending = Ending::Silence;
            }
        }
    }

    /// The piece that begins at the offset, splitting one if need be; none at the end of the body.
    fn split_at_offset(&mut self, offset: usize) -> Option<usize> {
        let mut start = 0;
        for index in 0..self.pieces.len() {
            if start == offset {
                return Some(index);
            }
            let piece = &mut self.pieces[index];
            let end = start + piece.bytes.len();
            if offset < end {
                let rest = piece.bytes.split_off(offset - start);
                let second = Piece { bytes: rest, usage: piece.usage.take(), kind: piece.kind, ..Piece::default() };
                self.pieces.insert(index + 1, second);
                return Some(index + 1);
            }
            start = end;
        }
        None
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
    (step.max(1)..length).step_by(step.max(1)).collect()
}

fn split_offsets(split: &Split, pieces: &[Piece]) -> Vec<usize> {
    let length = pieces.iter().map(|piece| piece.bytes.len()).sum();
    let mut offsets = split.at.clone();
    offsets.extend(split.every.iter().flat_map(|&step| every(step, length)));
    if split.inside_utf8 {
        let mut start = 0;
        for Piece { bytes, .. } in pieces {
            offsets.extend(leading_bytes(bytes).map(|at| start + at + 1));
            start += bytes.len();
        }
    }
    offsets.sort_unstable();
    offsets.dedup();
    offsets
}

/// The places of the first bytes of multi-byte characters.
fn leading_bytes(bytes: &Bytes) -> impl Iterator<Item = usize> {
    bytes.iter().enumerate().filter(|&(_, &byte)| byte >= 0xc0).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::super::Answer;
    use super::*;
    use crate::script::{Disconnect, Respond};

    fn plan() -> Plan {
        let content = |text: &'static str| Piece { bytes: text.into(), kind: Kind::Content, ..Piece::default() };
        let frame = |text: &'static str| Piece { bytes: text.into(), ..Piece::default() };
        let done = Piece { bytes: "D".into(), kind: Kind::Done, ..Piece::default() };
        let pieces = vec![frame("role"), content("één"), content("two"), frame("end"), done];
        Answer::stream(pieces).plan(&Respond::default(), Vec::new(), Duration::ZERO)
    }

    fn texts(plan: &Plan) -> Vec<String> {
        plan.pieces.iter().map(|piece| String::from_utf8_lossy(&piece.bytes).into_owned()).collect()
    }

    fn applied(fault: &Fault) -> Plan {
        let mut plan = plan();
        plan.apply(fault, &Random::new(&[1]));
        plan
    }

    #[test]
    fn a_disconnect_counts_chunks_events_or_bytes() {
        let cut = |disconnect: Disconnect| {
            texts(&applied(&Fault { disconnect: Some(disconnect), ..Fault::default() })).concat()
        };
        assert_eq!(cut(Disconnect::default()), "");
        assert_eq!(cut(Disconnect { after_chunks: Some(0), ..Disconnect::default() }), "role");
        assert_eq!(cut(Disconnect { after_chunks: Some(1), ..Disconnect::default() }), "roleéén");
        assert_eq!(cut(Disconnect { after_events: Some(4), ..Disconnect::default() }), "roleééntwoend");
        assert_eq!(cut(Disconnect { after_bytes: Some(2), ..Disconnect::default() }), "ro");
        assert_eq!(cut(Disconnect { after_chunks: Some(9), ..Disconnect::default() }), "roleééntwoendD");
    }

    #[test]
    fn a_split_inside_characters_leaves_no_multi_byte_character_whole() {
        let split = Split { inside_utf8: true, ..Split::default() };
        let plan = applied(&Fault { split: Some(split), ..Fault::default() });
        let lengths: Vec<usize> = plan.pieces.iter().map(|piece| piece.bytes.len()).collect();
        assert_eq!(lengths, [4, 1, 2, 2, 3, 3, 1]);
    }

    #[test]
    fn split_offsets_fall_where_they_are_asked_for() {
        let split = Split { at: vec![4, 5], every: Some(6), ..Split::default() };
        let plan = applied(&Fault { split: Some(split), ..Fault::default() });
        let starts: Vec<(usize, bool)> = plan
            .pieces
            .iter()
            .scan(0, |at, piece| {
                let start = *at;
                *at += piece.bytes.len();
                Some((start, piece.apart))
            })
            .collect();
        assert_eq!(starts, [(0, false), (4, true), (5, true), (6, true), (9, false), (12, true), (15, false)]);
    }

    #[test]
    fn a_stall_for_ever_drops_the_rest_and_a_short_one_delays_it() {
        let stall = Stall { after_chunks: Some(1), ..Stall::default() };
        let plan = applied(&Fault { stall: Some(stall.clone()), ..Fault::default() });
        assert_eq!((texts(&plan).concat().as_str(), plan.ending), ("roleéén", Ending::Silence));
        let stall = Stall { duration: Some(Duration::from_secs(1).into()), ..stall };
        let plan = applied(&Fault { stall: Some(stall), ..Fault::default() });
        assert_eq!((plan.pieces[2].gap, plan.ending), (Duration::from_secs(1), Ending::Complete));
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_split_or_dribbled_the_body_stays_the_same(
            at in proptest::collection::vec(0usize..40, 0..6),
            every in proptest::option::of(0usize..9),
            inside_utf8: bool,
            after_bytes in 0usize..40,
        ) {
            let split = Split { at, every, inside_utf8, gap: None };
            let stall = Stall { after_bytes: Some(after_bytes), duration: Some(SPLIT_GAP.into()), ..Stall::default() };
            let plan = applied(&Fault { split: Some(split), stall: Some(stall), ..Fault::default() });
            let body: Vec<u8> = plan.pieces.iter().flat_map(|piece| piece.bytes.to_vec()).collect();
            proptest::prop_assert_eq!(String::from_utf8_lossy(&body), "roleééntwoendD");
        }
    }
}
