//! What is sent: requests as data, equal when they would be the same on the wire, so that checks share answers.
//! Owns the ways of sending and what a request may cost. Refuses addresses and keys, which are `backend`'s.

use serde_json::Value;

/// Whose credentials a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Key {
    /// Those that were configured, if any.
    #[default]
    Own,
    /// None at all.
    None,
    /// A key that nobody has.
    Wrong,
}

/// A key that nobody has.
pub const WRONG_KEY: &str = "windtunnel-wrong-key-4d6f636b";

/// What stands for the number of a request in bursts.
pub const NUMBER: &str = "{number}";

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Request {
    /// The method.
    pub method: &'static str,
    /// Behind the base URL, from its slash on.
    pub path: String,
    /// Behind the server's name instead.
    pub root: bool,
    /// Whose key.
    pub key: Key,
    /// What the body is said to be.
    pub content_type: &'static str,
    /// The body; none for GET.
    pub body: Option<String>,
    /// The most tokens that may be answered.
    pub output: u64,
}

impl Request {
    /// A GET.
    pub fn get(path: impl Into<String>) -> Request {
        Request {
            method: "GET",
            path: path.into(),
            root: false,
            key: Key::Own,
            content_type: "application/json",
            body: None,
            output: 0,
        }
    }

    /// A POST of JSON. What it may cost is read from its limits; without one it costs nothing, as what is refused does.
    pub fn post(path: &str, body: &Value) -> Request {
        const LIMITS: [&str; 3] = ["max_tokens", "max_completion_tokens", "max_output_tokens"];
        let limit = LIMITS.iter().find_map(|name| body[*name].as_u64()).unwrap_or(0);
        let output = limit * body["n"].as_u64().unwrap_or(1);
        Request { method: "POST", body: Some(body.to_string()), output, ..Request::get(path) }
    }

    /// With this text as its body, which need not be JSON.
    pub fn text(path: &str, body: &str) -> Request {
        Request { method: "POST", body: Some(body.to_owned()), ..Request::get(path) }
    }

    /// With other credentials.
    pub fn keyed(self, key: Key) -> Request {
        Request { key, ..self }
    }

    /// Said to be of this type.
    pub fn typed(self, content_type: &'static str) -> Request {
        Request { content_type, ..self }
    }

    /// What it asks at most, in tokens: a quarter of its bytes, and all that may be answered.
    pub fn tokens(&self) -> u64 {
        let body = self.body.as_deref().unwrap_or_default();
        // Long runs of one character are few tokens.
        let dense = body.split("                ").map(str::len).sum::<usize>();
        (dense / 4) as u64 + self.output
    }

    /// Whether a stream is asked for.
    pub fn streams(&self) -> bool {
        self.body.as_ref().is_some_and(|body| body.contains("\"stream\":true"))
    }

    /// With its place in a burst written into it.
    pub fn numbered(&self, number: usize) -> Request {
        let body = self.body.as_ref().map(|body| body.replace(NUMBER, &number.to_string()));
        Request { body, ..self.clone() }
    }
}

/// How requests are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// By itself, beside others.
    Alone,
    /// By itself, after all others, for it may be too much for the backend; then a plain chat, to see whether it was.
    Last,
    /// Twice on one connection.
    Twice,
    /// So many times, and left after so many events; then a plain one, to see whether anybody is there.
    Left {
        /// How many are left.
        times: usize,
        /// After how many events.
        events: usize,
    },
    /// So many at once, numbered.
    Together(usize),
    /// One after another until the backend says that it is enough, at most so many.
    Until429(usize),
    /// Over HTTP/2.
    Http2,
}

/// One thing that a check asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ask {
    /// What is sent.
    pub request: Request,
    /// How.
    pub way: Way,
}

impl Ask {
    /// How many requests it is each time that it is sent.
    pub fn sends(&self) -> usize {
        match self.way {
            Way::Alone | Way::Last | Way::Http2 => 1,
            Way::Twice => 2,
            Way::Left { times, .. } => times + 1,
            Way::Together(count) | Way::Until429(count) => count,
        }
    }

    /// How many requests it is in all, with the look at what is left of the backend behind it.
    pub fn requests(&self) -> usize {
        self.sends() + usize::from(self.way == Way::Last)
    }

    /// What it asks at most, in tokens.
    pub fn tokens(&self) -> u64 {
        self.request.tokens() * self.sends() as u64
    }
}

impl From<Request> for Ask {
    fn from(request: Request) -> Ask {
        Ask { request, way: Way::Alone }
    }
}
