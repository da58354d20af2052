use tokio::net::TcpListener;

use super::*;

/// A server that reads a request's head, writes these pieces and then closes (or resets).
async fn server(pieces: Vec<&'static [u8]>, reset: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a client");
        let mut head = vec![0; 1024];
        let _ = stream.read(&mut head).await;
        for piece in pieces {
            stream.write_all(piece).await.expect("a reader");
            stream.flush().await.expect("a reader");
            tokio::task::yield_now().await;
        }
        if reset {
            let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
    });
    address
}

fn call(address: SocketAddr, leave: Leave) -> Call {
    Call {
        address,
        method: "GET".into(),
        wire: Bytes::from_static(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"),
        body: Bytes::new(),
        nonce: "n".into(),
        leave,
        pace: Pace::default(),
        deadline: Duration::from_secs(10),
        http2: None,
    }
}

async fn get(pieces: Vec<&'static [u8]>, reset: bool, leave: Leave) -> Exchange {
    send(call(server(pieces, reset).await, leave), Instant::now()).await
}

#[tokio::test]
async fn a_length_ends_the_answer_cleanly() {
    let exchange = get(vec![b"HTTP/1.1 200 OK\r\ncontent-le", b"ngth: 2\r\n\r\nhi"], false, Leave::AtEnd).await;
    assert_eq!((exchange.status(), exchange.body.as_slice(), exchange.end), (Some(200), b"hi".as_slice(), End::Clean));
}

#[tokio::test]
async fn a_stream_without_its_last_chunk_ended_early() {
    let pieces: Vec<&[u8]> = vec![b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"9\r\ndata: a\n\n\r\n"];
    let exchange = get(pieces.clone(), false, Leave::AtEnd).await;
    assert_eq!(exchange.end, End::ClosedEarly);
    assert_eq!(exchange.events().len(), 1);
}

#[tokio::test]
async fn a_reset_is_told_from_a_close() {
    let exchange = get(vec![b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhi"], true, Leave::AtEnd).await;
    assert_eq!(exchange.end, End::Reset);
}

#[tokio::test]
async fn the_end_of_the_connection_ends_a_body_without_framing() {
    let exchange = get(vec![b"HTTP/1.1 200 OK\r\n\r\nall"], false, Leave::AtEnd).await;
    assert_eq!((exchange.body.as_slice(), exchange.end), (b"all".as_slice(), End::Clean));
}

#[tokio::test]
async fn interim_answers_are_passed_over_and_what_follows_is_kept() {
    let wire: Vec<&[u8]> =
        vec![b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 Bad\r\ncontent-length: 1\r\n\r\nxHTTP/1.1 200"];
    let exchange = get(wire, false, Leave::AtEnd).await;
    assert_eq!((exchange.status(), exchange.extra.as_slice()), (Some(400), b"HTTP/1.1 200".as_slice()));
}

#[tokio::test]
async fn garbage_is_malformed_and_a_closed_port_is_no_connection() {
    let exchange = get(vec![b"\x00\x01garbage\r\n\r\n"], false, Leave::AtEnd).await;
    assert!(matches!(exchange.end, End::Malformed(_)), "{:?}", exchange.end);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let exchange = send(Call { address, ..exchange.call }, Instant::now()).await;
    assert!(matches!(exchange.end, End::NotConnected(_)), "{:?}", exchange.end);
}

#[tokio::test]
async fn the_client_leaves_after_the_events_it_wanted() {
    let pieces: Vec<&[u8]> = vec![b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\ndata: a\n\ndata: b\n\n"];
    let exchange = get(pieces, false, Leave::AfterEvents(2)).await;
    assert_eq!(exchange.end, End::WeClosed);
}

/// A server that sends these bytes again and again until nobody listens.
async fn endless(start: &'static [u8], again: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a client");
        let mut going_on = stream.write_all(start).await.is_ok();
        let block = again.repeat(64 * 1024 / again.len());
        while going_on {
            going_on = stream.write_all(&block).await.is_ok();
        }
    });
    address
}

#[tokio::test]
async fn whoever_sends_a_head_or_a_body_without_end_is_cut_off() {
    let start: [(&[u8], &[u8]); 2] = [
        (b"HTTP/1.1 200 OK\r\nx: ", b"y"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"8\r\nabcdefgh\r\n"),
    ];
    for (start, again) in start {
        let call = Call { deadline: Duration::from_secs(60), ..call(endless(start, again).await, Leave::AtEnd) };
        let exchange = send(call, Instant::now()).await;
        assert!(matches!(&exchange.end, End::Malformed(what) if what.contains("more than")), "{:?}", exchange.end);
        assert!(exchange.body.len() < 2 * limit::BODY);
    }
}
