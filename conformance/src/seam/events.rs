//! What saboteurs do to single events of a stream.

use serde_json::Value;

use crate::saboteur::Saboteur;

/// Where events are cut.
const EVENT_LIMIT: usize = 64 * 1024;
/// So many events at once lose their order.
const MANY: usize = 8;

/// Whether a saboteur works event by event.
pub(super) fn spoils(saboteur: Saboteur) -> bool {
    matches!(
        saboteur,
        Saboteur::ErrorEventDropped
            | Saboteur::EventOrderSwapped
            | Saboteur::EventTruncated
            | Saboteur::EventFieldsLost
            | Saboteur::CommentAsData
            | Saboteur::MalformedEventDropped
            | Saboteur::UsageChunkHidden
            | Saboteur::ToolArgumentsLost
    )
}

/// Whole events that came at once, as they go on.
pub(super) fn changed(saboteur: Saboteur, mut events: Vec<Vec<u8>>) -> Vec<u8> {
    match saboteur {
        Saboteur::EventOrderSwapped if events.len() >= MANY => events.swap(MANY - 3, MANY - 4),
        Saboteur::UsageChunkHidden => events.retain(|event| !contains(event, b"\"prompt_tokens\"")),
        Saboteur::ErrorEventDropped => events.retain(|event| !is_error(event)),
        Saboteur::MalformedEventDropped => events.retain(|event| !is_malformed(event)),
        _ => {
            for event in &mut events {
                change(saboteur, event);
            }
        }
    }
    events.concat()
}

fn change(saboteur: Saboteur, event: &mut Vec<u8>) {
    match saboteur {
        Saboteur::EventTruncated if event.len() > EVENT_LIMIT => {
            event.truncate(EVENT_LIMIT);
            event.extend_from_slice(b"\n\n");
        }
        Saboteur::EventFieldsLost => {
            *event = lines(event, |line| (is_data(line) || is_blank(line)).then(|| line.to_vec()))
        }
        Saboteur::CommentAsData => {
            *event = lines(event, |line| match line.strip_prefix(b":") {
                Some(comment) => Some([b"data:", comment].concat()),
                None => Some(line.to_vec()),
            });
        }
        Saboteur::ToolArgumentsLost => {
            if let Some(changed) = without_arguments(&data(event)) {
                *event = [b"data: ", &*changed, b"\n\n"].concat();
            }
        }
        _ => {}
    }
}

/// A message or chunk whose tool calls have no arguments; `None` when it has no tool calls.
pub(super) fn without_arguments(json: &[u8]) -> Option<Vec<u8>> {
    let mut value: Value = serde_json::from_slice(json).ok()?;
    let mut any = false;
    for choice in value.get_mut("choices")?.as_array_mut()? {
        for part in ["delta", "message"] {
            let calls = choice.get_mut(part).and_then(|part| part.get_mut("tool_calls")).and_then(Value::as_array_mut);
            for arguments in calls.into_iter().flatten().filter_map(|call| call.pointer_mut("/function/arguments")) {
                *arguments = "".into();
                any = true;
            }
        }
    }
    any.then(|| value.to_string().into_bytes())
}

/// Where the first event ends, just behind its blank line.
pub(super) fn end(bytes: &[u8]) -> Option<usize> {
    let ends = [&b"\n\n"[..], b"\r\n\r\n", b"\r\r"].into_iter();
    ends.filter_map(|end| bytes.windows(end.len()).position(|window| window == end).map(|at| at + end.len())).min()
}

pub(super) fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Each line with its end, changed or left out.
fn lines(event: &[u8], change: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Vec<u8> {
    event.split_inclusive(|byte| *byte == b'\n').filter_map(change).collect::<Vec<_>>().concat()
}

fn is_data(line: &[u8]) -> bool {
    line.starts_with(b"data")
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b'\r' | b'\n'))
}

/// The data of an event, its lines put together.
fn data(event: &[u8]) -> Vec<u8> {
    let text = lines(event, |line| line.strip_prefix(b"data:").map(<[u8]>::to_vec));
    text.trim_ascii().to_vec()
}

fn is_error(event: &[u8]) -> bool {
    let data = serde_json::from_slice::<Value>(&data(event));
    data.is_ok_and(|data| data.get("error").is_some_and(|error| !error.is_null()))
}

/// Data that is neither JSON nor the terminator.
fn is_malformed(event: &[u8]) -> bool {
    let data = data(event);
    !data.is_empty() && data != b"[DONE]" && serde_json::from_slice::<Value>(&data).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(saboteur: Saboteur, events: &[&str]) -> String {
        let events = events.iter().map(|event| event.as_bytes().to_vec()).collect();
        String::from_utf8_lossy(&changed(saboteur, events)).into_owned()
    }

    #[test]
    fn events_lose_what_their_saboteur_takes() {
        let event = "event: a\nid: 7\n: c\ndata: {\"x\":1}\n\n";
        assert_eq!(after(Saboteur::EventFieldsLost, &[event]), "data: {\"x\":1}\n\n");
        assert_eq!(after(Saboteur::CommentAsData, &[": ping\n\n"]), "data: ping\n\n");
        assert_eq!(after(Saboteur::MalformedEventDropped, &["data: {\n\n", "data: [DONE]\n\n"]), "data: [DONE]\n\n");
        assert_eq!(after(Saboteur::ErrorEventDropped, &["data: {\"error\":{}}\n\n", event]), event);
        let long = format!("data: {}\n\n", "x".repeat(EVENT_LIMIT));
        assert_eq!(after(Saboteur::EventTruncated, &[&long]).len(), EVENT_LIMIT + 2);
    }

    #[test]
    fn tool_calls_lose_their_arguments_and_nothing_else() {
        let event = r#"data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\""}}]}}]}"#;
        let text = after(Saboteur::ToolArgumentsLost, &[&format!("{event}\n\n")]);
        assert!(text.contains(r#""index":0,"function":{"arguments":""}"#), "{text}");
        let plain = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
        assert_eq!(after(Saboteur::ToolArgumentsLost, &[plain]), plain);
    }

    #[test]
    fn few_events_keep_their_order() {
        let events: Vec<String> = (0..9).map(|i| format!("data: {i}\n\n")).collect();
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        assert_eq!(after(Saboteur::EventOrderSwapped, &events[..7]), events[..7].concat());
        assert_ne!(after(Saboteur::EventOrderSwapped, &events), events.concat());
    }
}
