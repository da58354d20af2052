//! The load generator: one loop on one thread for every kind of load.
//!
//! Latency counts from when a request was due, not from when it could be sent, so a target that stalls is charged for
//! all who would have asked meanwhile. Connections are kept between requests and windows, and another one is opened
//! when none is free. The loop sleeps until the next arrival or answer; how late it was is part of the sample.
//! Plain HTTP only; Linux only (`epoll` with nanoseconds).

mod line;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::EventFlags;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::thread::set_current_timer_slack;

use crate::answer::{Answer, Fault};
use crate::arrivals::{Arrivals, Spacing};
use crate::sample::Sample;
use line::{Line, Ready, Step};

/// When requests are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// At times fixed beforehand: `rate` a second.
    Open {
        /// Requests a second.
        rate: f64,
        /// How they are spread.
        spacing: Spacing,
        /// Of the schedule.
        seed: u64,
    },
    /// So many callers, each of which asks again when it is answered. Waiting callers do not ask, so latencies of a
    /// stall are left out.
    Closed {
        /// How many.
        connections: usize,
    },
}

/// One window's load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// When requests are sent.
    pub pace: Pace,
    /// For how long; answers to what was asked by then are waited for.
    pub window: Duration,
    /// How long an answer may take from when it was due.
    pub timeout: Duration,
    /// Most connections at once; further requests wait, and that counts.
    pub connections: usize,
    /// The provider's time between two events, where it keeps one.
    pub gap: Option<Duration>,
}

/// What is asked again and again, and what must come back. Not shown by `Debug`: there may be a key in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The bytes of the request.
    pub bytes: Vec<u8>,
    /// Whether the answer is a stream.
    pub stream: bool,
    /// Characters of the answer's text; `None` takes those of the first answer. Ignored where texts `varies`.
    pub text: Option<u64>,
    /// Answers need not have the same text.
    pub varies: bool,
}

/// What a loop tells while it runs: how long it has, good answers and failures. Whoever hears it may end the window.
pub type Tick<'a> = &'a mut dyn FnMut(Duration, u64, u64) -> ControlFlow<()>;

/// How often the loop looks for answers that take too long, and tells how far it is.
const TICK: Duration = Duration::from_millis(100);
/// Nearer arrivals are waited for without sleeping: waking up takes as long.
const SPIN: Duration = Duration::from_micros(20);

/// What is asked about connections; each change is told once.
const FLAGS: EventFlags = EventFlags::IN.union(EventFlags::OUT).union(EventFlags::RDHUP).union(EventFlags::ET);

/// The connections to one address, and the loop over them.
#[derive(Debug)]
pub struct Client {
    address: SocketAddr,
    epoll: OwnedFd,
    lines: Vec<Option<Line>>,
    /// The last one used comes first.
    idle: Vec<usize>,
    vacant: Vec<usize>,
    space: Vec<u8>,
}

/// What a window is in the middle of.
struct Course<'a> {
    request: &'a Request,
    load: &'a Load,
    start: Instant,
    /// When the requests that wait for a connection were due.
    waiting: VecDeque<Duration>,
    busy: usize,
    expected: Option<u64>,
    sample: Sample,
}

