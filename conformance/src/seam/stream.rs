//! What saboteurs do to streams of events.

use crate::saboteur::Saboteur;

const DONE: &[u8] = b"data: [DONE]\n\n";
const USAGE: &[u8] =
    b"data: {\"object\":\"chat.completion.chunk\",\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1,\"total_tokens\":2}}\n\n";

/// Changes the data of one stream as it passes.
#[derive(Debug)]
pub(super) struct Cook {
    saboteur: Saboteur,
    /// All that came in so far, for those who send it again.
    past: Vec<u8>,
    /// What is held back.
    held: Vec<u8>,
}

impl Cook {
    /// For a saboteur that spoils streams.
    pub(super) fn new(saboteur: Saboteur) -> Option<Cook> {
        matches!(
            saboteur,
            Saboteur::DoneInvented
                | Saboteur::LastEventDropped
                | Saboteur::Utf8Mangled
                | Saboteur::SseBuffered
                | Saboteur::UsageChunkShown
                | Saboteur::UsageChunkHidden
                | Saboteur::StreamReplayed
        )
        .then(|| Cook { saboteur, past: Vec::new(), held: Vec::new() })
    }

    /// The next piece of data: what goes out instead.
    pub(super) fn data(&mut self, data: &[u8]) -> Vec<u8> {
        match self.saboteur {
            Saboteur::Utf8Mangled => data.iter().flat_map(|byte| mangled(*byte)).collect(),
            Saboteur::SseBuffered => {
                self.held.extend_from_slice(data);
                Vec::new()
            }
            Saboteur::LastEventDropped | Saboteur::UsageChunkShown | Saboteur::UsageChunkHidden => {
                self.held.extend_from_slice(data);
                self.whole_events()
            }
            Saboteur::StreamReplayed => {
                self.past.extend_from_slice(data);
                data.to_vec()
            }
            _ => data.to_vec(),
        }
    }

    /// The end of the stream: what goes out last, and whether the end looks clean.
    pub(super) fn end(&mut self, clean: bool) -> (Vec<u8>, bool) {
        match self.saboteur {
            Saboteur::DoneInvented if !clean => (DONE.to_vec(), true),
            Saboteur::StreamReplayed if !clean => {
                let mut again = std::mem::take(&mut self.past);
                again.extend_from_slice(b"\n\n");
                again.extend_from_slice(DONE);
                (again, true)
            }
            Saboteur::LastEventDropped => (Vec::new(), clean),
            _ => (std::mem::take(&mut self.held), clean),
        }
    }

    /// Takes complete events out of what is held, changed.
    fn whole_events(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut events = Vec::new();
        while let Some(end) = event_end(&self.held) {
            events.push(self.held.drain(..end).collect::<Vec<u8>>());
        }
        match self.saboteur {
            Saboteur::LastEventDropped => {
                for event in events {
                    if contains(&event, b"[DONE]") {
                        self.past.clear();
                        out.extend(event);
                    } else {
                        out.append(&mut self.past);
                        self.past = event;
                    }
                }
            }
            Saboteur::UsageChunkShown => {
                for event in events {
                    if contains(&event, b"[DONE]") {
                        out.extend_from_slice(USAGE);
                    }
                    out.extend(event);
                }
            }
            _ => events.retain(|event| {
                if !contains(event, b"\"prompt_tokens\"") {
                    out.extend_from_slice(event);
                }
                false
            }),
        }
        out
    }
}

fn mangled(byte: u8) -> Vec<u8> {
    if byte.is_ascii() { vec![byte] } else { "\u{fffd}".as_bytes().to_vec() }
}

fn event_end(bytes: &[u8]) -> Option<usize> {
    let lf = bytes.windows(2).position(|pair| pair == b"\n\n").map(|at| at + 2);
    let crlf = bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
    match (lf, crlf) {
        (Some(lf), Some(crlf)) => Some(lf.min(crlf)),
        (one, other) => one.or(other),
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cooked(saboteur: Saboteur, pieces: &[&str], clean: bool) -> (String, bool) {
        let mut cook = Cook::new(saboteur).expect("a stream saboteur");
        let mut out: Vec<u8> = pieces.iter().flat_map(|piece| cook.data(piece.as_bytes())).collect();
        let (last, clean) = cook.end(clean);
        out.extend(last);
        (String::from_utf8_lossy(&out).into_owned(), clean)
    }

    const STREAM: &[&str] = &["data: {\"a\":\"\u{e9}\"}\n\nda", "ta: {\"b\":1}\n\n", "data: [DONE]\n\n"];

    #[test]
    fn each_stream_saboteur_spoils_one_thing() {
        let whole = STREAM.concat();
        assert_eq!(cooked(Saboteur::SseBuffered, STREAM, true), (whole.clone(), true));
        assert_eq!(
            cooked(Saboteur::LastEventDropped, STREAM, true),
            ("data: {\"a\":\"\u{e9}\"}\n\ndata: [DONE]\n\n".into(), true)
        );
        assert!(cooked(Saboteur::Utf8Mangled, STREAM, true).0.contains("\u{fffd}\u{fffd}"));
        assert!(cooked(Saboteur::UsageChunkShown, STREAM, true).0.contains("prompt_tokens"));
        assert_eq!(cooked(Saboteur::DoneInvented, &STREAM[..2], false), (whole, true));
        assert!(!cooked(Saboteur::UsageChunkHidden, &["data: {\"prompt_tokens\":1}\n\n"], true).0.contains("data"));
    }

    #[test]
    fn a_stream_that_ends_well_is_not_given_a_second_end() {
        assert_eq!(cooked(Saboteur::DoneInvented, STREAM, true), (STREAM.concat(), true));
        assert_eq!(cooked(Saboteur::StreamReplayed, STREAM, true), (STREAM.concat(), true));
    }
}
