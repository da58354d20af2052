//! One connection of the generator: writes a request, reads its answer, never waits.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use rustix::event::epoll::EventFlags;
use socket2::{Domain, Protocol, Socket, Type};

use crate::answer::{Answer, Fault};

/// Reads in a row of one connection, as long as each fills the space: others and the clock have their turn too.
const READS: usize = 4;

/// A connection, and the request that it carries.
#[derive(Debug)]
pub(super) struct Line {
    stream: TcpStream,
    answer: Answer,
    /// When the request was due; `None` between two requests.
    due: Option<Duration>,
    written: usize,
    /// It has carried a whole answer already.
    proven: bool,
}

/// What the kernel says of a connection; nothing where it was not asked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ready {
    /// There may be something to read.
    readable: bool,
    /// The other side sends no more.
    ended: bool,
}

impl Ready {
    pub(super) fn of(flags: EventFlags) -> Self {
        let ended = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
        Self { readable: ended || flags.contains(EventFlags::IN), ended }
    }
}

/// How far a connection has come.
pub(super) enum Step {
    /// It will go on by itself.
    Waiting,
    /// There may be more to read, of which the kernel will not tell again by itself.
    More,
    /// The answer was whole at this time since the start.
    Whole(Duration),
    /// The other side had closed a kept connection before it saw the request: another one is to carry it.
    Stale,
    /// Nothing was asked, and nothing can be any more.
    Unasked,
    /// There is no good answer.
    Failed(Fault),
}

impl Line {
    /// Begins to connect.
    pub(super) fn open(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        socket.set_tcp_nodelay(true)?;
        // A connection that cannot be had shows in the first write.
        let _ = socket.connect(&address.into());
        Ok(Self { stream: socket.into(), answer: Answer::default(), due: None, written: 0, proven: false })
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(super) fn answer(&mut self) -> &mut Answer {
        &mut self.answer
    }

    pub(super) fn is_busy(&self) -> bool {
        self.due.is_some()
    }

    /// When its request was due.
    pub(super) fn due(&self) -> Duration {
        self.due.unwrap_or_default()
    }

    /// Takes a request that was due then.
    pub(super) fn begin(&mut self, due: Duration) {
        self.due = Some(due);
        self.written = 0;
        self.answer.clear();
    }

    /// Lets go of an answered request; says whether the connection carries another one.
    pub(super) fn rest(&mut self) -> bool {
        self.due = None;
        self.proven = true;
        !self.answer.closes()
    }

    /// Writes and reads what it can without waiting.
    pub(super) fn advance(&mut self, request: &[u8], space: &mut [u8], start: Instant, ready: Ready) -> Step {
        if !self.is_busy() {
            return if ready.ended { Step::Unasked } else { Step::Waiting };
        }
        let mut heard =
            |line: &mut Self| if ready.readable { line.read(space, start, ready.ended) } else { Ok(Step::Waiting) };
        match self.write(request).and_then(|()| heard(self)) {
            Ok(step) => step,
            Err(Fault::Broken) if self.proven && self.answer.is_empty() => Step::Stale,
            Err(fault) => Step::Failed(fault),
        }
    }

    fn write(&mut self, request: &[u8]) -> Result<(), Fault> {
        while self.written < request.len() {
            match self.stream.write(&request[self.written..]) {
                Ok(wrote) => self.written += wrote,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // An answer may have come before the other side closed; reading will tell.
                Err(_) if self.proven || self.written > 0 => break,
                Err(_) => return Err(Fault::Refused),
            }
        }
        Ok(())
    }

    /// Reads until the answer is whole, nothing more has come or others have waited long enough.
    fn read(&mut self, space: &mut [u8], start: Instant, ended: bool) -> Result<Step, Fault> {
        for _ in 0..READS {
            let got = match self.stream.read(space) {
                Ok(0) => return self.answer.end().map(|()| Step::Whole(start.elapsed())),
                Ok(got) => got,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Step::Waiting),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => return Err(Fault::Refused),
                Err(_) => return Err(Fault::Broken),
            };
            let now = start.elapsed();
            if self.answer.read(&space[..got], now)? == ControlFlow::Break(()) {
                return Ok(Step::Whole(now));
            }
            // Less than there is room for: the next bytes are told anew. The end may have been told already.
            if got < space.len() && !ended {
                return Ok(Step::Waiting);
            }
        }
        Ok(Step::More)
    }
}
