//! Whether the client got what the serving provider sent, and saw it end as it ended: nothing is lost, nothing is
//! invented. Knows what a gateway may do: hide usage that the client did not ask for, tell an error behind a stream that
//! broke off, answer by an error of its own when the provider gave no whole answer (with the status that an earlier one
//! gave, if it likes), and put a provider's error that is no JSON into an object.

use serde_json::Value;

use super::Judge;
use super::exchange::Served;
use crate::client::{End, Exchange};
use crate::matcher::Seen;
use crate::scenario::At;
use crate::sse;

/// Judges one exchange.
pub(super) fn judge(judge: &mut Judge<'_>, wanted: &At<bool>, exchange: &Exchange, served: &Served) {
    match (difference(exchange, served), wanted.value) {
        (Some((expected, actual)), true) => judge.fail(".as_sent", wanted, expected, actual),
        (None, false) => judge.fail(".as_sent", wanted, "something else than the provider sent", "the same"),
        _ => {}
    }
}

/// What should have come, and what did.
fn difference(exchange: &Exchange, served: &Served) -> Option<(String, String)> {
    let left = exchange.end == End::WeClosed;
    let Some(head) = &exchange.head else {
        return (!left).then(|| ("an answer".to_owned(), exchange.end.to_string()));
    };
    let kind = head.get("content-type").unwrap_or_default();
    if kind.starts_with("text/event-stream") {
        return stream(exchange, served);
    }
    let status = exchange.status().unwrap_or(0);
    let told_before = served.before.contains(&status);
    let unanswered = !served.whole && (status >= 500 || served.attempts == 0 || told_before);
    let no_json = served.whole && status >= 400 && serde_json::from_slice::<Value>(&served.sent).is_err();
    if (unanswered || no_json) && exchange.end == End::Clean && is_error(&String::from_utf8_lossy(&exchange.body)) {
        return None;
    }
    let finished = served.in_order || serde_json::from_slice::<Value>(&served.sent).is_ok();
    let shown = |bytes: &[u8]| Seen::Bytes(bytes.to_vec()).describe();
    compare(&exchange.body, &served.sent, exchange, served.whole, finished, |bytes| shown(bytes))
}

fn stream(exchange: &Exchange, served: &Served) -> Option<(String, String)> {
    let (mut came, sent) = (events(&exchange.body), events(&served.sent));
    let finished = sent.iter().any(|(_, data)| is_end(data) || is_error(data));
    let whole = served.whole && finished;
    let shown = |events: &[(String, String)]| {
        let data: Vec<&str> = events.iter().map(|(_, data)| data.as_str()).collect();
        format!("{} events: {}", data.len(), data.join(" | "))
    };
    let told = |events: &[(String, String)]| events.last().is_some_and(|(_, data)| is_error(data));
    if !whole && told(&came) && !told(&sent) {
        came.pop();
        let beginning = sent.starts_with(&came);
        return (!beginning)
            .then(|| (format!("the beginning of what the provider sent, {}", shown(&sent)), shown(&came)));
    }
    compare(&came, &sent, exchange, whole, served.in_order || finished, |events| shown(events))
}

/// `whole`: all of it must come. `finished`: it may look as if it were all.
fn compare<T: PartialEq>(
    came: &[T],
    sent: &[T],
    exchange: &Exchange,
    whole: bool,
    finished: bool,
    shown: impl Fn(&[T]) -> String,
) -> Option<(String, String)> {
    let clean = exchange.end == End::Clean;
    let left = exchange.end == End::WeClosed;
    let must_be_all = clean || (whole && !left);
    let what = if must_be_all { "what the provider sent" } else { "the beginning of what the provider sent" };
    if !(if must_be_all { came == sent } else { sent.starts_with(came) }) {
        return Some((format!("{what}, {}", shown(sent)), format!("{}, {}", shown(came), exchange.end)));
    }
    match (clean, finished) {
        (true, false) => Some(("no clean end, as the provider broke off".to_owned(), exchange.end.to_string())),
        (false, _) if whole && !left => Some(("a clean end, as the provider's".to_owned(), exchange.end.to_string())),
        _ => None,
    }
}

/// Type and data of all events but those that carry nothing but usage; that others carry none may be hidden with it.
fn events(body: &[u8]) -> Vec<(String, String)> {
    let only_usage = |data: &str| {
        let value: Value = serde_json::from_str(data).unwrap_or_default();
        value["usage"].is_object() && value["choices"].as_array().is_none_or(Vec::is_empty)
    };
    let events = sse::events(body).into_iter().filter(|event| !only_usage(&event.data));
    events.map(|event| (event.event, event.data.replace(",\"usage\":null", ""))).collect()
}

/// The terminator of a stream; one of responses has no `[DONE]`.
fn is_end(data: &str) -> bool {
    let kind = || serde_json::from_str::<Value>(data).ok()?["type"].as_str().map(str::to_owned);
    data == "[DONE]" || matches!(kind().as_deref(), Some("response.completed" | "response.incomplete"))
}

