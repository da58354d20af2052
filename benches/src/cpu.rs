//! What the kernel says that a process has used; nothing is sampled or estimated.

use std::io;
use std::time::Duration;

/// What the two clocks of the kernel differ by at most where no thread has ended: one counts in hundredths of a second.
const ROUNDING: Duration = Duration::from_millis(30);

/// Time on a core of a process so far, that of threads that have ended included.
pub fn time_of(pid: u32) -> io::Result<Duration> {
    let (threads, process) = (threads_of(pid)?, process_of(pid)?);
    Ok(if process > threads + ROUNDING { process } else { threads })
}

/// Of the process, in hundredths of a second: `utime` and `stime` of proc(5), whose unit is always 1/100 s for users.
fn process_of(pid: u32) -> io::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_ascii_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 10))
}

/// Of the threads that there are, in nanoseconds.
fn threads_of(pid: u32) -> io::Result<Duration> {
    let mut total = 0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
        total += text.split(' ').next().and_then(|nanos| nanos.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(Duration::from_nanos(total))
}
