//! What is counted: a client, a proxy and a provider on one thread, over the loopback, in an order that repeats.
//! The client waits for each answer, so there is one exchange at a time. Only the gateway's telemetry has threads of its
//! own, as it has in a process of its own.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::rc::Rc;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use benches::constant::{json_answer, stream_answer};
use benches::wire::{Reader, chat_request, expect_ok};
use gateway::listen::{self, Command};
use gateway::otlp::{Exporter, Setup};
use gateway::upstream::Pool;
use gateway::worker::{Shared, Worker};
use gateway::{Options, config, telemetry, yaml};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{LocalSet, spawn_local};

/// Events with content of a stream; with the last one and the end, 66 frames.
const EVENTS: usize = 64;
/// Frames of a burst that are written at once.
const BURST: usize = 11;
/// The listener port of the manifests.
const PORT: u16 = 8080;

/// Who stands between client and provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proxy {
    /// Nobody: what client and provider cost by themselves.
    None,
    /// The floor.
    Floor,
    /// The gateway.
    Gateway,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    /// 600 bytes of JSON.
    Json,
    /// A stream that comes in six writes.
    Burst,
    /// A stream whose next event comes when the client has the one before.
    Paced,
}

impl Case {
    pub(crate) const ALL: [Self; 3] = [Self::Json, Self::Burst, Self::Paced];

    /// Exchanges of the shorter and of the longer run: the difference is counted.
    pub(crate) fn exchanges(self) -> [usize; 2] {
        if self == Self::Json { [300, 1300] } else { [60, 260] }
    }
}

macro_rules! named {
    ($kind:ident: $($variant:ident = $name:literal),*) => {
        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self { $(Self::$variant => $name),* })
            }
        }

        impl FromStr for $kind {
            type Err = io::Error;

            fn from_str(name: &str) -> io::Result<Self> {
                match name {
                    $($name => Ok(Self::$variant),)*
                    _ => Err(io::Error::other(format!("nothing is called {name}"))),
                }
            }
        }
    };
}

named!(Proxy: None = "none", Floor = "floor", Gateway = "gateway");
named!(Case: Json = "json", Burst = "burst", Paced = "paced");

/// Makes so many exchanges, and as many before that nobody counts.
pub(crate) fn run(proxy: Proxy, case: Case, exchanges: usize) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        // the client says that it has what was sent: a paced provider goes on
        let heard = Rc::new(Semaphore::new(0));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let provider = listener.local_addr()?;
        spawn_local(provide(listener, case, heard.clone()));
        let address = match proxy {
            Proxy::None => provider,
            Proxy::Floor => {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
                let address = listener.local_addr()?;
                tokio::spawn(benches::floor::serve(listener, provider));
                address
            }
            Proxy::Gateway => start_gateway(provider)?,
        };
        ask(address, case, exchanges, &heard).await
    })
}

/// Asks one time after the other.
async fn ask(address: SocketAddr, case: Case, exchanges: usize, heard: &Semaphore) -> io::Result<()> {
    let request = chat_request(address, case != Case::Json, 64);
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut answer = Vec::new();
    for _ in 0..exchanges {
        stream.write_all(&request).await?;
        answer.clear();
        while !is_whole(&answer, case) {
            if stream.read_buf(&mut answer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            heard.add_permits(1);
        }
        expect_ok(&answer)?;
    }
    Ok(())
}

fn is_whole(answer: &[u8], case: Case) -> bool {
    if case == Case::Json { answer.ends_with(b"\"total_tokens\":21}}") } else { answer.ends_with(b"\r\n0\r\n\r\n") }
}

/// The provider: every answer was written before the first request. It takes as many connections as there are: the
/// gateway lets one settle after a stream, and makes another one meanwhile.
async fn provide(listener: TcpListener, case: Case, heard: Rc<Semaphore>) -> io::Result<()> {
    let mut frames = if case == Case::Json { vec![json_answer()] } else { stream_answer(EVENTS) };
    if case == Case::Burst {
        frames = frames.chunks(BURST).map(<[_]>::concat).collect();
    }
    let frames = Rc::new(frames);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        spawn_local(answer(stream, case, frames.clone(), heard.clone()));
    }
}

/// Answers what comes on one connection.
async fn answer(mut stream: TcpStream, case: Case, frames: Rc<Vec<Vec<u8>>>, heard: Rc<Semaphore>) -> io::Result<()> {
    let mut reader = Reader::default();
    while reader.message(&mut stream).await?.is_some() {
        heard.forget_permits(heard.available_permits());
        for frame in &*frames {
            stream.write_all(frame).await?;
            match case {
                Case::Json => (),
                Case::Burst => tokio::task::yield_now().await,
                Case::Paced => heard.acquire().await.map_err(io::Error::other)?.forget(),
            }
        }
    }
    Ok(())
}

/// A core of the gateway on this thread, with log and metrics; its access log is written, and thrown away.
fn start_gateway(provider: SocketAddr) -> io::Result<SocketAddr> {
    let manifests = format!(
        "
kind: Gateway
metadata: {{name: gateway}}
spec: {{gatewayClassName: agentgateway, listeners: [{{name: http, port: {PORT}, protocol: HTTP}}]}}
---
kind: HTTPRoute
metadata: {{name: chat}}
spec:
  parentRefs: [{{name: gateway}}]
  rules: [{{backendRefs: [{{name: chat, group: agentgateway.dev, kind: AgentgatewayBackend}}]}}]
---
kind: AgentgatewayBackend
metadata: {{name: chat}}
spec: {{ai: {{provider: {{host: {}, port: {}, openai: {{model: m-2}}}}}}}}
",
        provider.ip(),
        provider.port()
    );
    let manifests = config::from_sources(&[yaml::Source::new("instructions.yaml", manifests)]);
    let manifests = manifests.map_err(|problems| io::Error::other(format!("{problems:?}")))?;
    let shared = Arc::new(Shared::new(config::compile(&manifests, None).snapshot, &Options::default()));
    let (sink, ..) =
        telemetry::start(Box::new(io::sink()), telemetry::Form::Json, Exporter::start(Setup::default())?, None)?;
    let worker = Rc::new(Worker::new(shared, Pool::new(Vec::new(), Vec::new()), sink.of_a_core()));
    let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let (commands, orders) = mpsc::unbounded_channel();
    let opened = commands.send(Command::Open(PORT, listener, Arc::new(Semaphore::new(16))));
    opened.map_err(|_| io::Error::other("the core takes no orders"))?;
    spawn_local(async move {
        listen::run(worker, orders, Duration::ZERO, listen::Crew::default()).await;
        drop(commands);
    });
    Ok(address)
}
