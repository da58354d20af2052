//! Server-sent events as the WHATWG standard reads them, over a recorded body.
//! Independent of the gateway's own reader: a judge does not borrow the accused's eyes.

/// One dispatched event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The type; empty means `message`.
    pub event: String,
    /// The data lines, joined by newlines.
    pub data: String,
    /// Offset in the body just behind the event.
    pub end: usize,
}

/// All complete events of a body, and the offset behind the last of them.
pub fn events(body: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    let mut at = if body.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let (mut kind, mut data, mut any) = (String::new(), String::new(), false);
    while let Some((line, next)) = line(body, at) {
        at = next;
        if line.is_empty() {
            if any {
                data.pop();
                events.push(Event { event: std::mem::take(&mut kind), data: std::mem::take(&mut data), end: at });
            }
            kind.clear();
            data.clear();
            any = false;
            continue;
        }
        let text = String::from_utf8_lossy(line);
        let (field, value) = text.split_once(':').unwrap_or((&text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                any = true;
                data.push_str(value);
                data.push('\n');
            }
            "event" => kind = value.to_owned(),
            _ => {}
        }
    }
    events
}

/// The line at `at` without its end (LF, CR or CRLF), and where the next begins; `None` if it has no end yet.
fn line(body: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let rest = &body[at..];
    let length = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'))?;
    let end = if rest[length] == b'\r' && rest.get(length + 1) == Some(&b'\n') { length + 2 } else { length + 1 };
    Some((&rest[..length], at + end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(body: &str) -> Vec<String> {
        events(body.as_bytes()).into_iter().map(|event| event.data).collect()
    }

    #[test]
    fn lines_may_end_in_three_ways() {
        assert_eq!(data("data: a\n\ndata: b\r\n\r\ndata: c\r\r"), ["a", "b", "c"]);
    }

    #[test]
    fn only_one_space_is_dropped_and_it_is_optional() {
        assert_eq!(data("data:a\n\ndata:  b\n\n"), ["a", " b"]);
    }

    #[test]
    fn data_lines_are_joined_and_comments_ignored() {
        assert_eq!(data(": hello\ndata: a\ndata: b\nid: 7\n\n: ping\n\n"), ["a\nb"]);
    }

    #[test]
    fn an_event_without_its_blank_line_does_not_count() {
        assert_eq!(data("data: a\n\ndata: b\n"), ["a"]);
        assert_eq!(data("\u{feff}data: a\n\n"), ["a"]);
    }

    #[test]
    fn an_event_knows_its_type_and_its_end() {
        let all = events(b"event: error\ndata: {}\n\ndata: x\n\n");
        assert_eq!((all[0].event.as_str(), all[0].end), ("error", 23));
        assert_eq!((all[1].event.as_str(), all[1].end), ("", 32));
    }
}
