//! Entries for fuzzing: bytes that others choose, carried as far as the answer that would be written.
//!
//! Owns what must hold for any bytes. Refuses sockets and time, so that a run is fast and can be repeated. It is no
//! part of the library: it exists for tests and with the feature `fuzzing` alone.

#[cfg(test)]
mod tests;
pub mod vocabulary;

use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::answer;
use crate::fleet::Document;
use crate::lint::lint;
use crate::plan::Plan;
use crate::provider::{Options, Shared};
use crate::request::{self, Head, Length, Request, RequestHead};
use crate::script::{Config, Dialect, Fault, Provider, Respond, Rule, Sequence, Step};

/// The paths of all operations, with one that nobody knows.
pub const PATHS: [&str; 14] = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/responses/resp_1",
    "/v1/responses/resp_1/input_items?limit=1&order=asc&after=x",
    "/v1/responses/resp_1/cancel",
    "/v1/embeddings",
    "/v1/moderations",
    "/v1/models",
    "/v1/models/gpt-4o",
    "/openai/deployments/d/chat/completions?api-version=2024-10-21",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/unknown",
];

/// One request that every script must be able to answer.
const REQUEST: &[u8] =
    br#"{"model":"gpt-4o","stream":true,"n":2,"max_tokens":9,"messages":[{"role":"user","content":"hi there"}]}"#;
/// What a script may ask for at once here; what it may ask for elsewhere is in its reference.
const SIZE: usize = 1 << 20;

/// An answer as it would leave, when nobody waits.
#[derive(Debug)]
pub struct Written {
    /// Its status.
    pub status: u16,
    /// The head, to its last byte.
    pub head: Vec<u8>,
    /// The body without its framing, each part as it is handed over.
    pub body: Vec<bytes::Bytes>,
}

/// Reads the bytes as a head, whole and cut short.
pub fn head(bytes: &[u8]) {
    if let Ok(Some((head, size))) = request::parse(bytes) {
        assert!(size <= bytes.len(), "a head is no longer than what came");
        assert!(!matches!(request::parse(&bytes[..size - 1]), Ok(Some(_))), "it is not whole without its last byte");
        assert_eq!(head.lines.path(), head.path());
        let shown = format!("{:?}{:?}", head.lines, serde_json::to_string(&head.lines));
        assert!(!shown.is_empty());
        let answered = answered(&OPENAI, &head, b"");
        assert!(answered.status >= 200);
    }
    let loose = request::loose(bytes);
    assert!(!format!("{:?}", loose.lines).is_empty());
}

/// Answers a request of each dialect with these bytes as its body.
pub fn body(path: &str, bytes: &[u8]) -> [Written; 3] {
    let head = post(path, bytes.len());
    [&OPENAI, &AZURE, &ANTHROPIC].map(|shared| {
        let written = answered(shared, &head, bytes);
        well_formed(&written);
        written
    })
}

/// Reads a configuration: it is refused with a reason, or it answers a few requests. Says whether it was read.
pub fn script(text: &str) -> bool {
    let mut config = match Document::read(text) {
        Ok(document) => document.config().clone(),
        Err(error) => {
            assert!(!error.reason.is_empty(), "an error says what is wrong");
            return false;
        }
    };
    modest(&mut config);
    assert!(lint(&config).iter().all(|finding| !finding.what.is_empty()));
    let options = Options::of(&config);
    for (name, provider) in config.providers {
        let shared = Shared::new(&name, provider, &options, None);
        for path in [PATHS[0], PATHS[2], PATHS[6], PATHS[11]] {
            let written = answered(&shared, &post(path, REQUEST.len()), REQUEST);
            assert!(written.head.ends_with(b"\r\n\r\n"));
        }
    }
    true
}

static OPENAI: LazyLock<Shared> = LazyLock::new(|| usual(Dialect::Openai));
static AZURE: LazyLock<Shared> = LazyLock::new(|| usual(Dialect::Azure));
static ANTHROPIC: LazyLock<Shared> = LazyLock::new(|| usual(Dialect::Anthropic));