impl Client {
    /// A client without connections yet.
    pub fn new(address: SocketAddr) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self { address, epoll, lines: Vec::new(), idle: Vec::new(), vacant: Vec::new(), space: vec![0; 64 << 10] })
    }

    /// Runs one window. Only trouble of our own is an error; the target's is in the sample, with the text's length.
    /// `None` where `tick` ended it.
    pub fn run(&mut self, request: &Request, load: &Load, tick: Tick<'_>) -> io::Result<Option<(Sample, Option<u64>)>> {
        // The default lets every sleep be 50 µs late.
        set_current_timer_slack(NonZeroU64::new(1))?;
        let mut course = Course {
            request,
            load,
            start: Instant::now(),
            waiting: VecDeque::new(),
            busy: 0,
            expected: request.text,
            sample: Sample::default(),
        };
        if self.go(&mut course, tick)?.is_break() {
            // what is still on its way belongs to nobody
            *self = Self::new(self.address)?;
            return Ok(None);
        }
        course.sample.took = course.sample.took.max(load.window);
        Ok(Some((course.sample, course.expected)))
    }

    fn go(&mut self, course: &mut Course<'_>, tick: Tick<'_>) -> io::Result<ControlFlow<()>> {
        let (mut arrivals, mut ticked) = (course.arrivals(), Duration::ZERO);
        let mut next = arrivals.as_mut().and_then(Iterator::next);
        let mut events = Vec::with_capacity(256);
        loop {
            let now = course.now();
            while let Some(due) = next.filter(|due| *due <= now && *due < course.load.window) {
                course.due(due);
                next = arrivals.as_mut().and_then(Iterator::next);
            }
            self.begin(course)?;
            if now >= ticked + TICK {
                ticked = now;
                self.give_up(course, now);
                if tick(now, course.sample.good(), course.sample.failed()).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            next = next.filter(|due| *due < course.load.window);
            if next.is_none() && course.is_over() {
                return Ok(ControlFlow::Continue(()));
            }
            self.wait(
                &mut events,
                next.map_or(ticked + TICK, |due| due.min(ticked + TICK)).saturating_sub(course.now()),
            )?;
            for event in events.drain(..) {
                let at = usize::try_from(event.data.u64()).expect("it was an index when it was registered");
                self.advance(course, at, Ready::of(event.flags))?;
            }
        }
    }

    /// Sends what waits, as far as there are connections.
    fn begin(&mut self, course: &mut Course<'_>) -> io::Result<()> {
        while let Some(&due) = course.waiting.front() {
            let Some(at) = self.free(course)? else { return Ok(()) };
            course.waiting.pop_front();
            let now = course.now();
            course.sample.send_lag.record(now.saturating_sub(due));
            course.busy += 1;
            let line = self.lines[at].as_mut().expect("a free line is there");
            line.begin(due);
            self.advance(course, at, Ready::default())?;
        }
        Ok(())
    }

    /// A connection that carries no request: the one used last, else a new one, else none.
    fn free(&mut self, course: &Course<'_>) -> io::Result<Option<usize>> {
        if let Some(at) = self.idle.pop() {
            return Ok(Some(at));
        }
        if course.busy >= course.load.connections {
            return Ok(None);
        }
        let line = match Line::open(self.address) {
            // The system's limit is one more: who waits for a connection waits for it, too.
            Err(error) if course.busy > 0 && is_full(&error) => return Ok(None),
            line => line?,
        };
        let at = self.vacant.pop().unwrap_or(self.lines.len());
        epoll::add(&self.epoll, line.stream(), epoll::EventData::new_u64(at as u64), FLAGS)?;
        match self.lines.get_mut(at) {
            Some(place) => *place = Some(line),
            None => self.lines.push(Some(line)),
        }
        Ok(Some(at))
    }

    fn wait(&mut self, events: &mut Vec<epoll::Event>, time: Duration) -> io::Result<()> {
        let time = if time <= SPIN { Duration::ZERO } else { time };
        let time = Timespec { tv_sec: time.as_secs() as _, tv_nsec: time.subsec_nanos() as _ };
        match epoll::wait(&self.epoll, spare_capacity(events), Some(&time)) {
            Err(rustix::io::Errno::INTR) => Ok(()),
            waited => waited.map(|_| ()).map_err(Into::into),
        }
    }

    /// Writes and reads what a connection can.
    fn advance(&mut self, course: &mut Course<'_>, at: usize, ready: Ready) -> io::Result<()> {
        let Some(line) = self.lines.get_mut(at).and_then(Option::as_mut) else { return Ok(()) };
        let step = line.advance(&course.request.bytes, &mut self.space, course.start, ready);
        match step {
            Step::Waiting => {}
            // Asked anew, it tells anew.
            Step::More => epoll::modify(&self.epoll, line.stream(), epoll::EventData::new_u64(at as u64), FLAGS)?,
            Step::Unasked => {
                self.idle.retain(|idle| *idle != at);
                self.close(at);
            }
            Step::Whole(now) => {
                let due = line.due();
                course.answered(due, now, line.answer());
                if line.rest() { self.idle.push(at) } else { self.close(at) }
            }
            Step::Stale => {
                course.busy -= 1;
                course.sample.reconnected += 1;
                course.waiting.push_front(line.due());
                self.close(at);
            }
            Step::Failed(fault) => {
                course.failed(fault);
                self.close(at);
            }
        }
        Ok(())
    }

    fn close(&mut self, at: usize) {
        // The kernel forgets it with its descriptor.
        self.lines[at] = None;
        self.vacant.push(at);
    }

    /// Ends what takes too long.
    fn give_up(&mut self, course: &mut Course<'_>, now: Duration) {
        let timeout = course.load.timeout;
        while course.waiting.front().is_some_and(|due| *due + timeout <= now) {
            course.waiting.pop_front();
            course.sample.fail(Fault::TimedOut);
        }
        for at in 0..self.lines.len() {
            if self.lines[at].as_ref().is_some_and(|line| line.is_busy() && line.due() + timeout <= now) {
                course.failed(Fault::TimedOut);
                self.close(at);
            }
        }
    }
}

