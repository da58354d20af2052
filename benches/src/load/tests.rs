//! The loop against servers of a few lines. Lower bounds only: a slow machine makes everything later, never earlier.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use tokio::io::AsyncWriteExt;

use super::*;
use crate::constant::Constant;
use crate::wire::{Reader, chat_request};

const GOOD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n{\"content\":\"ok\"}";
const OTHER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\n{\"content\":\"oak\"}";
const SORRY: &str = "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n";

/// What a server does with the request of a number, counted over all connections.
#[derive(Clone, Copy)]
enum Act {
    Say(&'static str),
    /// Closes without a word of it.
    SayAndClose(&'static str),
    Stall(Duration),
    Nothing,
}

/// A server on a thread of its own; returns its address and how many connections it has had.
fn server(act: fn(usize) -> Act) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let (address, connections) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let (seen, asked) = (connections.clone(), Arc::new(AtomicUsize::new(0)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    std::thread::spawn(move || {
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                seen.fetch_add(1, SeqCst);
                tokio::spawn(converse(stream, asked.clone(), act));
            }
        });
    });
    (address, connections)
}

async fn converse(mut stream: tokio::net::TcpStream, asked: Arc<AtomicUsize>, act: fn(usize) -> Act) {
    let mut reader = Reader::default();
    while let Ok(Some(_)) = reader.message(&mut stream).await {
        let answer = match act(asked.fetch_add(1, SeqCst)) {
            Act::Say(answer) | Act::SayAndClose(answer) => answer,
            Act::Stall(time) => {
                tokio::time::sleep(time).await;
                GOOD
            }
            Act::Nothing => std::future::pending().await,
        };
        if stream.write_all(answer.as_bytes()).await.is_err() || matches!(act(0), Act::SayAndClose(_)) {
            return;
        }
    }
}

fn request(address: SocketAddr, stream: bool) -> Request {
    Request { bytes: chat_request(address, stream, 16), stream, text: None, varies: false }
}

fn open(rate: f64, window: Duration) -> Load {
    let pace = Pace::Open { rate, spacing: Spacing::Uniform, seed: 1 };
    Load { pace, window, timeout: Duration::from_secs(30), connections: 64, gap: None }
}

fn run(address: SocketAddr, load: &Load) -> Sample {
    let client = Client::new(address);
    client.unwrap().run(&request(address, false), load, &mut |_, _, _| ControlFlow::Continue(())).unwrap().unwrap().0
}

const WINDOW: Duration = Duration::from_millis(400);

#[test]
fn a_stall_is_charged_to_all_who_would_have_asked_meanwhile() {
    let (address, _) = server(|number| if number == 10 { Act::Stall(WINDOW) } else { Act::Say(GOOD) });
    let load = Load { connections: 1, ..open(500.0, WINDOW) };
    let sample = run(address, &load);
    // 189 of 199 are due behind the tenth, which takes as long as all: half of them wait for at least 200 ms.
    assert_eq!((sample.good(), sample.failed()), (199, 0));
    assert!(sample.latency.quantile(0.6) >= WINDOW / 4, "{:?}", sample.latency.quantile(0.6));
    assert!(sample.send_lag.quantile(0.6) >= WINDOW / 4);
}

#[test]
fn plain_and_streamed_answers_are_whole_at_every_pace() {
    let address = Constant::start(5).unwrap().address();
    let closed = Load { pace: Pace::Closed { connections: 4 }, ..open(1.0, WINDOW / 4) };
    for (load, stream) in [(open(300.0, WINDOW), false), (open(300.0, WINDOW), true), (closed, false), (closed, true)] {
        let mut client = Client::new(address).unwrap();
        let on = &mut |_, _, _| ControlFlow::Continue(());
        let (sample, text) = client.run(&request(address, stream), &load, on).unwrap().unwrap();
        assert_eq!((sample.good(), sample.faults), (sample.due, vec![]), "{load:?}");
        assert!(sample.due >= if load == closed { 4 } else { 119 }, "{load:?}");
        assert_eq!(sample.first_event.len(), if stream { sample.due } else { 0 });
        assert_eq!(text.unwrap() % 6, if stream { 0 } else { text.unwrap() % 6 });
    }
}

#[test]
fn a_closed_loop_has_as_many_connections_as_callers() {
    let (address, connections) = server(|_| Act::Say(GOOD));
    let sample = run(address, &Load { pace: Pace::Closed { connections: 3 }, ..open(1.0, WINDOW / 4) });
    assert!(sample.good() >= 3 && sample.failed() == 0);
    assert_eq!(connections.load(SeqCst), 3);
}

#[test]
fn failures_are_counted_by_what_was_wrong() {
    let (address, _) = server(|number| match number {
        3 => Act::Say(SORRY),
        5 => Act::Say(OTHER),
        _ => Act::Say(GOOD),
    });
    let sample = run(address, &Load { connections: 1, ..open(200.0, WINDOW / 4) });
    let other = Fault::OtherText { got: 3, expected: 2 };
    assert_eq!(sample.faults, [(Fault::Status(503), 1), (other, 1)]);
    assert_eq!(sample.good() + 2, sample.due);
}

#[test]
fn a_request_that_a_closed_connection_did_not_take_goes_over_another_one() {
    let (address, connections) = server(|_| Act::SayAndClose(GOOD));
    let sample = run(address, &Load { connections: 1, ..open(200.0, WINDOW / 2) });
    assert_eq!((sample.good(), sample.failed()), (sample.due, 0));
    assert_eq!(connections.load(SeqCst) as u64, sample.due);
}

#[test]
fn nobody_there_and_nobody_answering_are_told_apart() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(run(address, &open(100.0, WINDOW / 8)).faults, [(Fault::Refused, 4)]);
    let (address, _) = server(|_| Act::Nothing);
    let load = Load { timeout: WINDOW / 4, connections: 2, ..open(100.0, WINDOW / 8) };
    assert_eq!(run(address, &load).faults, [(Fault::TimedOut, 4)]);
}

#[test]
fn an_answer_is_read_in_turns_and_to_its_end() {
    let (address, _) = server(|_| Act::Say(GOOD));
    let mut client = Client::new(address).unwrap();
    // as if the answer came faster than it can be read: every read but the last fills it
    client.space = vec![0; 2];
    let load = Load { timeout: Duration::from_secs(60), connections: 1, ..open(100.0, WINDOW / 8) };
    let on = &mut |_, _, _| ControlFlow::Continue(());
    let (sample, _) = client.run(&request(address, false), &load, on).unwrap().unwrap();
    assert_eq!((sample.good(), sample.due), (4, 4));
}

#[test]
fn whoever_sends_without_end_keeps_the_loop_from_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let start = Instant::now();
    let mut line = Line::open(listener.local_addr().unwrap()).unwrap();
    let (mut other, _) = listener.accept().unwrap();
    line.begin(Duration::ZERO);
    std::io::Write::write_all(&mut other, &[GOOD, GOOD].concat().into_bytes()[..GOOD.len() - 1]).unwrap();
    // it has come as one piece
    line.stream().set_nonblocking(false).unwrap();
    line.stream().peek(&mut [0]).unwrap();
    line.stream().set_nonblocking(true).unwrap();
    let ready = Ready::of(EventFlags::IN);
    let mut space = [0; 2];
    let mut turns = 0;
    while matches!(line.advance(b"x", &mut space, start, ready), Step::More) {
        turns += 1;
    }
    assert!(turns >= 5, "{} bytes in {turns} turns", GOOD.len());
}

