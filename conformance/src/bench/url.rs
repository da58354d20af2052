//! Addresses of targets, and the bytes that are sent there.

use std::net::{SocketAddr, ToSocketAddrs};

/// Where requests go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// As it was given, without a user and password.
    pub text: String,
    /// Where it leads.
    pub address: SocketAddr,
    host: String,
    path: String,
}

/// What requests have besides prompt and path.
#[derive(Clone, Default)]
pub struct Manner {
    /// The model's name.
    pub model: String,
    /// `NAME: VALUE`, among them the key; never shown.
    pub headers: Vec<String>,
}

impl Url {
    /// Reads `http://HOST[:PORT][/PATH]`; a path that is no completions' gets `/v1/chat/completions`.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.contains(['@', '?', '#', ' ']) {
            // not the text itself: it may hold a password or a key
            return Err(
                "an address has no user, query or fragment; write http://HOST:PORT/PATH, and keys with --api-key-env"
                    .to_owned(),
            );
        }
        let Some(rest) = text.strip_prefix("http://") else {
            return Err(match text.starts_with("https://") {
                true => format!("`{text}`: TLS is not measured; give an address that speaks plain HTTP"),
                false => format!("`{text}` is no address; write http://HOST:PORT"),
            });
        };
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if host.is_empty() {
            return Err(format!("`{text}` is no address; write http://HOST:PORT"));
        }
        let named = if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
            host.to_owned()
        } else {
            format!("{host}:80")
        };
        let found = named.to_socket_addrs().map_err(|error| format!("`{text}`: {error}"))?.next();
        let address = found.ok_or_else(|| format!("`{text}`: the name has no address"))?;
        Ok(Self { text: text.to_owned(), address, host: host.to_owned(), path: completions(path) })
    }

    /// One of our own processes.
    pub fn of(address: SocketAddr) -> Self {
        Self { text: format!("http://{address}"), address, host: address.to_string(), path: completions("") }
    }

    /// The bytes of a request with a prompt of so many bytes.
    pub fn request(&self, manner: &Manner, stream: bool, prompt: usize) -> Vec<u8> {
        let streamed = if stream { r#""stream":true,"# } else { "" };
        let model = serde_json::Value::from(manner.model.as_str());
        let prompt = words(prompt);
        let body = format!(r#"{{"model":{model},{streamed}"messages":[{{"role":"user","content":"{prompt}"}}]}}"#);
        let headers: String = manner.headers.iter().map(|header| format!("{header}\r\n")).collect();
        format!(
            "POST {} HTTP/1.1\r\nhost: {}\r\nuser-agent: windtunnel-bench\r\ncontent-type: application/json\r\n\
             accept: {}\r\n{headers}content-length: {}\r\n\r\n{body}",
            self.path,
            self.host,
            if stream { "text/event-stream" } else { "application/json" },
            body.len()
        )
        .into_bytes()
    }
}

fn completions(path: &str) -> String {
    let path = path.trim_end_matches('/');
    match path {
        _ if path.ends_with("/completions") => path.to_owned(),
        _ if path.ends_with("/v1") => format!("{path}/chat/completions"),
        _ => format!("{path}/v1/chat/completions"),
    }
}

/// A text of so many bytes, with a line end now and then, as prompts have them.
fn words(bytes: usize) -> String {
    const LINE: &str = "The wind tunnel hums while the model of a gateway stands in its stream.\\n";
    let mut text = LINE.repeat(bytes / LINE.len());
    text.push_str(&"x".repeat(bytes % LINE.len()));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_the_completions() {
        for (url, path) in [
            ("http://127.0.0.1:1", "/v1/chat/completions"),
            ("http://127.0.0.1:1/openai/", "/openai/v1/chat/completions"),
            ("http://127.0.0.1:1/v1", "/v1/chat/completions"),
            ("http://127.0.0.1:1/a/chat/completions", "/a/chat/completions"),
        ] {
            assert_eq!(Url::parse(url).unwrap().path, path, "{url}");
        }
        assert_eq!(Url::parse("http://127.0.0.1").unwrap().address.port(), 80);
        assert_eq!(Url::parse("http://[::1]:7").unwrap().address.port(), 7);
    }

    #[test]
    fn what_is_no_address_says_what_to_write() {
        for (url, part) in [
            ("https://127.0.0.1", "TLS is not measured"),
            ("127.0.0.1:80", "write http://"),
            ("http://", "write http://"),
            ("http://u:p@127.0.0.1", "--api-key-env"),
            ("http://127.0.0.1/v1?api-key=sk-1", "no user, query or fragment"),
        ] {
            let error = Url::parse(url).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_request_has_its_length_and_its_prompt() {
        let manner = Manner { model: "m\"1".into(), headers: vec!["authorization: Bearer k".into()] };
        let bytes = Url::parse("http://127.0.0.1:1").unwrap().request(&manner, true, 10_000);
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("\r\ncontent-length: {}", body.len())), "{head}");
        assert!(
            head.contains("\r\nauthorization: Bearer k\r\n")
                && head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n")
        );
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!((&body["model"], &body["stream"]), (&"m\"1".into(), &true.into()));
        // Each line end is two bytes on the wire.
        let prompt = body["messages"][0]["content"].as_str().unwrap();
        assert_eq!(prompt.len() + prompt.matches('\n').count(), 10_000);
    }
}
