//! What saboteurs do to streams of events: what passes at once, what is held back, and how the stream ends.

use std::time::Duration;

use super::events;
use crate::saboteur::Saboteur;

pub(super) const DONE: &[u8] = b"data: [DONE]\n\n";
const USAGE: &[u8] =
    b"data: {\"object\":\"chat.completion.chunk\",\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1,\"total_tokens\":2}}\n\n";
const FINISH: &[u8] = b"data: {\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";

/// Changes the data of one stream as it passes.
#[derive(Debug)]
pub(super) struct Cook {
    saboteur: Saboteur,
    /// All that came in so far, for those who look back.
    past: Vec<u8>,
    /// What is held back.
    held: Vec<u8>,
}

/// How a stream ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Finish {
    /// By its framing.
    Clean,
    /// As the gateway ended it.
    Broken,
    /// Not at all.
    Never,
}

impl Cook {
    /// For a saboteur that spoils streams.
    pub(super) fn new(saboteur: Saboteur) -> Option<Cook> {
        let spoils = events::spoils(saboteur)
            || matches!(
                saboteur,
                Saboteur::DoneInvented
                    | Saboteur::FinishInvented
                    | Saboteur::LastEventDropped
                    | Saboteur::Utf8Mangled
                    | Saboteur::CrlfBroken
                    | Saboteur::SseBuffered
                    | Saboteur::UsageChunkShown
                    | Saboteur::StreamReplayed
                    | Saboteur::StallNeverEnds
                    | Saboteur::LongStreamCut
            );
        spoils.then(|| Cook { saboteur, past: Vec::new(), held: Vec::new() })
    }

    /// How long it may live.
    pub(super) fn lifetime(&self) -> Option<Duration> {
        (self.saboteur == Saboteur::LongStreamCut).then_some(Duration::from_millis(500))
    }

    /// The next piece of data: what goes out instead.
    pub(super) fn data(&mut self, data: &[u8]) -> Vec<u8> {
        match self.saboteur {
            Saboteur::Utf8Mangled => data.iter().flat_map(|byte| mangled(*byte)).collect(),
            Saboteur::CrlfBroken => self.without_cr(data),
            Saboteur::SseBuffered => {
                self.held.extend_from_slice(data);
                Vec::new()
            }
            Saboteur::StreamReplayed | Saboteur::FinishInvented => {
                self.past.extend_from_slice(data);
                data.to_vec()
            }
            saboteur if events::spoils(saboteur) => {
                let whole = self.whole_events(data);
                events::changed(saboteur, whole)
            }
            Saboteur::LastEventDropped | Saboteur::UsageChunkShown => {
                let whole = self.whole_events(data);
                self.before_done(whole)
            }
            _ => data.to_vec(),
        }
    }

    /// The end of the stream: what goes out last, and how it ends.
    pub(super) fn end(&mut self, clean: bool) -> (Vec<u8>, Finish) {
        let finish = if clean { Finish::Clean } else { Finish::Broken };
        match self.saboteur {
            Saboteur::DoneInvented if !clean => (DONE.to_vec(), Finish::Clean),
            Saboteur::FinishInvented if clean && !events::contains(&self.past, b"[DONE]") => {
                ([FINISH, DONE].concat(), Finish::Clean)
            }
            Saboteur::StreamReplayed if !clean => ([&*self.past, b"\n\n", DONE].concat(), Finish::Clean),
            Saboteur::StallNeverEnds if !clean => (Vec::new(), Finish::Never),
            Saboteur::LastEventDropped => (Vec::new(), finish),
            _ => (std::mem::take(&mut self.held), finish),
        }
    }

    /// The events that are whole by now.
    fn whole_events(&mut self, data: &[u8]) -> Vec<Vec<u8>> {
        self.held.extend_from_slice(data);
        let mut whole = Vec::new();
        while let Some(end) = events::end(&self.held) {
            whole.push(self.held.drain(..end).collect());
        }
        whole
    }

