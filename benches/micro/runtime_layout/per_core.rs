//! The layout that was tried against the floor: a current-thread runtime and SO_REUSEPORT listener per core.
//!
//! It forwards like the floor and leaves out the same things. Nothing crosses a core: a request, its upstream
//! connection and the pool that owns it stay on the thread that accepted, so that none of them is `Send`.

use std::cell::RefCell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1 as client;
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};

/// Who owns the upstream connections of a core.
#[derive(Clone, Copy)]
pub(crate) enum Upstreams {
    /// One hyper-util client per core: tells apart what the runtime and what the pool contributes.
    LegacyClient,
    /// A list of idle connections per core, without locks.
    OwnPool,
}

/// Prints its address and serves it on one thread per core, for ever.
pub(crate) fn run(upstream: SocketAddr, upstreams: Upstreams) -> io::Result<()> {
    let first = listener((Ipv4Addr::LOCALHOST, 0).into())?;
    let address = first.local_addr()?;
    let cores = std::thread::available_parallelism()?.get();
    let rest = (1..cores).map(|_| listener(address)).collect::<io::Result<Vec<_>>>()?;
    println!("{address}");
    let threads: Vec<_> = std::iter::once(first)
        .chain(rest)
        .map(|listener| std::thread::spawn(move || core(listener, upstream, upstreams)))
        .collect();
    threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| io::Error::other("a core panicked"))?)
}

fn listener(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

fn core(listener: std::net::TcpListener, upstream: SocketAddr, upstreams: Upstreams) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::from_std(listener)?;
        match upstreams {
            Upstreams::LegacyClient => accept_for_client(listener, upstream).await,
            Upstreams::OwnPool => accept_for_pool(listener, upstream).await,
        }
    })
}

async fn accept_for_pool(listener: TcpListener, upstream: SocketAddr) -> io::Result<()> {
    let pool = Rc::new(Pool { upstream, idle: RefCell::default() });
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let pool = Rc::clone(&pool);
        let service = service_fn(move |request| forward(Rc::clone(&pool), request));
        spawn_local(server::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn accept_for_client(listener: TcpListener, upstream: SocketAddr) -> io::Result<()> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).build(connector);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let client: Client<HttpConnector, Incoming> = client.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            let uri = format!("http://{upstream}{}", request.uri().path());
            *request.uri_mut() = uri.parse().expect("an address and a path make a valid address");
            client.request(request)
        });
        spawn_local(server::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// The idle connections of one core to one upstream.
struct Pool {
    upstream: SocketAddr,
    idle: RefCell<Vec<client::SendRequest<Incoming>>>,
}

impl Pool {
    /// The connection used last, or a new one.
    async fn take(&self) -> Result<client::SendRequest<Incoming>, Failure> {
        loop {
            let Some(mut sender) = self.idle.borrow_mut().pop() else { break };
            if sender.ready().await.is_ok() {
                return Ok(sender);
            }
        }
        let stream = TcpStream::connect(self.upstream).await.map_err(Failure::Connect)?;
        stream.set_nodelay(true).map_err(Failure::Connect)?;
        let (sender, connection) = client::handshake(TokioIo::new(stream)).await.map_err(Failure::Http)?;
        spawn_local(connection);
        Ok(sender)
    }
}

/// Why a request got no answer; hyper closes the client's connection then, which voids the window.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("cannot connect to the provider")]
    Connect(#[source] io::Error),
    #[error("the provider's connection failed")]
    Http(#[source] hyper::Error),
}

async fn forward(pool: Rc<Pool>, request: Request<Incoming>) -> Result<Response<Pooled>, Failure> {
    let mut sender = pool.take().await?;
    let response = sender.send_request(request).await.map_err(Failure::Http)?;
    Ok(response.map(|body| Pooled { body, lease: Some((pool, sender)) }))
}

/// An upstream body that hands its connection back once it has been read to its end.
struct Pooled {
    body: Incoming,
    lease: Option<(Rc<Pool>, client::SendRequest<Incoming>)>,
}

impl Pooled {
    fn hand_back(&mut self) {
        if let Some((pool, sender)) = self.lease.take() {
            pool.idle.borrow_mut().push(sender);
        }
    }
}

impl Body for Pooled {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) {
            self.hand_back();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        // hyper does not poll a counted body again after its last byte.
        if self.body.is_end_stream() {
            self.hand_back();
        }
    }
}
