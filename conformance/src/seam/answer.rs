//! What saboteurs do to answers: which way each takes, what happens to its head, and to a body that was read whole.

use serde_json::{Value, json};

use super::context::{Context, Hop};
use super::response::Way;
use super::stream::{self, Cook};
use super::{Forward, events};
use crate::saboteur::Saboteur;
use crate::wire::Head;

/// Where answers are cut.
const ANSWER_LIMIT: usize = 1 << 20;
/// An answer that nobody asked for.
const SECOND: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
/// All that is left of an answer's headers.
const FRAMING: [&str; 5] = ["content-type", "date", "connection", "content-length", "transfer-encoding"];

impl Context {
    /// Bytes that an answer brought.
    pub(super) fn heard(&self, hop: Hop, forward: &Forward, bytes: &[u8]) {
        if matches!(hop, Hop::Gateway(_)) {
            return self.keep(&forward.nonce, bytes);
        }
        if self.saboteur == Saboteur::FailoverDropped && forward.attempt == 1 {
            self.state().first_answers.entry(forward.nonce.clone()).or_default().extend_from_slice(bytes);
        }
    }

    /// An attempt got no answer at all; `gone` when the gateway did not wait for it.
    pub(super) fn no_answer(&self, hop: Hop, gone: bool) {
        let Hop::Provider(index) = hop else { return };
        let mut state = self.state();
        state.failed = Some(index);
        if gone {
            state.wedged.insert(index);
        }
    }

    /// How an answer is passed on.
    pub(super) fn way(&self, hop: Hop, head: &Head, nonce: &str) -> Way {
        let status = head.status().unwrap_or(0);
        let is_stream = head.get("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"));
        let cooked = || Cook::new(self.saboteur).map_or(Way::Raw, Way::Cooked);
        let readable = is_stream && head.get("content-encoding").is_none();
        if matches!(hop, Hop::Provider(_)) {
            return if self.saboteur == Saboteur::FinishInvented && readable { cooked() } else { Way::Raw };
        }
        match self.saboteur {
            Saboteur::ErrorFieldsLost | Saboteur::ErrorNotJson | Saboteur::SecondAnswerInvented if status >= 400 => {
                Way::Whole
            }
            Saboteur::StreamErrorAs200 if status >= 400 && self.asked_for_stream(nonce) => Way::Whole,
            Saboteur::NotFoundServed if status == 404 => Way::Whole,
            Saboteur::DeadlineIgnored if status == 504 || status == 408 => Way::Never,
            Saboteur::AnswerTruncated | Saboteur::AnswerMixed if !is_stream && status == 200 => Way::Whole,
            Saboteur::ToolArgumentsLost if !is_stream && status == 200 => Way::Whole,
            _ if readable => cooked(),
            _ => Way::Raw,
        }
    }

    /// Changes the head of an answer.
    pub(super) fn change_head(&self, hop: Hop, head: &mut Head, nonce: &str) {
        let status = head.status().unwrap_or(0);
        if matches!(hop, Hop::Provider(_)) {
            return self.change_provider_head(head, nonce, status);
        }
        match self.saboteur {
            Saboteur::ErrorFlattenedTo200 if status >= 400 => set_status(head, "200 OK"),
            Saboteur::RedirectFollowed if status / 100 == 3 => set_status(head, "200 OK"),
            Saboteur::ErrorStatusLost if status == 500 => set_status(head, "502 Bad Gateway"),
            Saboteur::ErrorStatusLost if status >= 400 => set_status(head, "500 Internal Server Error"),
            Saboteur::BodyLimitHidden if status == 413 => set_status(head, "400 Bad Request"),
            Saboteur::RetryAfterLost => head.remove("retry-after"),
            Saboteur::ProviderKeyInResponse | Saboteur::ReadyLeaksConfig => {
                head.set("x-upstream-key", self.provider_key.clone())
            }
            Saboteur::AnswerHeadersLost => {
                head.headers.retain(|(name, _)| FRAMING.iter().any(|kept| kept.eq_ignore_ascii_case(name)));
            }
            _ => {}
        }
    }

    /// Changes the head of a provider's answer.
    fn change_provider_head(&self, head: &mut Head, nonce: &str, status: u16) {
        match self.saboteur {
            Saboteur::ContentEncodingLost => head.remove("content-encoding"),
            Saboteur::FailedHeadersLeak if status >= 400 => {
                self.state().failed_headers.insert(nonce.to_owned(), head.headers.clone());
            }
            Saboteur::FailedHeadersLeak => {
                let failed = self.state().failed_headers.remove(nonce).unwrap_or_default();
                let framing = |name: &str| FRAMING.iter().any(|own| own.eq_ignore_ascii_case(name));
                let missing = failed.into_iter().filter(|(name, _)| !framing(name) && head.get(name).is_none());
                let missing: Vec<_> = missing.collect();
                head.headers.extend(missing);
            }
            _ => {}
        }
    }

    /// Changes an answer that was read whole; returns what follows it on the connection.
    pub(super) fn change_answer(&self, head: &mut Head, body: &mut Vec<u8>) -> &'static [u8] {
        match self.saboteur {
            Saboteur::SecondAnswerInvented => return SECOND,
            Saboteur::ErrorFieldsLost => *body = json!({"error": {"message": "error"}}).to_string().into_bytes(),
            Saboteur::ErrorNotJson => {
                head.set("content-type", "text/plain");
                *body = b"error".to_vec();
            }
            Saboteur::StreamErrorAs200 => {
                set_status(head, "200 OK");
                head.set("content-type", "text/event-stream");
                *body = [b"data: ", &**body, b"\n\n", stream::DONE].concat();
            }
            Saboteur::NotFoundServed => {
                set_status(head, "200 OK");
                head.set("content-type", "application/json");
                let message: Value = json!({"role": "assistant", "content": "served"});
                *body = json!({"choices": [{"index": 0, "message": message}]}).to_string().into_bytes();
            }
            Saboteur::AnswerTruncated => body.truncate(ANSWER_LIMIT),
            Saboteur::AnswerMixed => self.mix(body),
            Saboteur::ToolArgumentsLost => {
                if let Some(changed) = events::without_arguments(body) {
                    *body = changed;
                }
            }
            _ => {}
        }
        b""
    }
}

fn set_status(head: &mut Head, status: &str) {
    head.start = format!("HTTP/1.1 {status}");
}
