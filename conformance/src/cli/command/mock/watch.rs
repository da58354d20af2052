//! `windtunnel mock --watch`: the terminal that is drawn on, and what is drawn.
//!
//! Owns the alternate screen, which goes away with the value, and the rates, which need two looks.
//! Refuses to lay out: `frame` does.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mock_providers::fleet::Fleet;

use super::super::Error;
use super::frame::{Frame, Row};

/// How often it is drawn.
pub(super) const PERIOD: Duration = Duration::from_millis(250);
/// Rates are over so many looks.
const LOOKS: usize = 8;
/// The alternate screen, without cursor and line wrap.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";
/// Where the size of the terminal is not known.
const USUAL: (usize, usize) = (80, 24);

/// A terminal that is drawn on until this is dropped.
pub(super) struct Watch {
    fleet: Arc<Fleet>,
    admin: Option<SocketAddr>,
    looks: VecDeque<(Instant, BTreeMap<String, u64>)>,
    notice: String,
}

impl Watch {
    pub(super) fn begin(fleet: Arc<Fleet>, admin: Option<SocketAddr>) -> Result<Self, Error> {
        // A panic would be written to the screen that goes away, were it not left first.
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            leave();
            before(panic);
        }));
        write(ENTER).map_err(Error::io("cannot draw"))?;
        Ok(Self { fleet, admin, looks: VecDeque::new(), notice: String::new() })
    }

    /// Something to be read, until something else is.
    pub(super) fn notice(&mut self, text: &str) {
        text.clone_into(&mut self.notice);
    }

    pub(super) fn draw(&mut self) -> Result<(), Error> {
        let size = rustix::termios::tcgetwinsize(io::stdout())
            .map(|size| (usize::from(size.ws_col), usize::from(size.ws_row)))
            .ok()
            .filter(|(columns, rows)| *columns > 0 && *rows > 0);
        let (columns, rows) = size.unwrap_or(USUAL);
        let text = self.look(rows).render(columns, rows);
        // Line by line over what stands there: clearing first would flicker.
        let lines: Vec<&str> = text.lines().collect();
        write(&format!("\x1b[H{}\x1b[K\x1b[J", lines.join("\x1b[K\r\n"))).map_err(Error::io("cannot draw"))
    }

    fn look(&mut self, rows: usize) -> Frame {
        let running = self.fleet.running();
        let mut providers = Vec::new();
        let (mut counts, mut exchanges) = (BTreeMap::new(), Vec::new());
        for member in running.members() {
            let (name, tally) = (member.provider().name().to_owned(), member.provider().tally());
            counts.insert(name.clone(), tally.received);
            let rate = self.rate(&name, tally.received);
            providers.push(Row { name, url: member.url(), rate, tally });
            exchanges.extend(member.provider().latest(rows));
        }
        exchanges.sort_by_key(|record| std::cmp::Reverse(record.received_at));
        self.looks.push_back((Instant::now(), counts));
        if self.looks.len() > LOOKS {
            self.looks.pop_front();
        }
        Frame {
            version: running.version,
            up: self.fleet.origin().elapsed(),
            admin: self.admin,
            paused: self.fleet.is_paused(),
            saturated: self.fleet.saturated(),
            providers,
            states: running.states().all(),
            exchanges,
            notice: self.notice.clone(),
        }
    }

    /// Requests a second since the oldest look.
    fn rate(&self, name: &str, received: u64) -> f64 {
        let Some((at, counts)) = self.looks.front() else { return 0.0 };
        let before = counts.get(name).copied().unwrap_or(received);
        received.saturating_sub(before) as f64 / at.elapsed().as_secs_f64().max(0.001)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        leave();
    }
}

fn leave() {
    // A terminal that is gone needs no restoring.
    let _ = write(LEAVE);
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
