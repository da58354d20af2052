//! The generator where no more files can be opened. The limit is the whole process's, so this test has one for itself.

use std::net::TcpListener;
use std::ops::ControlFlow;
use std::time::Duration;

use benches::answer::Fault;
use benches::arrivals::Spacing;
use benches::load::{Client, Load, Pace, Request};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[test]
fn requests_wait_for_a_connection_where_no_file_is_left() {
    // Nobody accepts: the kernel connects, and no answer ever comes.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = Client::new(listener.local_addr().unwrap()).unwrap();
    setrlimit(Resource::Nofile, Rlimit { current: Some(32), ..getrlimit(Resource::Nofile) }).unwrap();
    let (window, timeout) = (Duration::from_millis(200), Duration::from_millis(400));
    let pace = Pace::Open { rate: 500.0, spacing: Spacing::Uniform, seed: 1 };
    let load = Load { pace, window, timeout, connections: 1024, gap: None };
    let request = Request { bytes: b"x".to_vec(), stream: false, text: None, varies: true };
    let (sample, _) = client.run(&request, &load, &mut |_, _, _| ControlFlow::Continue(())).unwrap().unwrap();
    assert_eq!((sample.due, sample.faults), (99, vec![(Fault::TimedOut, 99)]));
}
