use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::super::{Call, Pace, send};
use super::*;

const GOOD: [u8; 1] = [0x88];

fn frame(kind: Kind, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    Frame { kind, flags, stream, payload: payload.to_vec() }.bytes()
}

/// A head, and data.
fn head(stream: u32, data: &str, last: bool) -> Vec<u8> {
    let data = Frame::data(stream, data.as_bytes().to_vec(), last).bytes();
    [frame(Kind::Headers, 4, stream, &GOOD), data].concat()
}

/// A server that tells of every frame but those of the connection, and answers each whole request.
async fn server(answer: fn(u32) -> Vec<u8>) -> (SocketAddr, mpsc::UnboundedReceiver<Frame>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (told, frames) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a client");
        let mut preface = [0; PREFACE.len()];
        stream.read_exact(&mut preface).await.expect("a preface");
        stream.write_all(&frame(Kind::Other(4), 0, 0, &[])).await.expect("a reader");
        while let Ok(Some(frame)) = Frame::read(&mut stream).await {
            if frame.stream == 0 {
                continue;
            }
            if frame.is_last() {
                let bytes = answer(frame.stream);
                if bytes.is_empty() {
                    return;
                }
                stream.write_all(&bytes).await.expect("a reader");
            }
            let _ = told.send(frame);
        }
    });
    (address, frames)
}

fn fields() -> Fields {
    [(":path", "/a b"), ("X-Evil", "a\r\nb: c\0")].map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

async fn exchanged(address: SocketAddr, slot: &Slot, leave: Leave) -> Exchange {
    let call = Call {
        address,
        method: "POST".into(),
        wire: Bytes::new(),
        body: Bytes::from_static(b"hello"),
        nonce: "n".into(),
        leave,
        pace: Pace::default(),
        deadline: Duration::from_secs(10),
        http2: Some(Via { fields: fields(), slot: slot.clone() }),
    };
    send(call, Instant::now()).await
}

#[tokio::test]
async fn requests_share_a_connection_and_their_fields_are_sent_as_they_are() {
    let (address, mut frames) = server(|stream| head(stream, "hi", true)).await;
    let slot = Slot::default();
    for stream in [1, 3] {
        let exchange = exchanged(address, &slot, Leave::AtEnd).await;
        assert_eq!((exchange.status(), exchange.body, exchange.end), (Some(200), b"hi".to_vec(), End::Clean));
        let (sent, data) = (frames.recv().await.expect("a head"), frames.recv().await.expect("data"));
        assert_eq!((sent.stream, sent.fields()), (stream, Some(fields())));
        assert_eq!((data.payload.as_slice(), data.is_last()), (b"hello".as_slice(), true));
    }
}

#[tokio::test]
async fn a_stream_that_is_reset_leaves_its_connection_and_a_goaway_is_noted() {
    let (address, _frames) = server(|stream| match stream {
        1 => [head(1, "data: a\n\n", false), frame(Kind::Reset, 0, 1, &[0, 0, 0, 2])].concat(),
        _ => [frame(Kind::Goaway, 0, 0, &[0, 0, 0, 3, 0, 0, 0, 0]), head(3, "hi", true)].concat(),
    })
    .await;
    let slot = Slot::default();
    let first = exchanged(address, &slot, Leave::AtEnd).await;
    assert_eq!((first.events().len(), first.end), (1, End::StreamReset("INTERNAL_ERROR".to_owned())));
    assert_eq!(first.goaway, None);
    let second = exchanged(address, &slot, Leave::AtEnd).await;
    assert_eq!((second.end, second.goaway.as_deref()), (End::Clean, Some("NO_ERROR")));
    let third = exchanged(address, &slot, Leave::AtEnd).await;
    assert!(matches!(third.end, End::NotConnected(_)), "{:?}", third.end);
}

#[tokio::test]
async fn a_client_that_has_enough_resets_its_stream() {
    let (address, mut frames) = server(|stream| head(stream, "data: a\n\ndata: b\n\n", false)).await;
    let exchange = exchanged(address, &Slot::default(), Leave::AfterEvents(2)).await;
    assert_eq!(exchange.end, End::WeClosed);
    let kinds = [frames.recv().await, frames.recv().await, frames.recv().await].map(|frame| {
        let frame = frame.expect("a frame");
        (frame.kind, frame.code())
    });
    assert_eq!(kinds[2], (Kind::Reset, Some("CANCEL".to_owned())));
}

#[tokio::test]
async fn an_end_of_the_connection_is_no_end_of_the_answer() {
    let (address, _frames) = server(|_| Vec::new()).await;
    let slot = Slot::default();
    let exchange = exchanged(address, &slot, Leave::AtEnd).await;
    assert_eq!((exchange.status(), exchange.end), (None, End::ClosedEarly));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let closed = listener.local_addr().expect("an address");
    drop(listener);
    let exchange = exchanged(closed, &Slot::default(), Leave::AtEnd).await;
    assert!(matches!(exchange.end, End::NotConnected(_)), "{:?}", exchange.end);
}
