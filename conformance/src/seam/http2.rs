//! HTTP/2 through a seam: frames pass from side to side, and a saboteur spoils some of them.
//! Owns harm to streams, resets and heads; what needs the heads of answers is done to HTTP/1.1 alone.

use std::collections::HashMap;

use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::context::{Context, Hop};
use super::stream::{Cook, DONE, Finish};
use super::{Inbound, towards_gateway};
use crate::saboteur::Saboteur;
use crate::wire::http2::{Frame, Kind, PREFACE};

/// What a frame becomes: bytes, or the end of the connection behind them.
struct Passed {
    bytes: Vec<u8>,
    ends: bool,
}

impl From<Vec<u8>> for Passed {
    fn from(bytes: Vec<u8>) -> Passed {
        Passed { bytes, ends: false }
    }
}

/// Whether a connection begins as one of HTTP/2.
pub(super) fn begins(pending: &[u8]) -> bool {
    pending.starts_with(&PREFACE[..PREFACE.len() - 8])
}

/// Relays one connection, of which `pending` has been read.
pub(super) async fn relay(inbound: impl Inbound, pending: Vec<u8>, context: &Context, hop: Hop) {
    let Ok(outbound) = TcpStream::connect(context.address(hop)).await else { return };
    let _ = outbound.set_nodelay(true);
    let (near, mut back) = tokio::io::split(inbound);
    let (mut far, mut on) = outbound.into_split();
    let mut near = std::io::Cursor::new(pending).chain(near);
    let mut preface = [0; PREFACE.len()];
    if near.read_exact(&mut preface).await.is_err() || on.write_all(&preface).await.is_err() {
        return;
    }
    let saboteur = context.saboteur;
    let requests = async {
        while let Ok(Some(frame)) = Frame::read(&mut near).await {
            if !pass(&mut on, request(saboteur, &frame)).await {
                return;
            }
        }
        if saboteur == Saboteur::CancelNotPropagated {
            std::future::pending::<()>().await;
        }
    };
    let answers = async {
        let mut answers = Answers { saboteur, streams: HashMap::new() };
        while let Ok(Some(frame)) = Frame::read(&mut far).await {
            if !pass(&mut back, answers.frame(frame)).await {
                return;
            }
        }
    };
    // Whichever side ends, the other does.
    tokio::select! {
        () = requests => {}
        () = answers => {}
    }
    let _ = back.shutdown().await;
}

/// Writes; false when the connection ends.
async fn pass(to: &mut (impl AsyncWrite + Unpin), passed: Passed) -> bool {
    to.write_all(&passed.bytes).await.is_ok() && to.flush().await.is_ok() && !passed.ends
}

/// A frame on its way to the gateway or the provider.
fn request(saboteur: Saboteur, frame: &Frame) -> Passed {
    let fields = || frame.fields().map(towards_gateway::as_lines);
    match (saboteur, frame.kind) {
        (Saboteur::CancelNotPropagated, Kind::Reset) => Passed::from(Vec::new()),
        (Saboteur::Http2CancelEndsConnection, Kind::Reset) => Passed { bytes: Vec::new(), ends: true },
        (Saboteur::Http2FieldsUnchecked, Kind::Headers) => {
            fields().map_or_else(|| frame.bytes(), |fields| frame.with_fields(&fields)).into()
        }
        _ => frame.bytes().into(),
    }
}

/// The answers of one connection.
struct Answers {
    saboteur: Saboteur,
    /// Those whose head has passed, with what is done to their data.
    streams: HashMap<u32, Option<Cook>>,
}

impl Answers {
    fn frame(&mut self, frame: Frame) -> Passed {
        match frame.kind {
            Kind::Headers => {
                let last = frame.is_last();
                if !last {
                    self.streams.entry(frame.stream).or_insert_with(|| Cook::new(self.saboteur));
                }
                frame.bytes().into()
            }
            Kind::Data => self.data(frame).into(),
            Kind::Reset => self.reset(&frame).into(),
            Kind::Goaway if self.saboteur == Saboteur::Http2GoawayCutsStreams => {
                Passed { bytes: frame.bytes(), ends: true }
            }
            _ => frame.bytes().into(),
        }
    }

