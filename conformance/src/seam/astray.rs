//! Where requests go when a saboteur sends them astray, and what is sent to providers beside what the gateway asked.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Forward;
use super::context::{Context, Hop};
use crate::saboteur::Saboteur;
use crate::wire::Head;

/// What follows an answer's head.
pub(super) enum Next {
    /// The answer is passed on.
    Relay,
    /// So, after the request was sent so many times more.
    Again(usize),
    /// It is thrown away and the request sent here.
    Elsewhere(SocketAddr),
}

impl Context {
    /// Where this request goes.
    pub(super) fn chosen(&self, hop: Hop, attempt: u32, body: &[u8], original: Option<&(Head, Vec<u8>)>) -> SocketAddr {
        let Hop::Provider(index) = hop else { return self.address(hop) };
        let steered = match self.saboteur {
            Saboteur::OverrideHeaderObeyed => original.and_then(|(head, _)| named_by_headers(head)),
            Saboteur::ModelAsAddress => named_by_model(body),
            _ => None,
        };
        if let Some(address) = steered {
            return address;
        }
        let mut state = self.state();
        let index = match self.saboteur {
            Saboteur::RouteIgnored => {
                state.turn += 1;
                (state.turn - 1 + index) % state.providers.len()
            }
            Saboteur::StuckOnFirst => *state.first.get_or_insert(index),
            Saboteur::EvictedStillUsed if attempt == 1 => state.failed.unwrap_or(index),
            _ => index,
        };
        state.providers[index]
    }

    /// Another provider than this one; the same when there is no other.
    pub(super) fn other(&self, index: usize) -> SocketAddr {
        let state = self.state();
        state.providers[(index + 1) % state.providers.len()]
    }

    /// What a provider's answer leads to.
    pub(super) fn next(&self, index: usize, head: &Head) -> Next {
        let status = head.status().unwrap_or(0);
        let failed = status >= 500 || status == 429;
        if failed {
            self.state().failed = Some(index);
        }
        match self.saboteur {
            Saboteur::RetryStorm if status >= 500 => Next::Again(2),
            Saboteur::RetryAfterIgnored if failed && head.get("retry-after").is_some() => Next::Again(1),
            Saboteur::ClientErrorRetried if status / 100 == 4 && !matches!(status, 408 | 429) => {
                Next::Elsewhere(self.other(index))
            }
            Saboteur::RedirectFollowedUpstream if status / 100 == 3 => {
                head.get("location").and_then(address_in).map_or(Next::Relay, Next::Elsewhere)
            }
            _ => Next::Relay,
        }
    }
}

/// Sends a request and waits, not for ever, until its answer begins.
pub(super) async fn send_and_forget(forward: &Forward, address: SocketAddr) {
    let sent = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(&forward.bytes).await?;
        // An answer has begun: the provider has had the request.
        stream.read_u8().await
    };
    let _ = tokio::time::timeout(Duration::from_millis(500), sent).await;
}

/// An address in one of the headers by which gateways have been steered, or in an absolute target.
fn named_by_headers(head: &Head) -> Option<SocketAddr> {
    let steering = |name: &str| {
        let name = name.to_ascii_lowercase();
        name == "forwarded" || (name.starts_with("x-") && name != super::NONCE)
    };
    let target = head.request_line().map(|(_, target)| target).filter(|target| target.contains("://"));
    let values = head.headers.iter().filter(|(name, _)| steering(name)).map(|(_, value)| value.as_str());
    values.chain(target).find_map(address_in)
}

fn named_by_model(body: &[u8]) -> Option<SocketAddr> {
    let body: Value = serde_json::from_slice(body).ok()?;
    address_in(body["model"].as_str()?)
}

/// The first `HOST:PORT` in a text whose host is a number, or this machine.
fn address_in(text: &str) -> Option<SocketAddr> {
    let text = text.replace("localhost", "127.0.0.1");
    text.split(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':')).find_map(|part| part.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_wherever_they_are_written() {
        let address: SocketAddr = "127.0.0.1:81".parse().expect("an address");
        for text in ["127.0.0.1:81", "http://127.0.0.1:81/v1", "for=1.2.3.4;host=\"127.0.0.1:81\"", "m#@localhost:81"] {
            assert_eq!(address_in(text), Some(address), "{text}");
        }
        assert_eq!(address_in("gpt-4.1-mini"), None);
    }
}
