//! Recording a real provider: a proxy that writes down what it relays, as a mock configuration that answers the same.
//!
//! Owns the port that clients are pointed at and what becomes of each exchange. Refuses to write credentials: whatever
//! [`crate::credentials`] knows is taken out of requests and answers before anything else looks at them, and an exchange
//! in which one would be left is relayed and not recorded.

mod answer;
mod asked;
mod events;
mod proxy;
mod recording;
mod step;
mod upstream;
mod yaml;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

use crate::credentials::{redact_all, secrets};
use crate::listener;
use crate::request::Head;
use crate::script::How;
use answer::Answer;
use asked::Asked;
use recording::{NotKept, Recording};
pub use upstream::Upstream;

/// So many notices wait for whoever reads them; more are dropped.
const NOTICES: usize = 1024;

/// Whether a recording has the times of what was recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Timing {
    /// To a millisecond.
    #[default]
    Exact,
    /// Everything is answered at once.
    None,
}

/// What becomes of a file that is there already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and nothing is recorded.
    #[default]
    Refuse,
    /// It is a recording, and goes on.
    Append,
    /// It gives way.
    Replace,
}

/// What is recorded, and where.
#[derive(Debug)]
pub struct RecordOptions {
    /// The provider.
    pub upstream: Upstream,
    /// Where clients connect; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The file that is written.
    pub out: PathBuf,
    /// What becomes of an older file there.
    pub existing: Existing,
    /// Whether times are recorded.
    pub timing: Timing,
}

/// Why nothing can be recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The provider's URL.
    #[error("--upstream: {0}; try https://api.openai.com")]
    Upstream(&'static str),
    /// The authorities for TLS.
    #[error("--upstream-ca: there is no certificate in the file; it must be PEM")]
    Ca,
    /// The file is there.
    #[error("{} is there already: --append goes on with it, --force replaces it", .0.display())]
    Exists(PathBuf),
    /// The file is no recording.
    #[error("cannot append to {}: {reason}", .path.display())]
    NotARecording {
        /// Which.
        path: PathBuf,
        /// What it lacks.
        reason: String,
    },
    /// The file cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write {}: {source}", .path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The port.
    #[error("cannot listen on {addr}: {source}")]
    Listen {
        /// Where.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// What became of an exchange; nothing secret is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// It is in the file.
    Recorded {
        /// Under the rule of that name.
        rule: String,
        /// What was answered; none where the connection ended before.
        status: Option<u16>,
    },
    /// It is not.
    Passed {
        /// Method and path.
        request: String,
        /// Why.
        reason: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::Recorded { rule, status: Some(status) } => write!(f, "recorded {rule} status={status}"),
            Notice::Recorded { rule, status: None } => write!(f, "recorded {rule} without an answer"),
            Notice::Passed { request, reason } => write!(f, "not recorded: {request}: {reason}"),
        }
    }
}

/// A proxy that records; dropping it closes the port and all connections.
#[derive(Debug)]
pub struct Recorder {
    addr: SocketAddr,
    notices: mpsc::Receiver<Notice>,
    task: JoinHandle<()>,
}

impl Recorder {
    /// Begins the file, and listens.
    ///
    /// # Errors
    /// When the file is there and must not be touched, cannot be written, or the port is taken.
    pub async fn start(options: RecordOptions) -> Result<Self, RecordError> {
        let RecordOptions { upstream, listen, out, existing, timing } = options;
        let failed = |source| RecordError::Listen { addr: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        let title = format!("Recorded from {} by `windtunnel mock record`.", upstream.url());
        let recording = Arc::new(Mutex::new(Recording::open(&out, existing, title, listen)?));
        let (sender, notices) = mpsc::channel(NOTICES);
        let desk = Arc::new(Desk { upstream, timing, recording, notices: sender });
        Ok(Self { addr, notices, task: tokio::spawn(accept(listener, desk)) })
    }

    /// Where clients connect.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What became of the next exchange; the file says the same by then.
    pub async fn next(&mut self) -> Option<Notice> {
        self.notices.recv().await
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, desk: Arc<Desk>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            (tcp, _) = listener::accept(&listener) => {
                connections.spawn(proxy::serve(tcp, desk.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// A request and what came of it.
struct Exchange {
    head: Head,
    body: Bytes,
    answer: Option<Answer>,
    /// Something came back, HTTP or not.
    begun: bool,
    broken: Option<How>,
}

/// What the connections share.
struct Desk {
    upstream: Upstream,
    timing: Timing,
    recording: Arc<Mutex<Recording>>,
    notices: mpsc::Sender<Notice>,
}

impl Desk {
    /// Writes an exchange down, and says what became of it.
    async fn keep(&self, exchange: Exchange) {
        let (recording, timing) = (self.recording.clone(), self.timing);
        let kept = tokio::task::spawn_blocking(move || exchange.keep(&recording, timing));
        // It is only lost with the runtime, and then nobody listens.
        if let Ok(notice) = kept.await {
            self.say(notice);
        }
    }

    fn unreachable(&self, head: &Head, error: &io::Error) {
        self.say(passed(head, format!("the provider cannot be reached: {}", proxy::reason(error))));
    }

    fn left(&self, head: &Head) {
        self.say(passed(head, "the client left before the end".to_owned()));
    }

    fn say(&self, notice: Notice) {
        // Whoever does not read notices does not miss them.
        let _ = self.notices.try_send(notice);
    }
}

fn passed(head: &Head, reason: String) -> Notice {
    let path = redact_all(head.path(), &secrets(&head.lines)).into_owned();
    Notice::Passed { request: format!("{} {path}", head.method()), reason }
}

impl Exchange {
    fn keep(&self, recording: &Mutex<Recording>, timing: Timing) -> Notice {
        let secrets = secrets(&self.head.lines);
        let status = self.answer.as_ref().map(|answer| answer.status);
        let step = match (&self.answer, self.broken) {
            (Some(answer), broken) => step::of(answer, broken, &secrets, timing),
            (None, Some(how)) if !self.begun => Ok(step::nothing(how)),
            (None, _) => Err("the answer is no HTTP/1.1"),
        };
        let step = match step {
            Ok(step) => step,
            Err(reason) => return passed(&self.head, reason.to_owned()),
        };
        let asked = Asked::of(&self.head, &self.body, &secrets);
        let mut recording = recording.lock().unwrap_or_else(PoisonError::into_inner);
        match recording.keep(asked, step) {
            Ok(rule) => Notice::Recorded { rule, status },
            Err(error @ (NotKept::Full | NotKept::Unreadable(_) | NotKept::Write { .. })) => {
                passed(&self.head, error.to_string())
            }
        }
    }
}