    fn data(&mut self, frame: Frame) -> Vec<u8> {
        let (stream, last) = (frame.stream, frame.is_last());
        let known = self.streams.get_mut(&stream);
        // Only streams of events are changed, and these begin with a letter or a colon.
        let Some(place) = known.filter(|cook| cook.is_some()) else { return frame.bytes() };
        if frame.payload.starts_with(b"{") {
            *place = None;
        }
        let Some(cook) = place else { return frame.bytes() };
        let mut out = cook.data(&frame.payload);
        if !last {
            return if out.is_empty() { out } else { Frame::data(stream, out, false).bytes() };
        }
        let (behind, finish) = cook.end(true);
        out.extend(behind);
        self.streams.remove(&stream);
        Frame::data(stream, out, finish != Finish::Never).bytes()
    }

    /// A stream is reset by the far side.
    fn reset(&mut self, frame: &Frame) -> Vec<u8> {
        let Some(cook) = self.streams.remove(&frame.stream) else { return frame.bytes() };
        match self.saboteur {
            Saboteur::Http2ResetHidden => return Frame::data(frame.stream, Vec::new(), true).bytes(),
            Saboteur::Http2DoneInvented => return Frame::data(frame.stream, DONE.to_vec(), true).bytes(),
            _ => {}
        }
        match cook.map(|mut cook| cook.end(false)) {
            Some((last, Finish::Clean)) => Frame::data(frame.stream, last, true).bytes(),
            Some((last, Finish::Broken)) if !last.is_empty() => {
                [Frame::data(frame.stream, last, false).bytes(), frame.bytes()].concat()
            }
            Some((_, Finish::Never)) => Vec::new(),
            _ => frame.bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare(kind: Kind, payload: &[u8]) -> Frame {
        Frame { kind, flags: 0, stream: 1, payload: payload.to_vec() }
    }

    fn answered(saboteur: Saboteur, frames: &[Frame]) -> Vec<u8> {
        let mut answers = Answers { saboteur, streams: HashMap::new() };
        frames.iter().flat_map(|frame| answers.frame(frame.clone()).bytes).collect()
    }

    #[test]
    fn a_reset_becomes_an_end_once_the_head_has_passed() {
        let (head, reset) = (bare(Kind::Headers, &[0x88]), bare(Kind::Reset, &[0, 0, 0, 2]));
        for (saboteur, last) in [(Saboteur::Http2ResetHidden, b"".as_slice()), (Saboteur::Http2DoneInvented, DONE)] {
            let spoilt = answered(saboteur, &[head.clone(), reset.clone()]);
            assert_eq!(spoilt, [head.bytes(), Frame::data(1, last.to_vec(), true).bytes()].concat());
            assert_eq!(answered(saboteur, std::slice::from_ref(&reset)), reset.bytes());
        }
        let done = answered(Saboteur::DoneInvented, &[head.clone(), reset.clone()]);
        assert!(done.ends_with(&Frame::data(1, b"data: [DONE]\n\n".to_vec(), true).bytes()));
        assert_eq!(answered(Saboteur::LogLost, &[head.clone(), reset.clone()]), [head.bytes(), reset.bytes()].concat());
    }

    #[test]
    fn streams_of_events_are_changed_and_other_answers_are_not() {
        let head = bare(Kind::Headers, &[0x88]);
        let event = |last| Frame::data(1, b"data: [DONE]\n\n".to_vec(), last);
        let spoilt =
            answered(Saboteur::UsageChunkShown, &[head.clone(), event(false), Frame::data(1, Vec::new(), true)]);
        assert!(String::from_utf8_lossy(&spoilt).contains("prompt_tokens"));
        let json = [head, Frame::data(1, b"{\"a\":1}".to_vec(), true)];
        assert_eq!(answered(Saboteur::LastEventDropped, &json), json.iter().flat_map(Frame::bytes).collect::<Vec<_>>());
    }

    #[test]
    fn a_cancelled_stream_is_forgotten_or_takes_its_connection_with_it() {
        let reset = bare(Kind::Reset, &[0, 0, 0, 8]);
        assert!(request(Saboteur::CancelNotPropagated, &reset).bytes.is_empty());
        assert!(request(Saboteur::Http2CancelEndsConnection, &reset).ends);
        assert_eq!(request(Saboteur::LogLost, &reset).bytes, reset.bytes());
    }
}
