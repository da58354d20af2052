//! What the kernel says that a process has used; nothing is sampled or estimated.

use std::io::{self, ErrorKind};
use std::time::Duration;

use rustix::io::Errno;

/// What the two clocks of the kernel differ by at most where no thread has ended: one counts in hundredths of a second.
const ROUNDING: Duration = Duration::from_millis(30);

/// Time on a core of a process so far, that of threads and children that have ended included.
pub fn time_of(pid: u32) -> io::Result<Duration> {
    let (threads, (process, children)) = (threads_of(pid)?, process_of(pid)?);
    Ok(children + if process > threads + ROUNDING { process } else { threads })
}

/// Of the process, and of the children that it has waited for: `utime` and `stime`, `cutime` and `cstime` of proc(5), whose
/// unit is always 1/100 s for users.
fn process_of(pid: u32) -> io::Result<(Duration, Duration)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_ascii_whitespace();
    let ticks: Vec<u64> = fields.skip(11).take(4).map(|ticks| ticks.parse().unwrap_or(0)).collect();
    let time = |ticks: &[u64]| Duration::from_millis(ticks.iter().sum::<u64>() * 10);
    let (own, children) = ticks.split_at(ticks.len().min(2));
    Ok((time(own), time(children)))
}

/// Of the threads that there are, in nanoseconds.
fn threads_of(pid: u32) -> io::Result<Duration> {
    let mut total = None;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        match task.and_then(|task| std::fs::read_to_string(task.path().join("schedstat"))) {
            Ok(text) => {
                let nanos = text.split(' ').next().and_then(|nanos| nanos.parse::<u64>().ok());
                total = Some(total.unwrap_or(0) + nanos.unwrap_or(0));
            }
            // A thread that has ended since it was listed; the process still knows its time.
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(error),
        }
    }
    // None of them: the process has ended, or this kernel does not tell.
    total.map(Duration::from_nanos).ok_or_else(|| ErrorKind::NotFound.into())
}

/// Whether it says of a process or thread that it has ended, and not that we may not look.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

    use super::*;

    #[test]
    fn a_process_is_there_while_its_threads_end() {
        let enough = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !enough.load(SeqCst) {
                    let threads = [(); 16].map(|()| std::thread::spawn(|| {}));
                    threads.into_iter().for_each(|thread| thread.join().unwrap());
                }
            });
            let failed = (0..500).find_map(|_| time_of(std::process::id()).err());
            enough.store(true, SeqCst);
            assert!(failed.is_none(), "{failed:?}");
        });
    }

    #[test]
    fn what_may_not_be_looked_at_is_not_gone() {
        assert!(is_gone(&Errno::NOENT.into()) && is_gone(&Errno::SRCH.into()));
        assert!(!is_gone(&Errno::ACCESS.into()) && !is_gone(&Errno::MFILE.into()));
    }
}
