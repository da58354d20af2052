//! How far a benchmark is: one line that is overwritten on a terminal, one line a window elsewhere.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use crate::bench::measure::Told;

/// How often the line is drawn anew.
const PERIOD: Duration = Duration::from_millis(250);

/// Writes to standard error.
pub(super) struct Progress {
    terminal: bool,
    drawn: Duration,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), drawn: Duration::ZERO }
    }

    pub(super) fn tell(&mut self, told: &Told<'_>) {
        let mut out = std::io::stderr();
        // Whoever reads it may have gone; the benchmark goes on.
        let _ = match told {
            Told::Running(name, time, good, failed) if self.terminal => {
                if *time >= self.drawn && *time < self.drawn + PERIOD {
                    return;
                }
                self.drawn = *time;
                let failed = if *failed > 0 { format!(", {failed} failed") } else { String::new() };
                write!(out, "\r\x1b[2K{name}: {:.1} s, {good} answers{failed}", time.as_secs_f64())
            }
            Told::Running(..) => Ok(()),
            Told::Ended(line) if self.terminal => write!(out, "\r\x1b[2K{line}"),
            Told::Ended(line) => writeln!(out, "{line}"),
        };
        let _ = out.flush();
    }

    pub(super) fn clear(&self) {
        if self.terminal {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
    }
}
