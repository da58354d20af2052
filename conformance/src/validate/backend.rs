//! Where a backend is and how it is spoken to: base URL, TLS, key, and one bounded exchange at a time.
//! Follows no redirects and decodes no content codings: what a plain client would get is what is judged.

mod base;
mod http2;
mod tls;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::answer::{Answer, most};
use super::ask::{Ask, Key, Request, WRONG_KEY, Way};
use crate::client::{self, Call, End, Exchange, Leave, Pace};

pub use base::{Base, BaseError};
pub use tls::{TLS, Tls, TlsError};

/// A connection of either kind.
trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// A backend that can be asked.
pub struct Backend {
    base: Base,
    /// Tried in turn: `localhost` is often two.
    addresses: Vec<SocketAddr>,
    tls: Option<Tls>,
    key: Option<String>,
    headers: Vec<(String, String)>,
    timeout: Duration,
    origin: Instant,
    sent: AtomicUsize,
}

impl std::fmt::Debug for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Backend({} at {:?})", self.base, self.addresses)
    }
}

/// What it takes to ask a backend.
#[derive(Clone, Default)]
pub struct Access {
    /// The key, sent as a bearer token.
    pub key: Option<String>,
    /// More headers for each request.
    pub headers: Vec<(String, String)>,
    /// PEM roots trusted beside the public ones.
    pub roots: Option<Vec<u8>>,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Access")
    }
}

