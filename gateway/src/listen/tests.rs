use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::LocalSet;
use tokio::task::coop::{consume_budget, has_budget_remaining};

use super::*;
use crate::balance::Balance;
use crate::otlp::{Exporter, Setup};
use crate::snapshot::Snapshot;
use crate::telemetry::{self, Form};
use crate::upstream::Pool;
use crate::worker::Shared;
use crate::{Options, http2::Local};

const PORT: u16 = 8080;
/// Nothing is served, which every answer says.
const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_task_without_budget_hears_that_its_port_stops() {
    let (stage, mut now) = watch::channel(Stage::Serving);
    let mut stops = pin!(reached(&mut now, Stage::Stopping));
    let waits = poll_fn(|cx| Poll::Ready(stops.as_mut().poll(cx).is_pending())).await;
    stage.send_replace(Stage::Stopping);
    let looked = poll_fn(|cx| {
        while has_budget_remaining() {
            let _used = pin!(consume_budget()).poll(cx);
        }
        Poll::Ready(stops.as_mut().poll(cx).is_ready())
    });
    assert!(waits && looked.await);
}

fn worker(balance: Balance) -> Rc<Worker> {
    let shared = Arc::new(Shared::new(Snapshot::default(), &Options::default()));
    let traces = Exporter::start(Setup::default()).unwrap();
    let (sink, ..) = telemetry::start(Box::new(io::sink()), Form::Json, traces, None).unwrap();
    Rc::new(Worker::new(shared, Pool::new(Vec::new(), Vec::new()), sink.of_a_core()).beside(balance))
}

fn open() -> (Command, SocketAddr) {
    let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    (Command::Open(PORT, listener, Arc::new(Semaphore::new(16))), address)
}

async fn in_time<T>(step: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, step).await.expect("in time")
}

/// A core that accepts everybody for another one.
struct Pair {
    host: mpsc::UnboundedSender<Command>,
    guests: mpsc::UnboundedSender<Command>,
    /// What the other core is told, before it is.
    told: mpsc::UnboundedReceiver<Command>,
    address: SocketAddr,
    ended: Vec<tokio::task::JoinHandle<()>>,
}

impl Pair {
    fn new() -> Self {
        let (host, of_host) = mpsc::unbounded_channel();
        let (guests, of_guests) = mpsc::unbounded_channel();
        let (tell, told) = mpsc::unbounded_channel();
        let crew = Crew::new(Placement::elsewhere(), vec![tell]);
        let ended = vec![
            spawn_local(run(worker(Balance::default()), of_host, PATIENCE, crew)),
            spawn_local(run(worker(Balance::default()), of_guests, PATIENCE, Crew::default())),
        ];
        let (open, address) = open();
        host.send(open).unwrap();
        Self { host, guests, told, address, ended }
    }

    /// Lets the other core hear of one thing, and says whether it is a client.
    async fn pass_on(&mut self) -> bool {
        let command = in_time(self.told.recv()).await.unwrap();
        let client = matches!(command, Command::Serve(_));
        self.guests.send(command).unwrap();
        client
    }
}

