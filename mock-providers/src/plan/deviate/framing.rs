//! How events are written: line ends, spaces, ids, comments and frames that say nothing.
//!
//! Owns the bytes around the JSON of events. Which of them break which SDK, the README tells.

use bytes::Bytes;

use super::super::{Kind, Piece, Plan};
use crate::script::{CommentKeepalive, DataKeepalive, Every};

/// However long the silences of a stream are together.
const MOST: usize = 10_000;

fn frame(bytes: impl Into<Bytes>) -> Piece {
    Piece { bytes: bytes.into(), ..Piece::default() }
}

/// Puts a frame before the first content; where there is none, before everything.
fn before_content(plan: &mut Plan, bytes: impl Into<Bytes>) -> bool {
    let at = plan.pieces.iter().position(|piece| piece.kind == Kind::Content).unwrap_or(0);
    plan.is_event_stream() && {
        plan.pieces.insert(at, frame(bytes));
        true
    }
}

pub(super) fn comments(plan: &mut Plan, keepalive: &CommentKeepalive) -> bool {
    let text = keepalive.text.as_deref().unwrap_or("keep-alive").replace(['\r', '\n'], " ");
    keep_alive(plan, keepalive.every, format!(": {text}\n\n").into())
}

pub(super) fn data_keepalive(plan: &mut Plan, keepalive: &DataKeepalive) -> bool {
    keep_alive(plan, keepalive.every, Bytes::from_static(b"data: : keepalive\n\n"))
}

fn keep_alive(plan: &mut Plan, every: Option<Every>, bytes: Bytes) -> bool {
    let Some(every) = every else { return before_content(plan, bytes) };
    if !plan.is_event_stream() {
        return false;
    }
    let before = plan.pieces.len();
    let (mut seen, mut left, mut kept) = (0, MOST, Vec::with_capacity(before));
    for mut piece in std::mem::take(&mut plan.pieces) {
        match every {
            Every::Events(step) => {
                seen += usize::from(piece.kind == Kind::Content);
                if piece.kind == Kind::Content && seen % step.max(1) == 0 {
                    kept.push(frame(bytes.clone()));
                }
            }
            Every::Silence(step) => {
                while piece.gap > step && left > 0 {
                    kept.push(Piece { gap: step, ..frame(bytes.clone()) });
                    piece.gap -= step;
                    left -= 1;
                }
            }
        }
        kept.push(piece);
    }
    plan.pieces = kept;
    plan.pieces.len() > before
}

pub(super) fn retry_frame(plan: &mut Plan) -> bool {
    plan.is_event_stream() && {
        plan.pieces.insert(0, frame("retry: 3000\n\n"));
        true
    }
}

pub(super) fn event_frame(plan: &mut Plan) -> bool {
    before_content(plan, "event: ping\n\n")
}

pub(super) fn empty_data_frame(plan: &mut Plan) -> bool {
    before_content(plan, "data:\n\n")
}

/// Rewrites the bytes of every event; says whether any changed.
fn rewrite(plan: &mut Plan, mut change: impl FnMut(&[u8]) -> Vec<u8>) -> bool {
    let mut changed = false;
    for piece in plan.pieces.iter_mut().filter(|piece| !piece.bytes.is_empty()) {
        let bytes = change(&piece.bytes);
        changed |= bytes != piece.bytes;
        piece.bytes = bytes.into();
    }
    changed
}

pub(super) fn id_lines(plan: &mut Plan) -> bool {
    let mut id = 0;
    plan.is_event_stream()
        && rewrite(plan, |bytes| {
            if !bytes.starts_with(b"data:") && !bytes.starts_with(b"event:") {
                return bytes.to_vec();
            }
            id += 1;
            [format!("id: {id}\n").as_bytes(), bytes].concat()
        })
}

pub(super) fn no_space(plan: &mut Plan) -> bool {
    const FIELDS: &[&[u8]] = &[b"data: ", b"event: ", b"id: ", b"retry: "];
    plan.is_event_stream()
        && rewrite(plan, |bytes| {
            let narrow = |line: &[u8]| match FIELDS.iter().find(|field| line.starts_with(field)) {
                Some(field) => [&field[..field.len() - 1], &line[field.len()..]].concat(),
                None => line.to_vec(),
            };
            bytes.split(|&byte| byte == b'\n').map(narrow).collect::<Vec<_>>().join(&b'\n')
        })
}

pub(super) fn crlf(plan: &mut Plan) -> bool {
    plan.is_event_stream() && rewrite(plan, |bytes| line_ends(bytes, b"\r\n"))
}

pub(super) fn cr(plan: &mut Plan) -> bool {
    plan.is_event_stream() && rewrite(plan, |bytes| line_ends(bytes, b"\r"))
}

fn line_ends(bytes: &[u8], end: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 4);
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let text = line.strip_suffix(b"\r\n").or_else(|| line.strip_suffix(b"\n"));
        out.extend_from_slice(text.unwrap_or(line));
        out.extend_from_slice(if text.is_some() { end } else { b"" });
    }
    out
}

pub(super) fn bom(plan: &mut Plan) -> bool {
    let first = plan.pieces.iter_mut().find(|piece| !piece.bytes.is_empty());
    let Some(first) = first else { return false };
    first.bytes = ["\u{feff}".as_bytes(), &first.bytes].concat().into();
    true
}

pub(super) fn no_final_blank_line(plan: &mut Plan) -> bool {
    let stream = plan.is_event_stream();
    let Some(last) = plan.pieces.iter_mut().rev().find(|piece| !piece.bytes.is_empty()).filter(|_| stream) else {
        return false;
    };
    for blank in [&b"\r\n\r\n"[..], b"\n\n", b"\r\r"] {
        if last.bytes.ends_with(blank) {
            last.bytes.truncate(last.bytes.len() - blank.len() / 2);
            return true;
        }
    }
    false
}