/// Why a backend cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// Its name leads nowhere.
    #[error("cannot find {host}: {source}")]
    Name {
        /// The host.
        host: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Its certificates cannot be checked.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Keeps the longest time for which this program did not get to run: what it read then, may have come long before.
async fn watched(lag: &mut Duration) -> Infallible {
    const OFTEN: Duration = Duration::from_millis(20);
    loop {
        let began = Instant::now();
        tokio::time::sleep(OFTEN).await;
        *lag = (*lag).max(began.elapsed().saturating_sub(OFTEN));
    }
}

impl Backend {
    /// Finds it; nothing is sent yet.
    pub async fn find(base: Base, access: &Access, timeout: Duration) -> Result<Backend, Unreachable> {
        let unknown = |source| Unreachable::Name { host: base.host.clone(), source };
        // First: what is wrong with it is the user's to mend, whether or not anybody is there.
        let tls = base.tls.then(|| Tls::new(&base.host, access.roots.as_deref())).transpose()?;
        let found = tokio::time::timeout(timeout, tokio::net::lookup_host((base.host.as_str(), base.port))).await;
        let found = found.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())).map_err(unknown)?;
        let addresses: Vec<SocketAddr> = found.collect();
        if addresses.is_empty() {
            return Err(unknown(std::io::Error::other("it has no address")));
        }
        let Access { key, headers, .. } = access.clone();
        let (origin, sent) = (Instant::now(), AtomicUsize::new(0));
        Ok(Backend { base, addresses, tls, key, headers, timeout, origin, sent })
    }

    /// How many requests were sent so far: each that had a connection to go out on.
    pub fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }

    fn counts(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    /// The base URL.
    pub fn base(&self) -> &Base {
        &self.base
    }

    /// Asks, in the way that is wanted.
    pub async fn ask(self: &Arc<Self>, ask: &Ask) -> Vec<Answer> {
        match ask.way {
            Way::Alone | Way::Last => vec![self.send(&ask.request).await],
            Way::Twice => self.twice(&ask.request).await,
            Way::Left { times, events } => self.left(&ask.request, times, events).await,
            Way::Together(count) => self.together(&ask.request, count).await,
            Way::Until429(most) => self.until_429(&ask.request, most).await,
            Way::Http2 => vec![http2::send(self, &ask.request).await],
        }
    }

    /// One request on a connection of its own.
    pub async fn send(&self, request: &Request) -> Answer {
        self.exchange(request, Leave::AfterBytes(most(request) + 1)).await
    }

    async fn exchange(&self, request: &Request, leave: Leave) -> Answer {
        let (began, mut call) = (Instant::now(), self.call(request, leave, true));
        let mut stream = match self.connect(&[]).await {
            Ok(stream) => stream,
            Err(why) => return Answer::of(request.clone(), self.nothing(call, why)),
        };
        self.counts();
        call.deadline = self.timeout.saturating_sub(began.elapsed());
        let mut lag = Duration::ZERO;
        let exchange = tokio::select! {
            biased;
            never = watched(&mut lag) => match never {},
            exchange = client::send_over(call, &mut stream, self.origin) => exchange,
        };
        let mut answer = Answer::of(request.clone(), exchange);
        answer.lag = lag;
        answer
    }

    async fn twice(&self, request: &Request) -> Vec<Answer> {
        let call = || self.call(request, Leave::AfterBytes(most(request) + 1), false);
        let mut answers = Vec::new();
        match self.connect(&[]).await {
            Err(why) => answers.push(Answer::of(request.clone(), self.nothing(call(), why))),
            Ok(mut stream) => {
                for _ in 0..2 {
                    self.counts();
                    let exchange = client::send_over(call(), &mut stream, self.origin).await;
                    answers.push(Answer::of(request.clone(), exchange));
                }
            }
        }
        answers
    }

    async fn left(&self, request: &Request, times: usize, events: usize) -> Vec<Answer> {
        let mut answers = Vec::new();
        for _ in 0..times {
            answers.push(self.exchange(request, Leave::AfterEvents(events)).await);
        }
        answers.push(self.send(request).await);
        answers
    }

    async fn together(self: &Arc<Self>, request: &Request, count: usize) -> Vec<Answer> {
        let mut all = JoinSet::new();
        for number in 0..count {
            let (backend, request) = (Arc::clone(self), request.numbered(number));
            all.spawn(async move { (number, backend.send(&request).await) });
        }
        let mut answers = all.join_all().await;
        answers.sort_by_key(|(number, _)| *number);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    async fn until_429(&self, request: &Request, most: usize) -> Vec<Answer> {
        let mut answers = Vec::new();
        while answers.len() < most {
            let answer = self.send(request).await;
            let ended = answer.status() == Some(429) || answer.trouble().is_some();
            answers.push(answer);
            if ended {
                break;
            }
        }
        answers
    }

    async fn connect(&self, alpn: &[&[u8]]) -> Result<Box<dyn Io>, String> {
        let connected = async {
            let stream = TcpStream::connect(self.addresses.as_slice()).await.map_err(|error| error.to_string())?;
            let _ = stream.set_nodelay(true);
            match &self.tls {
                None => Ok(Box::new(stream) as Box<dyn Io>),
                Some(tls) => tls.over(stream, alpn).await.map(|stream| Box::new(stream) as Box<dyn Io>),
            }
        };
        let timed_out = || format!("no connection within {}", super::answer::seconds(self.timeout));
        tokio::time::timeout(self.timeout, connected).await.unwrap_or_else(|_| Err(timed_out()))
    }

    /// The headers of a request, in order; names in small letters.
    fn fields(&self, request: &Request) -> Vec<(String, String)> {
        let mut fields =
            vec![("accept".to_owned(), "*/*".to_owned()), ("user-agent".to_owned(), "windtunnel".to_owned())];
        let key = match request.key {
            Key::Own => self.key.as_deref(),
            Key::None => None,
            Key::Wrong => Some(WRONG_KEY),
        };
        fields.extend(key.map(|key| ("authorization".to_owned(), format!("Bearer {key}"))));
        let keyless = request.key != Key::Own;
        let secret = |name: &str| mock_providers::credentials::is_credential_header(name);
        fields.extend(self.headers.iter().filter(|(name, _)| !(keyless && secret(name))).cloned());
        if request.body.is_some() {
            fields.push(("content-type".to_owned(), request.content_type.to_owned()));
        }
        fields
    }

    fn call(&self, request: &Request, leave: Leave, close: bool) -> Call {
        let body = Bytes::from(request.body.clone().unwrap_or_default());
        let below = if request.root { "" } else { &self.base.path };
        let mut head =
            format!("{} {below}{} HTTP/1.1\r\nhost: {}\r\n", request.method, request.path, self.base.authority());
        for (name, value) in self.fields(request) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if request.body.is_some() {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        head.push_str(if close { "connection: close\r\n\r\n" } else { "\r\n" });
        Call {
            address: self.addresses[0],
            method: request.method.to_owned(),
            wire: [head.as_bytes(), &body].concat().into(),
            body,
            nonce: String::new(),
            leave,
            pace: Pace::default(),
            deadline: self.timeout,
            http2: None,
        }
    }

    /// What is seen where there is no connection.
    fn nothing(&self, call: Call, why: String) -> Exchange {
        let now = self.origin.elapsed();
        Exchange {
            call,
            sent_at: now,
            head: None,
            head_at: None,
            body: Vec::new(),
            reads: Vec::new(),
            extra: Vec::new(),
            goaway: None,
            end: End::NotConnected(why),
            ended_at: now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_does_not_get_to_run_knows_for_how_long() {
        let away = Duration::from_millis(120);
        let mut lag = Duration::ZERO;
        let busy = async {
            tokio::task::yield_now().await;
            let began = Instant::now();
            while began.elapsed() < away {
                std::hint::spin_loop();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        tokio::select! {
            biased;
            never = watched(&mut lag) => match never {},
            () = busy => {}
        }
        assert!(lag >= away - Duration::from_millis(20), "{lag:?}");
    }
}