#[tokio::test]
async fn who_was_accepted_for_another_core_is_served_there_whatever_becomes_of_the_port() {
    type Fate = fn(std::sync::mpsc::SyncSender<()>) -> Command;
    let close: Fate = |closed| Command::Close(PORT, closed);
    let renew: Fate = |renewed| Command::Renew(PORT, renewed);
    let stop: Fate = |_| Command::Stop;
    for (fate, stops) in [(close, false), (renew, false), (stop, true)] {
        let several = async {
            let mut pair = Pair::new();
            let mut clients = Vec::new();
            for _ in 0..3 {
                let mut client = TcpStream::connect(pair.address).await.unwrap();
                client.write_all(&ASK[..10]).await.unwrap();
                clients.push(client);
            }
            let (done, all_done) = std::sync::mpsc::sync_channel(1);
            // one of them is met in time, the others on the way to the other core
            assert!(pair.pass_on().await);
            while pair.told.len() < 2 {
                tokio::task::yield_now().await;
            }
            pair.host.send(fate(done)).unwrap();
            assert!(pair.pass_on().await && pair.pass_on().await);
            assert!(!pair.pass_on().await, "then what becomes of the port");
            for mut client in clients {
                client.write_all(&ASK[10..]).await.unwrap();
                let mut answer = Vec::new();
                in_time(client.read_to_end(&mut answer)).await.unwrap();
                assert!(answer.starts_with(b"HTTP/1.1 404 "), "{:?}", answer.escape_ascii());
            }
            let told = in_time(tokio::task::spawn_blocking(move || all_done.recv_timeout(PATIENCE))).await.unwrap();
            assert_eq!(told, Err(std::sync::mpsc::RecvTimeoutError::Disconnected), "both cores let go of it");
            if !stops {
                pair.host.send(Command::Stop).unwrap();
                assert!(!pair.pass_on().await);
            }
            for ended in pair.ended {
                in_time(ended).await.unwrap();
            }
        };
        LocalSet::new().run_until(several).await;
    }
}

#[tokio::test]
async fn a_client_of_a_core_that_is_gone_is_served_by_the_one_that_accepted_it() {
    let alone = async {
        let (tell, gone) = mpsc::unbounded_channel();
        drop(gone);
        let (host, of_host) = mpsc::unbounded_channel();
        let crew = Crew::new(Placement::elsewhere(), vec![tell]);
        let ended = spawn_local(run(worker(Balance::default()), of_host, PATIENCE, crew));
        let (open, address) = open();
        host.send(open).unwrap();
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(ASK).await.unwrap();
        let mut answer = [0; 12];
        in_time(client.read_exact(&mut answer)).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 404");
        host.send(Command::Stop).unwrap();
        in_time(ended).await.unwrap();
    };
    LocalSet::new().run_until(alone).await;
}

#[tokio::test]
async fn a_core_with_too_much_to_do_ends_as_many_connections_as_it_must() {
    let crowded = async {
        let (commands, orders) = mpsc::unbounded_channel();
        let core = worker(Balance::crowded(1));
        let ended = spawn_local(run(core, orders, PATIENCE, Crew::default()));
        let (open, address) = open();
        commands.send(open).unwrap();
        let mut closes = Vec::new();
        for _ in 0..2 {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(ASK).await.unwrap();
            let mut answer = [0; 2048];
            let read = in_time(client.read(&mut answer)).await.unwrap();
            closes.push(memchr::memmem::find(&answer[..read], b"connection: close").is_some());
        }
        assert_eq!(closes, [true, false]);
        commands.send(Command::Stop).unwrap();
        in_time(ended).await.unwrap();
    };
    LocalSet::new().run_until(crowded).await;
}

#[tokio::test]
async fn over_http2_too_and_what_is_in_flight_goes_on() {
    let crowded = async {
        let (commands, orders) = mpsc::unbounded_channel();
        let ended = spawn_local(run(worker(Balance::crowded(1)), orders, PATIENCE, Crew::default()));
        let (open, address) = open();
        commands.send(open).unwrap();
        for goes in [true, false] {
            let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
            let client = hyper::client::conn::http2::Builder::new(Local).handshake(stream);
            let (mut asking, connection) = client.await.unwrap();
            let mut connection = spawn_local(connection);
            let ask = || http::Request::get("http://a/").body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap();
            assert_eq!(in_time(asking.send_request(ask())).await.unwrap().status(), 404);
            if goes {
                in_time(&mut connection).await.unwrap().unwrap();
            } else {
                assert_eq!(in_time(asking.send_request(ask())).await.unwrap().status(), 404);
            }
        }
        commands.send(Command::Stop).unwrap();
        in_time(ended).await.unwrap();
    };
    LocalSet::new().run_until(crowded).await;
}