impl Course<'_> {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// The schedule of an open loop; a closed one begins with all of its callers.
    fn arrivals(&mut self) -> Option<Arrivals> {
        match self.load.pace {
            Pace::Open { rate, spacing, seed } => Some(Arrivals::new(rate, spacing, seed)),
            Pace::Closed { connections } => {
                (0..connections).for_each(|_| self.due(Duration::ZERO));
                None
            }
        }
    }

    fn due(&mut self, due: Duration) {
        self.sample.due += 1;
        self.waiting.push_back(due);
    }

    fn is_over(&self) -> bool {
        self.busy == 0 && self.waiting.is_empty()
    }

    fn answered(&mut self, due: Duration, now: Duration, answer: &mut Answer) {
        let request = self.request;
        let judged = answer.judge(request.stream).and_then(|got| match *self.expected.get_or_insert(got) {
            expected if expected != got && !request.varies => Err(Fault::OtherText { got, expected }),
            _ => Ok(()),
        });
        match judged {
            Ok(()) => self.good(due, now, answer.seen()),
            Err(fault) => self.sample.fail(fault),
        }
        self.released(now);
    }

    fn good(&mut self, due: Duration, now: Duration, seen: &[Duration]) {
        self.sample.latency.record(now.saturating_sub(due));
        let Some(first) = seen.first() else { return };
        self.sample.first_event.record(first.saturating_sub(due));
        if let Some(gap) = self.load.gap {
            lags(seen, gap).for_each(|lag| self.sample.event_lag.record(lag));
        }
    }

    fn failed(&mut self, fault: Fault) {
        self.sample.fail(fault);
        self.released(self.now());
    }

    /// A request has ended; in a closed loop its caller asks again.
    fn released(&mut self, now: Duration) {
        self.busy -= 1;
        self.sample.took = self.sample.took.max(now);
        if matches!(self.load.pace, Pace::Closed { .. }) && now < self.load.window {
            self.due(now);
        }
    }
}

/// Whether no more files can be opened, by this process or on this machine.
fn is_full(error: &io::Error) -> bool {
    [Errno::MFILE, Errno::NFILE].iter().any(|full| error.raw_os_error() == Some(full.raw_os_error()))
}

/// How late each event is at this pace, beside the one that is the least late: whoever holds events back makes the first of
/// them late, and not the last of them early.
fn lags(seen: &[Duration], gap: Duration) -> impl Iterator<Item = Duration> {
    let since_due = move |(at, seen): (u32, &Duration)| seen.as_secs_f64() - gap.as_secs_f64() * f64::from(at);
    let least = (0..).zip(seen).map(since_due).fold(f64::INFINITY, f64::min);
    (0..).zip(seen).map(move |event| Duration::from_secs_f64((since_due(event) - least).max(0.0)))
}

#[cfg(test)]
mod tests;
