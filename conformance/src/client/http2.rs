//! The client over HTTP/2, by prior knowledge. Streams, windows and settings are a library's business; the fields of a
//! request are not: they go on the wire byte for byte as the scenario has them, whatever the library thinks of them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::Reason;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::OnceCell;

use super::{End, Exchange, Leave, limit};
use crate::wire::Head;
use crate::wire::http2::{Frame, Kind, PREFACE, code_name};

/// Fields as they go on the wire.
pub type Fields = Vec<(String, String)>;
/// A connection that the first request opens, and none opens anew.
pub type Slot = Arc<OnceCell<Connection>>;

/// What an answer may be ahead of its reader.
const WINDOW: u32 = 1024 * 1024;
/// What lies between the library and the socket.
const BETWEEN: usize = 64 * 1024;
/// How long a server may take to close after us.
const LINGER: Duration = Duration::from_secs(1);

/// How a request goes over HTTP/2.
#[derive(Debug, Clone)]
pub struct Via {
    /// Its fields, in this order.
    pub fields: Fields,
    /// The connection.
    pub slot: Slot,
}

/// A connection; it ends when nobody has it any more.
#[derive(Debug)]
pub struct Connection {
    sender: SendRequest<Bytes>,
    wire: Arc<Wire>,
}

/// What is known of a connection beside what the library knows.
#[derive(Debug, Default)]
struct Wire {
    /// The fields to send, by stream.
    fields: Mutex<HashMap<u32, Fields>>,
    /// The code of the last GOAWAY.
    goaway: Mutex<Option<String>>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Carries one exchange to its end.
pub(super) async fn run(exchange: &mut Exchange, via: Via, origin: Instant) -> End {
    let connected = via.slot.get_or_try_init(|| Connection::open(exchange.call.address)).await;
    let connection = match connected {
        Ok(connection) => connection,
        Err(why) => return End::NotConnected(why),
    };
    exchange.sent_at = origin.elapsed();
    let end = match connection.send(&exchange.call.method, via.fields, exchange.call.body.clone()).await {
        Err(why) => End::NotConnected(why),
        Ok((response, mut sending)) => {
            let end = answer(exchange, response, origin).await;
            if end == End::WeClosed {
                sending.send_reset(Reason::CANCEL);
            }
            end
        }
    };
    exchange.goaway.clone_from(&locked(&connection.wire.goaway));
    end
}

impl Connection {
    async fn open(address: SocketAddr) -> Result<Connection, String> {
        let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        let _ = stream.set_nodelay(true);
        let (near, far) = tokio::io::duplex(BETWEEN);
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(WINDOW).initial_connection_window_size(16 * WINDOW).enable_push(false);
        let wire = Arc::new(Wire::default());
        tokio::spawn(carry(stream, far, Arc::clone(&wire)));
        let (sender, connection) = builder.handshake(near).await.map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        Ok(Connection { sender, wire })
    }

    /// Sends a request whose fields the library does not see.
    async fn send(
        &self,
        method: &str,
        fields: Fields,
        body: Bytes,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), String> {
        let mut sender = self.sender.clone().ready().await.map_err(|error| error.to_string())?;
        let method = http::Method::from_bytes(method.as_bytes()).unwrap_or(http::Method::POST);
        let mut stand_in = http::Request::new(());
        *stand_in.method_mut() = method;
        *stand_in.uri_mut() = http::Uri::from_static("http://stand.in/");
        let empty = body.is_empty();
        let (response, mut sending) = {
            let mut known = locked(&self.wire.fields);
            let sent = sender.send_request(stand_in, empty).map_err(|error| error.to_string())?;
            known.insert(sent.0.stream_id().as_u32(), fields);
            sent
        };
        if !empty {
            // What a failed write means shows when the answer is read.
            let _ = sending.send_data(body, true);
        }
        Ok((response, sending))
    }
}

/// Carries frames between the library and the socket until both have ended.
async fn carry(stream: TcpStream, far: DuplexStream, wire: Arc<Wire>) {
    let (from_server, to_server) = stream.into_split();
    let (from_library, to_library) = tokio::io::split(far);
    let mut answers = tokio::spawn(inwards(from_server, to_library, Arc::clone(&wire)));
    outwards(from_library, to_server, &wire).await;
    let _ = tokio::time::timeout(LINGER, &mut answers).await;
    answers.abort();
}

/// What the library sends, with the fields of the scenario.
async fn outwards(mut from: ReadHalf<DuplexStream>, mut to: OwnedWriteHalf, wire: &Wire) {
    let mut preface = [0; PREFACE.len()];
    if from.read_exact(&mut preface).await.is_err() {
        return;
    }
    let _ = to.write_all(&preface).await;
    while let Ok(Some(frame)) = Frame::read(&mut from).await {
        let fields = (frame.kind == Kind::Headers).then(|| locked(&wire.fields).remove(&frame.stream)).flatten();
        let bytes = fields.map_or_else(|| frame.bytes(), |fields| frame.with_fields(&fields));
        // A server that does not read may still have an answer.
        let _ = to.write_all(&bytes).await;
    }
    let _ = to.shutdown().await;
}

/// What the server sends; that it says goodbye is noted.
async fn inwards(mut from: OwnedReadHalf, mut to: WriteHalf<DuplexStream>, wire: Arc<Wire>) {
    while let Ok(Some(frame)) = Frame::read(&mut from).await {
        if frame.kind == Kind::Goaway {
            *locked(&wire.goaway) = frame.code();
        }
        if to.write_all(&frame.bytes()).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

/// Reads an answer, unless the client leaves before.
async fn answer(exchange: &mut Exchange, response: ResponseFuture, origin: Instant) -> End {
    let signal = match &exchange.call.leave {
        Leave::When(signal) => Some(signal.clone()),
        _ => None,
    };
    let left = async {
        match signal {
            Some(mut signal) => drop(signal.wait_for(|now| *now).await),
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        end = read(exchange, response, origin) => end,
        () = left => End::WeClosed,
    }
}

async fn read(exchange: &mut Exchange, response: ResponseFuture, origin: Instant) -> End {
    let (head, mut body) = match response.await {
        Ok(response) => response.into_parts(),
        Err(error) => return broken(&error),
    };
    let headers = head
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    exchange.head = Some(Head { start: format!("HTTP/2 {}", head.status.as_u16()), headers: headers.collect() });
    exchange.head_at = Some(origin.elapsed());
    loop {
        match next(&mut body).await {
            None => return End::Clean,
            Some(Err(error)) => return broken(&error),
            Some(Ok(data)) => exchange.body.extend_from_slice(&data),
        }
        if exchange.reads.len() < limit::READS {
            exchange.reads.push((origin.elapsed(), exchange.body.len()));
        }
        if exchange.body.len() > limit::BODY {
            return End::Malformed(format!("a body of more than {} bytes", limit::BODY));
        }
        if exchange.has_enough() {
            return End::WeClosed;
        }
    }
}

async fn next(body: &mut RecvStream) -> Option<Result<Bytes, h2::Error>> {
    let data = body.data().await?;
    if let Ok(data) = &data {
        // It fails only for a stream that is no more, which the next read tells.
        let _ = body.flow_control().release_capacity(data.len());
    }
    Some(data)
}

/// What an error of the library says of the answer.
fn broken(error: &h2::Error) -> End {
    match error.reason() {
        Some(reason) if error.is_reset() && error.is_remote() => End::StreamReset(code_name(reason.into())),
        _ if error.is_remote() || error.is_io() => End::ClosedEarly,
        _ => End::Malformed(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
