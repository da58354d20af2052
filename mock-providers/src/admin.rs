//! The admin API: looking at providers that run, and changing what they do, over HTTP on a port of its own.
//!
//! Owns the routes below `/__mock/`, their documentation in `openapi.json` and the rule that no answer shows a
//! secret. Refuses to answer as a provider; and whoever reaches its port may use it, so keep it on loopback.

mod call;
mod config;
mod faults;
mod journal;
mod openapi;
mod reply;
mod route;
mod running;
mod secrets;
mod states;
mod verify;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use http::{Method, Request};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::fleet::Fleet;
use crate::listener;
use call::Call;
use reply::{Refusal, Reply};
use secrets::Secrets;

/// No configuration is larger.
const MAX_BODY: usize = 16 << 20;

/// The admin API of a fleet; dropping it closes the port.
#[derive(Debug)]
pub struct Admin {
    addr: SocketAddr,
    task: JoinHandle<()>,
}

/// What the handlers share.
pub(crate) struct Desk {
    fleet: Arc<Fleet>,
    secrets: Secrets,
    /// How many faults were put over scripts.
    injected: AtomicU64,
}

impl Admin {
    /// Listens; port 0 picks a free one.
    pub async fn start(fleet: Arc<Fleet>, bind: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(bind).await?;
        let addr = listener.local_addr()?;
        let desk = Arc::new(Desk { fleet, secrets: Secrets::default(), injected: AtomicU64::new(0) });
        Ok(Self { addr, task: tokio::spawn(accept(listener, desk)) })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, desk: Arc<Desk>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            (stream, _) = listener::accept(&listener) => {
                let desk = desk.clone();
                connections.spawn(async move {
                    let service = service_fn(|request| serve(&desk, request));
                    let mut http = http1::Builder::new();
                    // A caller that breaks off is no concern of the others.
                    let _ = http.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(desk: &Desk, request: Request<Incoming>) -> Result<hyper::Response<reply::Body>, Infallible> {
    let (head, body) = request.into_parts();
    let answered = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => answer(desk, &head, &body.to_bytes()).await,
        Err(_) => Err(Refusal::new(413, "too_large", "the body is larger than 16 MiB")),
    };
    let reply = answered.unwrap_or_else(Refusal::reply);
    Ok(reply.response(head.method == Method::HEAD))
}

async fn answer(desk: &Desk, head: &http::request::Parts, body: &[u8]) -> Result<Reply, Refusal> {
    let method = if head.method == Method::HEAD { "GET" } else { head.method.as_str() };
    let (route, parameters) = route::find(method, head.uri.path())?;
    let call = Call::new(route, parameters, head, body)?;
    (route.answer)(desk, call).await
}
