//! What saboteurs do to requests, and where those go then.

use super::context::{Context, Hop, NONCE};
use super::{Forward, towards_gateway, towards_provider};
use crate::saboteur::Saboteur;
use crate::wire::Head;

/// What becomes of a request.
pub(super) enum Action {
    /// It goes on.
    Forward(Forward),
    /// It is answered here.
    Answer(Vec<u8>),
    /// The connection ends.
    Close,
    /// Nothing, until its sender gives up.
    Hang,
}

/// What a gateway says that has no configuration.
const NOTHING_CONFIGURED: &[u8] =
    b"HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: 34\r\n\r\n{\"error\":{\"message\":\"not found\"}}\n";

impl Context {
    /// A request at a hop.
    pub(super) fn request(&self, hop: Hop, mut head: Head, mut body: Vec<u8>) -> Action {
        let nonce = head.get(NONCE).unwrap_or_default().to_owned();
        let mut attempt = 0;
        let original = self.original(&nonce);
        match hop {
            Hop::Gateway(_) => {
                if self.saboteur == Saboteur::ConfigLostOnRefusal && self.state().refused {
                    return Action::Answer(NOTHING_CONFIGURED.to_vec());
                }
                if let Some(answer) = self.cached(&head, &body) {
                    return Action::Answer(answer);
                }
                towards_gateway::change(self.saboteur, &mut head, &mut body);
                reframe(&mut head, &body);
            }
            Hop::Provider(index) => {
                attempt = self.attempt(&nonce);
                if let Some(action) = self.instead(index, &nonce, attempt) {
                    return action;
                }
                self.heard_nothing_yet(&nonce, attempt);
                if self.saboteur == Saboteur::BodyLostOnRetry && attempt > 1 {
                    body.clear();
                }
                towards_provider::change(self, index, &mut head, &mut body, original.as_ref());
                reframe(&mut head, &body);
                towards_provider::misframe(self.saboteur, &mut head, &mut body);
            }
        }
        let method = head.request_line().map(|(method, _)| method.to_owned()).unwrap_or_default();
        let address = self.chosen(hop, attempt, &body, original.as_ref());
        let bytes = [head.bytes(), body].concat();
        Action::Forward(Forward { address, method, nonce, attempt, bytes })
    }

    /// A first attempt that is given up before its answer begins was answered by nothing.
    fn heard_nothing_yet(&self, nonce: &str, attempt: u32) {
        if self.saboteur == Saboteur::FailoverDropped && attempt == 1 {
            self.state().first_answers.insert(nonce.to_owned(), Vec::new());
        }
    }

    /// What happens to an attempt that does not reach its provider.
    fn instead(&self, index: usize, nonce: &str, attempt: u32) -> Option<Action> {
        let state = self.state();
        match self.saboteur {
            Saboteur::FailoverDropped if attempt > 1 => match state.first_answers.get(nonce) {
                Some(answer) if answer.is_empty() => Some(Action::Close),
                answer => answer.cloned().map(Action::Answer),
            },
            Saboteur::PoolWedged if state.wedged.contains(&index) => Some(Action::Hang),
            _ => None,
        }
    }
}

/// The length that belongs to the body; a request without body and length stays so.
fn reframe(head: &mut Head, body: &[u8]) {
    let chunked = head.get("transfer-encoding").is_some();
    head.remove("transfer-encoding");
    if chunked || head.get("content-length").is_some() || !body.is_empty() {
        head.set("content-length", body.len().to_string());
    }
}
