//! Takes what is exported over OTLP/HTTP, reads none of it, and thanks.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use benches::wire::Reader;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

const THANKS: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";

/// A collector on a thread of its own; it lives as long as the process.
pub(crate) struct Collector {
    address: SocketAddr,
    exports: Arc<AtomicU64>,
}

impl Collector {
    pub(crate) fn start() -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let (address, exports) = (listener.local_addr()?, Arc::new(AtomicU64::new(0)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let count = exports.clone();
        std::thread::Builder::new().name("collector".into()).spawn(move || runtime.block_on(serve(listener, count)))?;
        Ok(Self { address, exports })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How often something was sent here.
    pub(crate) fn exports(&self) -> u64 {
        self.exports.load(Relaxed)
    }
}

async fn serve(listener: std::net::TcpListener, exports: Arc<AtomicU64>) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(converse(stream, exports.clone()));
    }
}

async fn converse(mut stream: TcpStream, exports: Arc<AtomicU64>) -> io::Result<()> {
    let mut reader = Reader::default();
    while reader.message(&mut stream).await?.is_some() {
        exports.fetch_add(1, Relaxed);
        stream.write_all(THANKS).await?;
    }
    Ok(())
}
