use std::collections::VecDeque;
use std::future::poll_fn;

use http_body::{Frame, SizeHint};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, duplex};

use super::*;

/// A body that says this, one after the other; `None` is a pause.
struct Said(VecDeque<Option<Result<Bytes, ()>>>);

impl Said {
    fn pieces(pieces: &[Bytes]) -> Self {
        Self(pieces.iter().flat_map(|piece| [Some(Ok(piece.clone())), None]).collect())
    }
}

impl Body for Said {
    type Data = Bytes;
    type Error = ();

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ()>>> {
        match self.0.pop_front() {
            None => Poll::Ready(None),
            Some(None) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Some(piece)) => Poll::Ready(Some(piece.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// What the client hears through a pipe of this size, and whether all of it was said.
async fn heard(response: Response<Said>, closes: bool, pipe: usize) -> (Vec<u8>, bool) {
    let (mut client, mut server) = duplex(pipe);
    let mut answer = Answer::new(response, closes, Rc::default());
    let said = async {
        let said = poll_fn(|cx| answer.poll_write(&mut server, cx)).await;
        drop(server);
        said.is_ok()
    };
    let mut heard = Vec::new();
    let (said, read) = tokio::join!(said, client.read_to_end(&mut heard));
    read.unwrap();
    (heard, said)
}

fn response(fields: &[(&'static str, &'static str)], body: Said) -> Response<Said> {
    let mut response = Response::new(body);
    response.headers_mut().insert(DATE, http::HeaderValue::from_static("now"));
    for (name, value) in fields {
        response.headers_mut().append(*name, http::HeaderValue::from_static(value));
    }
    response
}

async fn text(response: Response<Said>, closes: bool) -> (String, bool) {
    let (heard, said) = heard(response, closes, 1024).await;
    (String::from_utf8(heard).unwrap(), said)
}

fn pieces(pieces: &[&'static str]) -> Said {
    Said::pieces(&pieces.iter().map(|piece| Bytes::from_static(piece.as_bytes())).collect::<Vec<_>>())
}

#[tokio::test]
async fn a_body_of_unknown_length_comes_in_chunks_and_ends_with_an_empty_one() {
    let (heard, said) = text(response(&[("x", "y")], pieces(&["one", "", "twelve bytes"])), false).await;
    let head = "HTTP/1.1 200 OK\r\ndate: now\r\nx: y\r\ntransfer-encoding: chunked\r\n\r\n";
    assert_eq!(heard, format!("{head}3\r\none\r\nc\r\ntwelve bytes\r\n0\r\n\r\n"));
    assert!(said);
}

#[tokio::test]
async fn a_length_that_is_told_is_kept_to() {
    let told = |length, body| response(&[("content-length", length)], pieces(body));
    let head = |length| format!("HTTP/1.1 200 OK\r\ndate: now\r\ncontent-length: {length}\r\n\r\n");
    assert_eq!(text(told("6", &["one", "two"]), false).await, (format!("{}onetwo", head(6)), true));
    // what is too short breaks off, what is too long would be another answer
    assert_eq!(text(told("6", &["one"]), false).await, (format!("{}one", head(6)), false));
    assert_eq!(text(told("4", &["one", "two"]), false).await, (format!("{}onet", head(4)), true));
}

#[tokio::test]
async fn a_length_that_cannot_be_followed_is_not_told() {
    for lengths in [&["6", "6"][..], &["+6"], &["6, 6"], &["x"], &[""]] {
        let fields: Vec<_> = lengths.iter().map(|length| ("content-length", *length)).collect();
        let (heard, _) = text(response(&fields, pieces(&["onetwo"])), false).await;
        assert!(heard.ends_with("\r\ntransfer-encoding: chunked\r\n\r\n6\r\nonetwo\r\n0\r\n\r\n"), "{heard}");
        assert!(!heard.contains("content-length"), "{heard}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_is_broken_off_behind_what_was_said() {
    let body = || Said([Some(Ok(Bytes::from_static(b"one"))), Some(Err(()))].into());
    let (heard, said) = text(response(&[], body()), false).await;
    assert!(heard.ends_with("\r\n\r\n3\r\none\r\n") && !said, "{heard}");
}

#[tokio::test]
async fn statuses_without_a_body_have_none_and_the_last_answer_says_so() {
    let empty = |status, fields| {
        let mut response = response(fields, Said(VecDeque::new()));
        *response.status_mut() = status;
        response
    };
    let close = "HTTP/1.1 204 No Content\r\ndate: now\r\nconnection: close\r\n\r\n";
    let length = [("content-length", "5")];
    assert_eq!(text(empty(StatusCode::NO_CONTENT, &length), true).await, (close.to_owned(), true));
    let modified = "HTTP/1.1 304 Not Modified\r\ndate: now\r\ncontent-length: 5\r\n\r\n";
    assert_eq!(text(empty(StatusCode::NOT_MODIFIED, &length), false).await.0, modified);
    let nothing = "HTTP/1.1 202 Accepted\r\ndate: now\r\nconnection: Close, x\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(text(empty(StatusCode::ACCEPTED, &[("connection", "Close, x")]), true).await.0, nothing);
}

#[tokio::test]
async fn a_date_is_told_where_there_is_none() {
    let (heard, _) = text(Response::new(pieces(&["x"])), false).await;
    let date = heard.lines().find_map(|line| line.strip_prefix("date: ")).unwrap();
    httpdate::parse_http_date(date).unwrap();
}

proptest! {
    /// Whatever the sizes of pieces and of what the client takes: the body is what was said.
    #[test]
    fn every_byte_arrives_in_order(
        sizes in prop::collection::vec(prop_oneof![1usize..300, 16_000..17_000usize, 60_000..70_000usize], 1..5),
        pipe in prop_oneof![1usize..50, 1000..100_000usize],
        told in any::<bool>(),
    ) {
        let all: Vec<Bytes> =
            sizes.iter().enumerate().map(|(at, size)| Bytes::from(vec![b'a' + at as u8; *size])).collect();
        let length = all.iter().map(Bytes::len).sum::<usize>().to_string();
        let mut response = response(&[], Said::pieces(&all));
        if told {
            response.headers_mut().insert(CONTENT_LENGTH, length.parse().unwrap());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (heard, said) = runtime.block_on(heard(response, false, pipe));
        prop_assert!(said);
        let mut body = &heard[memchr::memmem::find(&heard, b"\r\n\r\n").unwrap() + 4..];
        if told {
            prop_assert_eq!(body, all.concat());
            return Ok(());
        }
        for piece in all {
            let line = format!("{:x}\r\n", piece.len());
            body = body.strip_prefix(line.as_bytes()).unwrap().strip_prefix(&piece[..]).unwrap();
            body = body.strip_prefix(b"\r\n").unwrap();
        }
        prop_assert_eq!(body, b"0\r\n\r\n");
    }
}