/// An error object, or an error event as a stream of responses has it.
fn is_error(data: &str) -> bool {
    let Ok(value) = serde_json::from_str::<Value>(data) else { return false };
    let kind = value["type"].as_str().unwrap_or_default();
    value.get("error").is_some_and(|error| !error.is_null()) || matches!(kind, "error" | "response.failed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Call, Leave, Pace};
    use crate::wire::Head;
    use std::time::Duration;

    const ONE: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"1\"}}]}\n\n";
    const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\n";
    const ERROR: &str = "data: {\"error\":{\"message\":\"broken\"}}\n\n";
    const DONE: &str = "data: [DONE]\n\n";

    fn came(status: u16, kind: &str, body: &str, end: End) -> Exchange {
        let call = Call {
            address: ([127, 0, 0, 1], 1).into(),
            method: "POST".to_owned(),
            wire: Default::default(),
            body: Default::default(),
            nonce: String::new(),
            leave: Leave::AtEnd,
            pace: Pace::default(),
            deadline: Duration::ZERO,
            http2: None,
        };
        let head = Head::parse(format!("HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\n\r\n").as_bytes());
        let times = (Duration::ZERO, Duration::ZERO);
        let body = body.as_bytes().to_vec();
        let (reads, extra) = (Vec::new(), Vec::new());
        Exchange {
            call,
            sent_at: times.0,
            head,
            head_at: None,
            body,
            reads,
            extra,
            goaway: None,
            end,
            ended_at: times.1,
        }
    }

    /// How a provider ended.
    #[derive(Clone, Copy)]
    enum Way {
        Whole,
        InOrder,
        Broken,
    }

    fn sent(body: &str, way: Way) -> Served {
        let whole = matches!(way, Way::Whole);
        let in_order = !matches!(way, Way::Broken);
        Served { attempts: 1, sent: body.as_bytes().to_vec(), whole, in_order, ..Served::default() }
    }

    fn streamed(came_body: &[&str], end: End, sent_body: &[&str], way: Way) -> bool {
        let exchange = came(200, "text/event-stream", &came_body.concat(), end);
        difference(&exchange, &sent(&sent_body.concat(), way)).is_none()
    }

    #[test]
    fn a_stream_comes_whole_and_ends_as_it_was_ended() {
        let whole = [ONE, USAGE, DONE];
        assert!(streamed(&whole, End::Clean, &whole, Way::Whole));
        assert!(streamed(&[ONE, DONE], End::Clean, &whole, Way::Whole), "usage may be hidden");
        let with_null = ONE.replace("}}]}", "}}],\"usage\":null}");
        assert!(streamed(&[ONE, DONE], End::Clean, &[&with_null, USAGE, DONE], Way::Whole));
        assert!(!streamed(&[ONE], End::Clean, &whole, Way::Whole));
        assert!(!streamed(&[ONE], End::ClosedEarly, &whole, Way::Whole));
        assert!(!streamed(&[ONE, ERROR], End::ClosedEarly, &whole, Way::Whole));
        assert!(streamed(&[ONE], End::WeClosed, &whole, Way::Whole));
        assert!(!streamed(&[DONE], End::WeClosed, &whole, Way::Whole));
    }

    #[test]
    fn a_stream_that_broke_off_gets_no_terminator() {
        assert!(streamed(&[ONE, ERROR], End::ClosedEarly, &[ONE], Way::Broken));
        assert!(streamed(&[ONE, ERROR], End::Clean, &[ONE], Way::Broken));
        let event = "event: error\ndata: {\"type\":\"error\",\"message\":\"broken\"}\n\n";
        assert!(streamed(&[ONE, event], End::ClosedEarly, &[ONE], Way::Broken));
        assert!(streamed(&[ONE], End::ClosedEarly, &[ONE], Way::Broken));
        assert!(!streamed(&[ONE], End::Clean, &[ONE], Way::Broken));
        assert!(!streamed(&[ONE, DONE], End::Clean, &[ONE], Way::Broken));
        assert!(!streamed(&[ONE, ONE, ERROR], End::ClosedEarly, &[ONE], Way::Broken));
        assert!(streamed(&[ONE], End::Clean, &[ONE], Way::InOrder), "it says itself that it is not complete");
    }

    #[test]
    fn an_error_of_the_gateway_stands_for_an_answer_that_was_none() {
        let error = r#"{"error":{"message":"no answer"}}"#;
        let own = |status, body: &str, served: &Served| {
            difference(&came(status, "application/json", body, End::Clean), served).is_none()
        };
        assert!(own(502, error, &sent("{\"choices\":", Way::Broken)));
        assert!(own(400, error, &Served::default()));
        let after_a_429 = Served { attempts: 2, before: vec![429], ..Served::default() };
        assert!(own(429, error, &after_a_429) && !own(404, error, &after_a_429));
        assert!(!own(429, error, &Served { sent: b"{}".to_vec(), whole: true, ..after_a_429 }));
        assert!(!own(502, error, &sent("{}", Way::Whole)));
        assert!(!own(502, "Bad Gateway", &sent("", Way::Broken)));
        assert!(own(503, error, &sent("sorry", Way::Whole)), "a provider's error that is no JSON");
        assert!(!own(200, "{\"a\": 1}", &sent("{\"a\":1}", Way::Whole)));
        assert!(!own(200, "{\"choices\":", &sent("{\"choices\":", Way::Broken)));
    }
}
