//! The floor: hyper on one thread, answering constant bytes and reading no more of a request than it must.

use std::convert::Infallible;
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// A body of frames that are all ready at once.
struct Frames(std::vec::IntoIter<Bytes>);

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next().map(|bytes| Ok(Frame::data(bytes))))
    }
}

struct Answers {
    json: Bytes,
    frames: Vec<Bytes>,
}

/// Says its port, then serves until its standard input closes with the parent.
pub(crate) fn run(json: &str, stream: &str) -> io::Result<()> {
    let answers = Arc::new(Answers { json: std::fs::read(json)?.into(), frames: frames(&std::fs::read(stream)?) });
    std::thread::spawn(|| {
        let _ = io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let listener = bind()?;
    println!("listening address=http://{}", listener.local_addr()?);
    serve(listener, answers)
}

/// Serves on a thread of its own, until the process ends.
#[allow(dead_code, reason = "`mock_speed` runs it in a process of its own")]
pub(crate) fn spawn(json: &[u8], stream: &[u8]) -> io::Result<SocketAddr> {
    let answers = Arc::new(Answers { json: Bytes::copy_from_slice(json), frames: frames(stream) });
    let listener = bind()?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || serve(listener, answers));
    Ok(address)
}

fn bind() -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn serve(listener: std::net::TcpListener, answers: Arc<Answers>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let answers = answers.clone();
            let service = service_fn(move |request| answer(answers.clone(), request));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    })
}

async fn answer(
    answers: Arc<Answers>,
    request: Request<Incoming>,
) -> Result<Response<Either<Full<Bytes>, Frames>>, hyper::Error> {
    let body = request.into_body().collect().await?.to_bytes();
    let stream = body.windows(13).any(|bytes| bytes == br#""stream":true"#);
    Ok(if stream {
        response("text/event-stream", Either::Right(Frames(answers.frames.clone().into_iter())))
    } else {
        response("application/json", Either::Left(Full::new(answers.json.clone())))
    })
}

fn response<B>(kind: &'static str, body: B) -> Response<B> {
    let built = Response::builder().header("content-type", kind).header("x-request-id", "req_0").body(body);
    built.expect("the parts are valid")
}

/// The events of a stream.
fn frames(stream: &[u8]) -> Vec<Bytes> {
    let text = String::from_utf8_lossy(stream);
    text.split_inclusive("\n\n").map(|event| Bytes::copy_from_slice(event.as_bytes())).collect()
}

/// The body of an answer without its framing.
pub(crate) fn payload(answer: &[u8], chunked: bool) -> Vec<u8> {
    let body = &answer[answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap_or_default() + 4..];
    if chunked { unchunked(body) } else { body.to_vec() }
}

/// The payload of a chunked body.
fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    while let Some(line) = body.windows(2).position(|bytes| bytes == b"\r\n") {
        let size = std::str::from_utf8(&body[..line]).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        let Some(size) = size.filter(|&size| size > 0) else { break };
        payload.extend_from_slice(&body[line + 2..line + 2 + size]);
        body = &body[line + 2 + size + 2..];
    }
    payload
}
