//! Base URLs: what users paste from a client's settings, read strictly. Owns their syntax and nothing of the network.

use std::fmt;

/// `http(s)://host[:port][/path]`, with the path that stands before `/chat/completions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// Whether it is https.
    pub tls: bool,
    /// The host; an IPv6 address without its brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// `/v1`, or what else was given; never a slash at its end.
    pub path: String,
}

/// Why a text is no base URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{url}` is no base URL: {why}; write it as a client's `base_url`, such as http://127.0.0.1:8090/v1")]
pub struct BaseError {
    url: String,
    why: &'static str,
}

impl Base {
    /// Reads one; without a path it is `/v1`.
    pub fn parse(url: &str) -> Result<Base, BaseError> {
        let wrong = |why| BaseError { url: hidden(url), why };
        let (tls, rest) = match url.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            _ => return Err(wrong("it does not start with http:// or https://")),
        };
        if rest.contains(['?', '#']) {
            return Err(wrong("a query or a fragment has no place in it"));
        }
        if rest.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(wrong("it has blanks in it"));
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(wrong("credentials go into --api-key-env or --header"));
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => rest.split_once(']').ok_or_else(|| wrong("the `[` of its address is not closed"))?,
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        if host.is_empty() {
            return Err(wrong("it names no host"));
        }
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or_else(|| wrong("its port is no port"))?,
            None if port.is_empty() => {
                if tls {
                    443
                } else {
                    80
                }
            }
            None => return Err(wrong("its port is no port")),
        };
        let path = path.trim_end_matches('/').trim_end_matches(super::super::facts::CHAT);
        let path = if path.is_empty() { "/v1" } else { path };
        Ok(Base { tls, host: host.to_owned(), port, path: path.to_owned() })
    }

    /// Host and port as the `host` header has them.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let usual = if self.tls { 443 } else { 80 };
        if self.port == usual { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", if self.tls { "https" } else { "http" }, self.authority(), self.path)
    }
}

/// The URL without what may be a password in it.
fn hidden(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(start), Some(end)) if start < end => format!("{}***{}", &url[..start + 3], &url[end..]),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_read_as_clients_write_it() {
        for (url, same) in [
            ("http://127.0.0.1:8090", "http://127.0.0.1:8090/v1"),
            ("http://127.0.0.1:8090/v1/", "http://127.0.0.1:8090/v1"),
            ("http://h/v1/chat/completions", "http://h/v1"),
            ("https://h:443/openai/v1", "https://h/openai/v1"),
            ("http://[::1]:80/v1", "http://[::1]/v1"),
        ] {
            assert_eq!(Base::parse(url).expect("a base URL").to_string(), same, "{url}");
        }
    }

    #[test]
    fn what_is_no_base_url_is_refused_and_shows_no_password() {
        for url in [
            "127.0.0.1:8090",
            "http://",
            "http://h:x/v1",
            "http://h:0",
            "http://[::1/v1",
            "http://h/v1?a=b",
            "http://a b",
        ] {
            assert!(Base::parse(url).is_err(), "{url}");
        }
        let error = Base::parse("http://user:secret@h/v1").expect_err("has credentials").to_string();
        assert!(error.contains("--api-key-env") && !error.contains("secret"), "{error}");
    }
}
