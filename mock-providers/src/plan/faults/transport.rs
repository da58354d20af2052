//! Faults in the bytes of a body and their times: silence, early ends, broken framing.
//!
//! Owns which end counts when several are asked for: the first that is reached. Refuses write boundaries.

use super::super::{Ending, Kind, Piece, Plan};
use crate::digest::Random;
use crate::script::{ErrorCode, Fault, Framing, Goaway, How, Point, RstStream, Stall};

impl Plan {
    pub(super) fn spoil_transport(&mut self, fault: &Fault, random: &Random, done: &mut Vec<&'static str>) {
        if let Some(stall) = &fault.stall {
            self.stall(stall, random);
            done.push("stall");
        }
        let ended = fault.disconnect.as_ref().map(|disconnect| {
            let ending = if disconnect.how == How::Rst { Ending::Reset } else { Ending::Fin };
            self.end_at(disconnect.point(), ending)
        });
        self.note("disconnect", ended, done);
        let broken = fault.malformed_chunk_header.as_ref().map(|header| {
            let chunked = self.framing == Framing::Chunked && !self.http2 && !self.is_bodiless();
            chunked && self.break_chunk(header.point())
        });
        self.note("malformed_chunk_header", broken, done);
        let reset = fault.http2_rst_stream.as_ref().filter(|reset| !reset.before_head || !self.http2);
        let code = reset_code(reset);
        let reset = reset.map(|reset| self.http2 && self.end_at(reset.point(), Ending::ResetStream(code)));
        self.note("http2_rst_stream", reset, done);
        let announced = fault.http2_goaway.as_ref().map(|goaway| self.http2 && self.announce(goaway));
        self.note("http2_goaway", announced, done);
    }

    fn stall(&mut self, stall: &Stall, random: &Random) {
        let place = self.place(stall.point());
        let index = self.split_at_offset(place.offset);
        let time = stall.duration.as_ref().map(|time| time.draw(random, "stall"));
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

    /// Lets the body end at the point; says whether no other end comes first.
    fn end_at(&mut self, point: Point, ending: Ending) -> bool {
        let first = self.cut(point) || matches!(self.ending, Ending::Complete | Ending::Cut);
        if first {
            self.ending = ending;
            self.tail = Default::default();
        }
        first
    }

    /// Where a chunk would begin, something does that has no size.
    fn break_chunk(&mut self, point: Point) -> bool {
        let broken = self.end_at(point, Ending::Fin);
        if broken {
            self.tail = b"size?\r\n"[..].into();
        }
        broken
    }

    /// Marks where GOAWAY is said; says whether that place is ever reached.
    fn announce(&mut self, goaway: &Goaway) -> bool {
        self.goaway = Some(goaway.code.unwrap_or(ErrorCode::NoError));
        if goaway.before_head {
            return true;
        }
        let place = self.place(goaway.point());
        let index = self.split_at_offset(place.offset);
        if index.is_none() && !matches!(self.ending, Ending::Complete | Ending::Cut) {
            self.goaway = None;
            return false;
        }
        let index = index.unwrap_or(self.pieces.len());
        if let Some(next) = self.pieces.get_mut(index) {
            next.gap = next.gap.saturating_sub(place.wait);
        }
        self.pieces.insert(index, Piece { gap: place.wait, kind: Kind::Goaway, ..Piece::default() });
        true
    }
}

/// The code of a reset stream.
pub(super) fn reset_code(reset: Option<&RstStream>) -> ErrorCode {
    reset.and_then(|reset| reset.code).unwrap_or(ErrorCode::InternalError)
}
