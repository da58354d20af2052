//! Streams that have begun and wait for their next event: what each holds of the gateway's memory.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::KIB;
use crate::gateway::{Gateway, Served};

const STEPS: [usize; 4] = [1_000, 2_000, 4_000, 8_000];
/// Most KiB of a stream.
const BOUND: f64 = 32.0;
const PATIENCE: Duration = Duration::from_secs(30);
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n\
    4c\r\ndata: {\"model\":\"m-1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"token \"}}]}\n\n\r\n";

/// Opens ever more streams; whether each holds less than the bound.
pub(crate) async fn streams(binary: &Path, served: &Served) -> io::Result<bool> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let served = Served { provider: listener.local_addr()?, ..*served };
    tokio::spawn(provide(listener));
    let gateway = Gateway::start(binary, &served)?;
    let request = crate::request(gateway.address, 0, true, 64);
    let (mut open, mut holds, mut before) = (Vec::new(), true, None);
    let empty = gateway.resident()?;
    for count in STEPS {
        while open.len() < count {
            let begun = timeout(PATIENCE, begin(&gateway, &request)).await;
            open.push(begun.map_err(|_| io::Error::other(format!("stream {} does not begin", open.len())))??);
        }
        let resident = gateway.resident()?;
        let each = (resident - empty) as f64 / count as f64 / KIB;
        let (resident_then, count_then) = before.replace((resident, count)).unwrap_or((empty, 0));
        let slope = (resident as f64 - resident_then as f64) / (count - count_then) as f64 / KIB;
        holds &= each <= BOUND;
        let mark = if each <= BOUND { "" } else { "BROKEN: " };
        println!("{mark}{count} idle streams: {each:.1} KiB each (bound {BOUND}), {slope:.1} each of the last");
    }
    Ok(holds)
}

/// A stream of which the first event has come.
async fn begin(gateway: &Gateway, request: &[u8]) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(gateway.address).await?;
    stream.write_all(request).await?;
    let mut heard = Vec::new();
    while !heard.ends_with(b"\n\n\r\n") {
        if stream.read_buf(&mut heard).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    benches::wire::expect_ok(&heard)?;
    Ok(stream)
}

/// Begins an answer, and falls silent until the gateway leaves.
async fn provide(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut heard = [0; 4096];
            if matches!(stream.read(&mut heard).await, Ok(1..)) && stream.write_all(ANSWER).await.is_ok() {
                // until its end, whatever is said
                while matches!(stream.read(&mut heard).await, Ok(1..)) {}
            }
        });
    }
}
