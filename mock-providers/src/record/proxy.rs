//! One client's connection, and the one to the provider beside it.
//!
//! Owns reading requests, sending them on and relaying answers at once, byte by byte as they come. Refuses to let
//! the recording change what a client sees.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::answer::Reader;
use super::upstream::Duplex;
use super::{Desk, Exchange};
use crate::request::{BodyProblem, Head, MAX_BODY, parse, read_body};
use crate::script::How;
use crate::wire::{Gone, Stream, Wire};

const READ_SIZE: usize = 64 << 10;

/// A request, as it came.
struct Request {
    head: Head,
    raw: Bytes,
    body: Bytes,
}

/// How relaying an answer ended.
enum Relayed {
    /// In order; the connection to the provider, where it can carry another.
    Whole { again: bool },
    /// The provider's connection ended before the answer did.
    Broken(How),
    /// The client left.
    Left,
}

/// Serves a client until it leaves, or the provider does.
pub(super) async fn serve(tcp: TcpStream, desk: Arc<Desk>) {
    // Without it answers only leave in larger packets.
    let _ = tcp.set_nodelay(true);
    let mut client = Wire::new(Stream::Plain(tcp));
    let mut link = None;
    loop {
        let request = match read_request(&mut client).await {
            Ok(Some(request)) => request,
            Ok(None) => return,
            Err(refusal) => return refuse(&mut client, refusal).await,
        };
        let keep_alive = request.head.keep_alive;
        match exchange(&mut client, &mut link, request, &desk).await {
            Ok(true) if keep_alive => {}
            Ok(_) => return end(&mut client).await,
            Err(Gone { reset: true }) => return client.reset(),
            Err(Gone { reset: false }) => {
                client.fin();
                return client.linger().await;
            }
        }
    }
}

async fn end(client: &mut Wire) {
    client.finish().await;
    client.linger().await;
}

/// The next request, none when the client has left.
async fn read_request(client: &mut Wire) -> Result<Option<Request>, (u16, String)> {
    let (head, raw) = loop {
        match parse(&client.inbound) {
            Ok(Some((head, length))) => break (head, client.inbound.split_to(length).freeze()),
            Ok(None) => {}
            Err(reason) => return Err((400, reason)),
        }
        if client.fill().await.is_err() {
            return Ok(None);
        }
    };
    if head.expects_continue && client.write(b"HTTP/1.1 100 Continue\r\n\r\n").await.is_err() {
        return Ok(None);
    }
    match read_body(client, head.length, MAX_BODY).await {
        (body, None) => Ok(Some(Request { head, raw, body })),
        (_, Some(BodyProblem::Gone(_))) => Ok(None),
        (_, Some(BodyProblem::Malformed(reason))) => Err((400, reason)),
        (_, Some(BodyProblem::TooLarge | BodyProblem::Enough)) => Err((413, "the body is too large".to_owned())),
    }
}

/// One request and its answer; whether the client may send another, or how it is to lose its connection.
async fn exchange(
    client: &mut Wire,
    link: &mut Option<Box<dyn Duplex>>,
    request: Request,
    desk: &Arc<Desk>,
) -> Result<bool, Gone> {
    let Request { head, raw, body } = request;
    let mut bytes = desk.upstream.head(&raw, head.length, body.len());
    bytes.extend_from_slice(&body);
    loop {
        let reused = link.is_some();
        let mut connection = match link.take() {
            Some(connection) => connection,
            None => match client.meanwhile(desk.upstream.connect()).await? {
                Ok(connection) => connection,
                Err(error) => {
                    desk.unreachable(&head, &error);
                    refuse(client, (502, format!("the provider cannot be reached: {}", reason(&error)))).await;
                    return Err(Gone { reset: false });
                }
            },
        };
        let mut reader = Reader::new(head.method());
        let relayed = relay(client, &mut connection, &bytes, &mut reader).await;
        if reused && !reader.has_begun() && matches!(relayed, Relayed::Broken(_)) {
            // An idle connection that the provider had given up: the request is sent again on a new one.
            continue;
        }
        let broken = match relayed {
            Relayed::Left => {
                desk.left(&head);
                return Err(Gone { reset: true });
            }
            Relayed::Broken(how) => Some(how),
            Relayed::Whole { .. } => None,
        };
        let begun = reader.has_begun();
        desk.keep(Exchange { head, body, answer: reader.into_answer(), begun, broken }).await;
        return match relayed {
            Relayed::Whole { again } => {
                *link = Some(connection).filter(|_| again);
                Ok(again)
            }
            _ => Err(Gone { reset: broken == Some(How::Rst) }),
        };
    }
}

/// Sends the request, and passes on what comes back until the answer is over.
async fn relay(client: &mut Wire, connection: &mut Box<dyn Duplex>, request: &[u8], reader: &mut Reader) -> Relayed {
    let sent = async {
        connection.write_all(request).await?;
        connection.flush().await
    };
    // A provider that does not read all of it may have answered: that is still to be had.
    if client.meanwhile(sent).await.is_err() {
        return Relayed::Left;
    }
    let (began, mut buffer) = (Instant::now(), BytesMut::with_capacity(READ_SIZE));
    loop {
        buffer.clear();
        buffer.reserve(READ_SIZE);
        let read = match client.meanwhile(connection.read_buf(&mut buffer)).await {
            Err(_) => return Relayed::Left,
            Ok(read) => read,
        };
        let at = began.elapsed();
        match read {
            Ok(0) if reader.ends_by_close() => return Relayed::Whole { again: false },
            Ok(0) => return Relayed::Broken(How::Fin),
            // A TLS peer that ends without a close_notify has still sent a FIN.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Relayed::Broken(How::Fin),
            Err(_) => return Relayed::Broken(How::Rst),
            Ok(_) => {}
        }
        if client.write(&buffer).await.is_err() {
            return Relayed::Left;
        }
        reader.feed(&buffer, at);
        if reader.is_done() {
            return Relayed::Whole { again: reader.leaves_connection() };
        }
    }
}

/// What of an error may be shown to anybody.
pub(super) fn reason(error: &io::Error) -> String {
    // TLS says more than its kind; neither has anything of the request in it.
    error.to_string()
}

async fn refuse(client: &mut Wire, (status, reason): (u16, String)) {
    let error =
        serde_json::json!({"error": {"message": reason, "type": "recorder_error", "param": null, "code": null}});
    let body = error.to_string();
    let phrase = if status == 502 { "Bad Gateway" } else { "Bad Request" };
    let head = format!(
        "HTTP/1.1 {status} {phrase}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    // A client that has gone needs no answer.
    let _ = client.write(format!("{head}{body}").as_bytes()).await;
    end(client).await;
}
