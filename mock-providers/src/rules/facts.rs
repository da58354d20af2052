//! What a request says, whichever API it speaks: chat, completions, responses or Anthropic's messages.
//!
//! Owns taking bodies apart, at most once for each request and only as far as a rule asks. Refuses to judge them.

use std::borrow::Cow;
use std::cell::OnceCell;

use serde_json::Value;

use super::conversation::{Message, Role, message};
use crate::credentials;
use crate::digest::hash;
use crate::request::{Request, text_of};
use crate::script::Dialect;

/// The label that a caller may give to its requests.
const SESSION: &str = "x-mock-session";

/// A request, with what was found out about it.
pub(crate) struct Facts<'r> {
    pub(super) request: &'r Request<'r>,
    conversation: OnceCell<Vec<Message<'r>>>,
}

impl<'r> Facts<'r> {
    pub(crate) fn new(request: &'r Request<'r>) -> Self {
        Self { request, conversation: OnceCell::new() }
    }

    pub(crate) fn session(&self) -> Option<&'r str> {
        self.request.head.header(SESSION)
    }

    /// The credential that the request presents, in the way of its dialect.
    pub(super) fn key(&self, dialect: Dialect) -> Option<&'r str> {
        let head = self.request.head;
        credentials::presented(dialect.of_key(head), &head.lines)
    }

    /// The first parameter of that name.
    pub(super) fn parameter(&self, name: &str) -> Option<Cow<'r, str>> {
        query(self.request.head.query()?).find(|(known, _)| known == name).map(|(_, value)| value)
    }

    fn conversation(&self) -> &[Message<'r>] {
        self.conversation.get_or_init(|| {
            let items = ["messages", "input", "prompt"].iter().find_map(|name| self.request.field(name));
            match items {
                Some(Value::Array(items)) => items.iter().filter_map(message).collect(),
                Some(alone) => message(alone).into_iter().collect(),
                None => Vec::new(),
            }
        })
    }

    /// What came since the user last spoke: all but a message that only brings results of tools is speaking.
    fn current_turn(&self) -> &[Message<'r>] {
        let all = self.conversation();
        let spoke = all.iter().rposition(|message| message.role == Role::User && message.results.is_empty());
        &all[spoke.map_or(0, |at| at + 1)..]
    }

    /// The texts of all messages.
    pub(super) fn messages(&self) -> impl Iterator<Item = &str> {
        self.conversation().iter().map(|message| message.text.as_str())
    }

    /// The text of the last message in which the user speaks.
    pub(crate) fn last_user(&self) -> Option<&str> {
        let users = self.conversation().iter().rev().filter(|message| message.role == Role::User);
        users.into_iter().find(|user| user.results.is_empty() || !user.text.is_empty()).map(|user| user.text.as_str())
    }

    /// Everything that instructs the model, where there is anything.
    pub(super) fn system(&self) -> Option<String> {
        let fields = ["system", "instructions"].iter().filter_map(|name| self.request.field(name)).map(text_of);
        let messages = self.conversation().iter().filter(|message| message.role == Role::System);
        let parts: Vec<String> = fields.chain(messages.map(|message| message.text.clone())).collect();
        (!parts.is_empty()).then(|| parts.join("\n"))
    }

    /// The texts of `input`, as embeddings and moderations have it.
    pub(super) fn inputs(&self) -> impl Iterator<Item = &'r str> {
        let (alone, many) = match self.request.field("input") {
            Some(Value::Array(items)) => (None, items.as_slice()),
            other => (other, &[][..]),
        };
        let text = |item: &'r Value| item.as_str().or_else(|| item.get("text")?.as_str());
        alone.into_iter().chain(many).filter_map(text)
    }

    /// How often the assistant has answered: its messages, or its runs of items in the responses API.
    pub(crate) fn turn(&self) -> u64 {
        let all = self.conversation();
        let runs = self.request.field("messages").is_none();
        let answers = |index: &usize| {
            let before = index.checked_sub(1).map(|before| all[before].role);
            all[*index].role == Role::Assistant && !(runs && before == Some(Role::Assistant))
        };
        (0..all.len()).filter(answers).count() as u64
    }

    /// The ids of calls that have their results in the current turn, and the results.
    pub(crate) fn results(&self) -> impl Iterator<Item = (&'r str, &str)> {
        self.current_turn().iter().flat_map(|message| &message.results).map(|(id, text)| (*id, text.as_str()))
    }

    pub(super) fn has_image(&self) -> bool {
        self.conversation().iter().any(|message| message.image)
    }

    /// The names of the tools that the model may call.
    pub(super) fn tools(&self) -> impl Iterator<Item = &'r str> {
        let tools = self.request.field("tools").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        tools.iter().filter_map(|tool| {
            let named = tool.get("function").unwrap_or(tool).get("name").or_else(|| tool.get("type"));
            named?.as_str()
        })
    }

    /// The same for equal tools, however their members are ordered.
    pub(crate) fn tools_hash(&self) -> Option<String> {
        let tools = self.request.field("tools").filter(|tools| !tools.is_null())?;
        let mut canonical = String::new();
        canonicalise(tools, &mut canonical);
        Some(short(&canonical))
    }

    pub(crate) fn system_hash(&self) -> Option<String> {
        self.system().map(|system| short(&system))
    }

    /// The type of the format that the answer must have.
    pub(super) fn response_format(&self) -> Option<&'r str> {
        let format = self.request.field("response_format").or_else(|| self.request.field("text")?.get("format"));
        format?.get("type")?.as_str()
    }

    pub(super) fn choices(&self) -> u64 {
        self.request.field("n").and_then(Value::as_u64).unwrap_or(1)
    }

    /// The limit of the answer, whatever this API calls it.
    pub(super) fn max_tokens(&self) -> Option<u64> {
        let names = ["max_completion_tokens", "max_tokens", "max_output_tokens"];
        names.iter().find_map(|name| self.request.field(name)?.as_u64())
    }
}

