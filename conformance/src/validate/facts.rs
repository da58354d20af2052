//! What is known of a backend before it is checked, and the requests that checks have in common.
//! Owns the prompts. Refuses to judge: a prompt is short, its answer shorter, and no check rests on a clever model.

use serde_json::{Map, Value, json};

use super::ask::{Ask, Key, Request, Way};

/// The path of chat completions.
pub const CHAT: &str = "/chat/completions";

/// What checks are made from.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The chat model.
    pub model: String,
    /// A model that nobody has, and that says so: mocks which take any other name refuse it.
    pub missing: String,
    /// The embeddings model, if one is known.
    pub embeddings_model: Option<String>,
    /// Whether a key is configured.
    pub key: bool,
    /// What limits an answer: `max_tokens`, or `max_completion_tokens` where that is refused.
    pub limit: &'static str,
    /// Whether `temperature: 0` is taken.
    pub temperature: bool,
    /// The model's context window in tokens, if it is known.
    pub context_window: Option<u64>,
    /// How many requests may be sent to see a 429.
    pub burst: Option<usize>,
}

/// What the plain answers may have.
const SHORT: u64 = 24;

impl Facts {
    /// A chat of one user message.
    pub fn chat(&self, text: &str, more: Value) -> Request {
        self.chat_of(json!([{"role": "user", "content": text}]), more)
    }

    /// A chat of these messages; a null in `more` takes a member out.
    pub fn chat_of(&self, messages: Value, more: Value) -> Request {
        let mut body = Map::new();
        body.insert("model".to_owned(), self.model.clone().into());
        body.insert("messages".to_owned(), messages);
        body.insert(self.limit.to_owned(), SHORT.into());
        if self.temperature {
            body.insert("temperature".to_owned(), 0.into());
        }
        merge(&mut body, more);
        Request::post(CHAT, &body.into())
    }

    /// The chat that most checks look at.
    pub fn plain(&self) -> Request {
        self.chat("Say hello in five words.", json!({}))
    }

    /// The same, streamed.
    pub fn stream(&self) -> Request {
        self.chat("Say hello in five words.", json!({"stream": true}))
    }

    /// The same, with usage at the end.
    pub fn stream_with_usage(&self) -> Request {
        self.chat("Say hello in five words.", json!({"stream": true, "stream_options": {"include_usage": true}}))
    }

    /// The list of models.
    pub fn models(&self) -> Request {
        Request::get("/models")
    }

    /// A model that nobody has.
    pub fn unknown_model(&self) -> Request {
        self.chat("Hello.", json!({"model": self.missing}))
    }

    /// A chat with a key that nobody has.
    pub fn wrong_key(&self) -> Request {
        self.plain().keyed(Key::Wrong)
    }

    /// One more token than the model takes, and half as many again.
    pub fn too_long(&self, more: Value) -> Result<Ask, String> {
        const MOST: u64 = 400_000;
        let window = self.context_window.ok_or("the context window is not known; tell it with --context-window")?;
        if window > MOST {
            return Err(format!("a context window of {window} tokens would cost too much to exceed"));
        }
        let words = usize::try_from(window + window / 2 + 16).unwrap_or(usize::MAX);
        let mut request = self.chat(&"a ".repeat(words), more);
        // What is refused costs nothing; what is not, costs no more than the window.
        request.output += window;
        Ok(by(Way::Last, request))
    }

    /// An embeddings request.
    pub fn embeddings(&self, input: Value, more: Value) -> Result<Request, String> {
        let model = self
            .embeddings_model
            .as_ref()
            .ok_or("no model in /models looks like one for embeddings; name one with --embeddings-model")?;
        let mut body = Map::from_iter([("model".to_owned(), model.as_str().into()), ("input".to_owned(), input)]);
        merge(&mut body, more);
        Ok(Request::post("/embeddings", &body.into()))
    }

    /// A request of a path whose body names the model.
    pub fn post(&self, path: &str, more: Value) -> Request {
        let mut body = Map::from_iter([("model".to_owned(), self.model.as_str().into())]);
        merge(&mut body, more);
        Request::post(path, &body.into())
    }
}

/// Sends a request in another way.
pub fn by(way: Way, request: Request) -> Ask {
    Ask { request, way }
}

fn merge(body: &mut Map<String, Value>, more: Value) {
    let Value::Object(more) = more else { return };
    for (name, value) in more {
        if value.is_null() {
            body.remove(&name);
        } else {
            body.insert(name, value);
        }
    }
}
