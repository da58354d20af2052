//! Server-sent events as a caller decodes them, byte by byte if need be.

/// An event with data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) name: Option<String>,
    pub(crate) data: String,
}

/// A decoder that is fed with pieces of any size.
#[derive(Default)]
pub(crate) struct Decoder {
    line: Vec<u8>,
    /// The last byte was a CR: an LF after it is part of the same line end.
    after_cr: bool,
    begun: bool,
    event: Event,
    has_data: bool,
    pub(crate) events: Vec<Event>,
}

impl Decoder {
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let second = std::mem::replace(&mut self.after_cr, byte == b'\r') && byte == b'\n';
            match byte {
                _ if second => {}
                b'\r' | b'\n' => self.line_ended(),
                _ => self.line.push(byte),
            }
        }
    }

    fn line_ended(&mut self) {
        let mut line = std::mem::take(&mut self.line);
        if !std::mem::replace(&mut self.begun, true) && line.starts_with("\u{feff}".as_bytes()) {
            line.drain(..3);
        }
        let line = String::from_utf8_lossy(&line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            _ if line.is_empty() => self.event_ended(),
            "event" => self.event.name = Some(value.to_owned()),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            _ => {}
        }
    }

    fn event_ended(&mut self) {
        let event = std::mem::take(&mut self.event);
        if std::mem::take(&mut self.has_data) {
            self.events.push(event);
        }
    }
}

/// The events of a whole stream.
pub(crate) fn decode(bytes: &[u8]) -> Vec<Event> {
    let mut decoder = Decoder::default();
    decoder.feed(bytes);
    decoder.events
}
