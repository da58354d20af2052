//! A cache in front of the gateway that answers what it should ask again: the other user's answer, a failure, half a
//! stream. Owns what it keeps and for whom; answers are kept as the bytes that went to the client.

use serde_json::Value;

use super::context::Context;
use crate::saboteur::Saboteur;
use crate::wire::Head;

impl Context {
    /// The answer to an earlier request that this saboteur takes for the same.
    pub(super) fn cached(&self, head: &Head, body: &[u8]) -> Option<Vec<u8>> {
        let key = self.key(head, body)?;
        self.state().answers.get(&key).cloned().filter(|answer| self.keeps(answer))
    }

    /// Keeps bytes of an answer that went to the client.
    pub(super) fn keep(&self, nonce: &str, bytes: &[u8]) {
        let Some(key) = self.original(nonce).and_then(|(head, body)| self.key(&head, &body)) else { return };
        let mut state = self.state();
        let answer = state.answers.entry(key).or_default();
        // A new head: the answer to a later request, which was asked again.
        if bytes.starts_with(b"HTTP/1.") {
            answer.clear();
        }
        answer.extend_from_slice(bytes);
    }

    /// By what requests are told apart; those of nobody are not kept.
    fn key(&self, head: &Head, body: &[u8]) -> Option<String> {
        let user = head.get("authorization")?;
        let mut body: Value = serde_json::from_slice(body).ok()?;
        match self.saboteur {
            Saboteur::AnswerCached => Some(body.to_string()),
            Saboteur::FailureCached => Some(format!("{user} {body}")),
            Saboteur::StreamFlagNotCached => {
                body.as_object_mut()?.shift_remove("stream");
                Some(format!("{user} {body}"))
            }
            _ => None,
        }
    }

    fn keeps(&self, answer: &[u8]) -> bool {
        let text = String::from_utf8_lossy(answer);
        let whole = !text.contains("text/event-stream") || text.contains("[DONE]");
        (text.starts_with("HTTP/1.1 200") && whole) != (self.saboteur == Saboteur::FailureCached)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(user: &str) -> Head {
        Head { start: "POST / HTTP/1.1".to_owned(), headers: vec![("authorization".to_owned(), user.to_owned())] }
    }

    /// Whether what was answered to the first is answered to the second.
    fn replayed(saboteur: Saboteur, answer: &str, first: (&str, &str), second: (&str, &str)) -> bool {
        let context = Context::new(saboteur, String::new());
        context.sent("1", head(first.0), first.1.as_bytes().to_vec());
        answer.as_bytes().chunks(9).for_each(|piece| context.keep("1", piece));
        context.cached(&head(second.0), second.1.as_bytes()).is_some()
    }

    #[test]
    fn each_cache_forgets_one_thing() {
        const GOOD: &str = "HTTP/1.1 200 OK\r\n\r\n{}";
        const BROKEN: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {}\n\n";
        let (body, stream) = (r#"{"model":"m"}"#, r#"{"model":"m","stream":true}"#);
        let (answer, failure, framing) =
            (Saboteur::AnswerCached, Saboteur::FailureCached, Saboteur::StreamFlagNotCached);
        assert!(replayed(answer, GOOD, ("a", body), ("b", body)));
        assert!(!replayed(answer, GOOD, ("a", body), ("a", stream)));
        assert!(!replayed(answer, BROKEN, ("a", body), ("a", body)));
        assert!(!replayed(failure, BROKEN, ("a", body), ("b", body)));
        assert!(replayed(failure, BROKEN, ("a", body), ("a", body)));
        assert!(!replayed(failure, GOOD, ("a", body), ("a", body)));
        assert!(replayed(framing, GOOD, ("a", body), ("a", stream)));
        assert!(!replayed(framing, GOOD, ("a", body), ("b", stream)));
        assert!(!replayed(Saboteur::LogLost, GOOD, ("a", body), ("a", body)));
    }
}