#[test]
fn events_are_late_by_the_schedule_of_the_one_that_is_the_least_late() {
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    let ms = Duration::from_millis;
    let (request, load) = (request(address, true), Load { gap: Some(ms(10)), ..open(1.0, WINDOW) });
    let mut course = Course {
        request: &request,
        load: &load,
        start: Instant::now(),
        waiting: VecDeque::new(),
        busy: 0,
        expected: None,
        sample: Sample::default(),
    };
    course.good(ms(100), ms(140), &[ms(107), ms(117), ms(130), ms(136)]);
    let near = |found: Duration, expected| assert!(found.as_micros().abs_diff(expected) <= expected / 500, "{found:?}");
    near(course.sample.latency.max(), 40_000);
    near(course.sample.first_event.max(), 7_000);
    // The last one came in time; the first two are one millisecond behind it, the third four.
    near(course.sample.event_lag.max(), 4_000);
    near(course.sample.event_lag.quantile(0.6), 1_000);
    assert_eq!(course.sample.event_lag.len(), 4);
}

#[test]
fn a_stream_that_comes_at_once_has_its_first_event_late() {
    let ms = Duration::from_millis;
    let lag = |seen: &[u64]| {
        let seen: Vec<Duration> = seen.iter().map(|at| ms(*at)).collect();
        lags(&seen, ms(10)).map(|lag| lag.as_millis()).collect::<Vec<_>>()
    };
    assert_eq!(lag(&[5, 15, 25]), [0, 0, 0]);
    assert_eq!(lag(&[25, 25, 25]), [20, 10, 0]);
    assert_eq!(lag(&[5, 18, 25, 45]), [0, 3, 0, 10]);
}