fn usual(dialect: Dialect) -> Shared {
    Shared::new("a", Provider { dialect, ..Provider::default() }, &Options::default(), None)
}

fn post(target: &str, length: usize) -> Head {
    let headers = [("host", "a"), ("content-type", "application/json"), ("anthropic-version", "2023-06-01")];
    Head {
        lines: RequestHead::new("POST", target, headers.into_iter()),
        length: Length::Fixed(length as u64),
        keep_alive: true,
        ..Head::default()
    }
}

/// The answer to one request, as if it came when its turn has come.
fn answered(shared: &Shared, head: &Head, body: &[u8]) -> Written {
    let live = shared.live();
    let request = Request::new(head, body);
    let admitted = pin!(answer::admit(&live, &request, || Duration::ZERO));
    let turn = match admitted.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(turn) => turn,
        Poll::Pending => None,
    };
    let (_, plan) = answer::plan(shared, &live, &request, body, turn.as_ref(), live.at_head(&shared.dice, head));
    written(&plan)
}

fn written(plan: &Plan) -> Written {
    let mut head = Vec::new();
    plan.head(&mut head, true);
    Written { status: plan.status, head, body: plan.pieces.iter().map(|piece| piece.bytes.clone()).collect() }
}

/// What holds for every answer that no script spoils: a head that ends where it should, JSON or events of JSON.
fn well_formed(written: &Written) {
    let Written { status, head, body } = written;
    assert_eq!(memchr::memmem::find(head, b"\r\n\r\n"), Some(head.len() - 4), "a head ends once");
    assert!((200..600).contains(status), "{status}");
    let head = head.to_ascii_lowercase();
    if memchr::memmem::find(&head, b"content-type: text/event-stream").is_some() {
        for event in body {
            let event = event.strip_suffix(b"\n\n").expect("an event ends with an empty line");
            let at = memchr::memmem::find(event, b"data: ").expect("an event has data");
            let data = &event[at + 6..];
            let whole = data == b"[DONE]" || serde_json::from_slice::<serde_json::Value>(data).is_ok();
            assert!(whole, "the data of an event is JSON: {}", String::from_utf8_lossy(data));
        }
    } else if !body.is_empty() {
        let body = body.concat();
        let json = serde_json::from_slice::<serde_json::Value>(&body);
        assert!(json.is_ok_and(|json| json.is_object()), "a body is JSON: {}", String::from_utf8_lossy(&body));
    }
}

/// Keeps a script from asking for more than a run has room for.
fn modest(config: &mut Config) {
    let states = config.states.values_mut().flat_map(|machine| machine.states.values_mut());
    states.flat_map(|state| &mut state.faults).for_each(modest_fault);
    for provider in config.providers.values_mut() {
        provider.faults.iter_mut().for_each(modest_fault);
        modest_answer(&mut provider.respond, &mut provider.fault, &mut provider.sequence);
        for Rule { respond, fault, sequence, .. } in &mut provider.rules {
            modest_answer(respond, fault, sequence);
        }
    }
}

fn modest_answer(respond: &mut Option<Respond>, fault: &mut Option<Fault>, sequence: &mut Sequence) {
    respond.iter_mut().for_each(|respond| smaller(&mut respond.size));
    fault.iter_mut().for_each(modest_fault);
    for Step { respond, fault, .. } in &mut sequence.steps {
        respond.iter_mut().for_each(|respond| smaller(&mut respond.size));
        fault.iter_mut().for_each(modest_fault);
    }
}

fn modest_fault(fault: &mut Fault) {
    smaller(&mut fault.huge_body);
    smaller(&mut fault.oversize_event);
}

fn smaller(size: &mut Option<usize>) {
    *size = size.map(|size| size.min(SIZE));
}