/// The parameters of a query, decoded.
pub(crate) fn query(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query.split('&').map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    })
}

fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    let (mut bytes, mut out) = (text.bytes(), Vec::with_capacity(text.len()));
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let digits = ahead.next().zip(ahead.next()).filter(|_| byte == b'%');
        let digit = |byte: u8| char::from(byte).to_digit(16);
        match digits.and_then(|(high, low)| Some(digit(high)? * 16 + digit(low)?)) {
            Some(code) => {
                out.push(code as u8);
                bytes = ahead;
            }
            None => out.push(if byte == b'+' { b' ' } else { byte }),
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

/// JSON with the members of objects by name.
pub(crate) fn canonicalise(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            for (name, value) in members {
                out.push_str(name);
                out.push(':');
                canonicalise(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            items.iter().for_each(|item| canonicalise(item, out));
            out.push(']');
        }
        other => {
            out.push_str(&other.to_string());
            out.push(',');
        }
    }
}

/// Enough of a hash to tell prompts apart, short enough to copy; the letter keeps YAML from seeing a number.
pub(crate) fn short(text: &str) -> String {
    format!("h{:011x}", hash(text.as_bytes()) >> 20)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::request::Head;

    fn with<T>(body: Value, look: impl FnOnce(&Facts<'_>) -> T) -> T {
        let head = Head::default();
        look(&Facts::new(&Request::new(&head, body.to_string().as_bytes())))
    }

    /// The same conversation in three APIs: the first turn used a tool, and in the second a result has just come.
    fn conversations(question: Option<&str>) -> [Value; 3] {
        let chat = [
            json!({"role": "user", "content": "first"}),
            json!({"role": "assistant", "tool_calls": [{"id": "c1"}]}),
            json!({"role": "tool", "tool_call_id": "c1", "content": "sunny"}),
            json!({"role": "assistant", "content": "It is sunny."}),
        ];
        let responses = [
            json!({"role": "user", "content": [{"type": "input_text", "text": "first"}]}),
            json!({"type": "reasoning"}),
            json!({"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}),
            json!({"type": "function_call_output", "call_id": "c1", "output": "sunny"}),
            json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "It is sunny."}]}),
        ];
        let anthropic = [
            json!({"role": "user", "content": "first"}),
            json!({"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "f", "input": {}}]}),
            json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "sunny"}]}),
            json!({"role": "assistant", "content": "It is sunny."}),
        ];
        let ask = |mut items: Vec<Value>, until: usize| {
            match question {
                Some(question) => items.push(json!({"role": "user", "content": question})),
                None => items.truncate(until),
            }
            items
        };
        [
            json!({"messages": ask(chat.into(), 3)}),
            json!({"input": ask(responses.into(), 4)}),
            json!({"messages": ask(anthropic.into(), 3)}),
        ]
    }

    #[test]
    fn only_the_current_turn_has_tool_results_in_every_api() {
        for body in conversations(None) {
            with(body, |facts| {
                assert_eq!(facts.results().collect::<Vec<_>>(), [("c1", "sunny")]);
                assert_eq!((facts.last_user(), facts.turn()), (Some("first"), 1));
            });
        }
        for body in conversations(Some("second")) {
            with(body, |facts| {
                assert_eq!(facts.results().count(), 0);
                assert_eq!((facts.last_user(), facts.turn()), (Some("second"), 2));
            });
        }
    }

    #[test]
    fn instructions_come_from_wherever_an_api_has_them() {
        let texts = [
            json!({"messages": [{"role": "developer", "content": "be brief"}, {"role": "user", "content": "hi"}]}),
            json!({"instructions": "be brief", "input": "hi"}),
            json!({"system": [{"type": "text", "text": "be brief"}], "messages": [{"role": "user", "content": "hi"}]}),
        ];
        let hashes = texts.map(|body| with(body, |facts| (facts.system(), facts.system_hash())));
        assert!(hashes.iter().all(|each| *each == hashes[0]) && hashes[0].0.as_deref() == Some("be brief"));
        assert_eq!(with(json!({"input": "hi"}), |facts| facts.system_hash()), None);
    }

    #[test]
    fn equal_tools_have_equal_hashes_and_other_tools_have_others() {
        let hash = |body| with(body, |facts| facts.tools_hash());
        let one = hash(json!({"tools": [{"type": "function", "function": {"name": "f", "strict": true}}]}));
        let same = hash(json!({"tools": [{"function": {"strict": true, "name": "f"}, "type": "function"}]}));
        let other = hash(json!({"tools": [{"type": "function", "function": {"name": "g", "strict": true}}]}));
        assert!(one == same && one != other && one.is_some_and(|hash| hash.len() == 12));
    }

    #[test]
    fn images_tools_and_queries_are_found_in_every_form() {
        let image = |part: Value| json!({"messages": [{"role": "user", "content": [part]}]});
        assert!(with(image(json!({"type": "image_url"})), |facts| facts.has_image()));
        assert!(with(image(json!({"type": "image"})), |facts| facts.has_image()));
        assert!(!with(image(json!({"type": "text", "text": "x"})), |facts| facts.has_image()));
        let tools = json!({"tools": [{"function": {"name": "a"}}, {"name": "b"}, {"type": "web_search"}]});
        assert_eq!(with(tools, |facts| facts.tools().map(str::to_owned).collect::<Vec<_>>()), ["a", "b", "web_search"]);
        assert_eq!((decoded("a%20b+c%zz%"), decoded("%F0%9F%99%82")), ("a b c%zz%".into(), "🙂".into()));
    }
}