    /// Those who do something just before the terminator.
    fn before_done(&mut self, events: Vec<Vec<u8>>) -> Vec<u8> {
        let mut out = Vec::new();
        for event in events {
            let done = events::contains(&event, b"[DONE]");
            match self.saboteur {
                Saboteur::UsageChunkShown if done => out.extend_from_slice(USAGE),
                Saboteur::LastEventDropped if done => self.past.clear(),
                Saboteur::LastEventDropped => {
                    out.append(&mut self.past);
                    self.past = event;
                    continue;
                }
                _ => {}
            }
            out.extend(event);
        }
        out
    }

    /// Carriage returns gone, and the blank lines that they made.
    fn without_cr(&mut self, data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for byte in data {
            let blank = self.past == b"\n\r";
            if *byte != b'\r' && !(*byte == b'\n' && blank) {
                out.push(*byte);
            }
            let keep = match (byte, self.past.as_slice()) {
                (b'\r', [.., b'\n']) => b"\n\r".to_vec(),
                (b'\n', _) => b"\n".to_vec(),
                _ => Vec::new(),
            };
            self.past = keep;
        }
        out
    }
}

fn mangled(byte: u8) -> Vec<u8> {
    if byte.is_ascii() { vec![byte] } else { "\u{fffd}".as_bytes().to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cooked(saboteur: Saboteur, pieces: &[&str], clean: bool) -> (String, Finish) {
        let mut cook = Cook::new(saboteur).expect("a stream saboteur");
        let mut out: Vec<u8> = pieces.iter().flat_map(|piece| cook.data(piece.as_bytes())).collect();
        let (last, finish) = cook.end(clean);
        out.extend(last);
        (String::from_utf8_lossy(&out).into_owned(), finish)
    }

    const STREAM: &[&str] = &["data: {\"a\":\"\u{e9}\"}\n\nda", "ta: {\"b\":1}\n\n", "data: [DONE]\n\n"];

    #[test]
    fn each_stream_saboteur_spoils_one_thing() {
        let whole = STREAM.concat();
        assert_eq!(cooked(Saboteur::SseBuffered, STREAM, true), (whole.clone(), Finish::Clean));
        assert_eq!(
            cooked(Saboteur::LastEventDropped, STREAM, true),
            ("data: {\"a\":\"\u{e9}\"}\n\ndata: [DONE]\n\n".into(), Finish::Clean)
        );
        assert!(cooked(Saboteur::Utf8Mangled, STREAM, true).0.contains("\u{fffd}\u{fffd}"));
        assert!(cooked(Saboteur::UsageChunkShown, STREAM, true).0.contains("prompt_tokens"));
        assert_eq!(cooked(Saboteur::DoneInvented, &STREAM[..2], false), (whole, Finish::Clean));
        assert!(cooked(Saboteur::FinishInvented, &STREAM[..2], true).0.contains("finish_reason"));
        assert_eq!(cooked(Saboteur::StallNeverEnds, &STREAM[..2], false).1, Finish::Never);
    }

    #[test]
    fn a_stream_that_ends_well_is_not_given_a_second_end() {
        for saboteur in [
            Saboteur::DoneInvented,
            Saboteur::FinishInvented,
            Saboteur::StreamReplayed,
            Saboteur::StallNeverEnds,
            Saboteur::CrlfBroken,
        ] {
            assert_eq!(cooked(saboteur, STREAM, true), (STREAM.concat(), Finish::Clean), "{saboteur:?}");
        }
    }

    #[test]
    fn lines_that_end_in_cr_run_together() {
        let (text, _) = cooked(Saboteur::CrlfBroken, &["data: a\r\n\r", "\ndata: b\r\n\r\n"], true);
        assert_eq!(text, "data: a\ndata: b\n");
        assert_eq!(cooked(Saboteur::CrlfBroken, &["data: a\r\rdata: b\r\r"], true).0, "data: adata: b");
    }
}
