//! The output of a target, line by line, as it comes.
//! Owns no meaning: patterns are the target file's.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncSeekExt, BufReader};
use tokio::sync::watch;

/// Bytes of a line that are kept.
const LINE: u64 = 256 * 1024;
/// Lines that are kept; what a target prints beyond them is read and dropped.
const KEPT: usize = 100_000;
/// Bytes that are kept of all lines together.
const BYTES: usize = 64 * 1024 * 1024;

#[derive(Debug, Default)]
struct Kept {
    lines: Vec<(Duration, String)>,
    bytes: usize,
}

/// The lines of one or more streams, with the time at which each came.
#[derive(Debug, Clone)]
pub struct Lines {
    lines: Arc<Mutex<Kept>>,
    count: Arc<watch::Sender<usize>>,
    /// Streams that have not ended.
    open: Arc<watch::Sender<usize>>,
    /// Left out of every line; empty when nothing is.
    without: Arc<str>,
}

impl Default for Lines {
    fn default() -> Lines {
        Lines::without("")
    }
}

impl Lines {
    /// Lines that are kept without this text.
    pub fn without(text: &str) -> Lines {
        let (count, open) = (Arc::new(watch::channel(0).0), Arc::new(watch::channel(0).0));
        Lines { lines: Arc::default(), count, open, without: text.into() }
    }

    /// Of a target whose output nobody can read.
    pub fn none() -> Lines {
        Lines::default()
    }

    /// Of a file, from its present end on.
    pub fn follow(file: PathBuf, origin: Instant) -> Lines {
        let lines = Lines::default();
        let from = length(&file);
        lines.tail(file, from, origin);
        lines
    }

    /// Adds the lines of a stream, in the background, until it ends.
    pub fn read(&self, stream: impl AsyncRead + Unpin + Send + 'static, origin: Instant) {
        let lines = self.clone();
        self.open.send_modify(|open| *open += 1);
        tokio::spawn(async move {
            let mut reader = BufReader::new(stream);
            let (mut line, mut come) = (Vec::new(), Vec::new());
            // A longer line goes on as the next one.
            while (&mut reader).take(LINE).read_until(b'\n', &mut line).await.is_ok_and(|size| size > 0) {
                come.push(std::mem::take(&mut line));
                // What has come together is there together: who waits for the first line of an error sees all of it.
                if !reader.buffer().contains(&b'\n') {
                    lines.push(origin, &come);
                    come.clear();
                }
            }
            lines.push(origin, &come);
            lines.open.send_modify(|open| *open -= 1);
        });
    }

    /// Adds the lines that a file has or gets behind its first `from` bytes, for as long as anybody listens.
    pub fn tail(&self, file: PathBuf, from: u64, origin: Instant) {
        let lines = self.clone();
        // A file has no end: more may always come.
        self.open.send_modify(|open| *open += 1);
        tokio::spawn(async move {
            let mut line = Vec::new();
            let mut reader = loop {
                match tokio::fs::File::open(&file).await {
                    Ok(mut file) => {
                        let _ = file.seek(std::io::SeekFrom::Start(from)).await;
                        break BufReader::new(file);
                    }
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
                if Arc::strong_count(&lines.lines) == 1 {
                    return;
                }
            };
            while Arc::strong_count(&lines.lines) > 1 {
                match (&mut reader).take(LINE).read_until(b'\n', &mut line).await {
                    Ok(size) if size > 0 && (line.ends_with(b"\n") || line.len() as u64 >= LINE) => {
                        lines.push(origin, &[std::mem::take(&mut line)]);
                    }
                    Ok(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                    Err(_) => return,
                }
            }
        });
    }

    fn push(&self, origin: Instant, lines: &[Vec<u8>]) {
        let mut kept = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        for line in lines {
            let mut text = String::from_utf8_lossy(line).trim_end().to_owned();
            if !self.without.is_empty() {
                text = text.replace(&*self.without, "");
            }
            if kept.lines.len() < KEPT && kept.bytes + text.len() <= BYTES {
                kept.bytes += text.len();
                kept.lines.push((origin.elapsed(), text));
            }
        }
        self.count.send_replace(kept.lines.len());
    }

    /// All lines so far.
    pub fn all(&self) -> Vec<(Duration, String)> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).lines.clone()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        *self.count.borrow()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits for a line from `start` on that `wanted` accepts; `None` when all streams have ended before.
    pub async fn find(&self, start: usize, wanted: impl Fn(&str) -> bool) -> Option<(usize, String)> {
        let (mut count, mut open) = (self.count.subscribe(), self.open.subscribe());
        let mut next = start;
        loop {
            count.borrow_and_update();
            let ended = *open.borrow_and_update() == 0;
            let kept = self.lines.lock().unwrap_or_else(PoisonError::into_inner).lines.len();
            if let Some(found) = self.first(next, &wanted) {
                return Some(found);
            }
            if ended {
                return None;
            }
            next = kept.max(start);
            // A target that prints without pause must not keep us from noticing that time is up.
            tokio::task::yield_now().await;
            tokio::select! {
                changed = count.changed() => changed.ok()?,
                changed = open.changed() => changed.ok()?,
            }
        }
    }

    /// The first line from `start` on that `wanted` accepts.
    fn first(&self, start: usize, wanted: &impl Fn(&str) -> bool) -> Option<(usize, String)> {
        let kept = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let index = (start..kept.lines.len()).find(|index| wanted(&kept.lines[*index].1))?;
        Some((index, kept.lines[index].1.clone()))
    }

    /// As one text, from a line on; of a long one the beginning and the end.
    pub fn text(&self, start: usize) -> String {
        const SHOWN: usize = 40;
        let kept = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<&str> = kept.lines.iter().skip(start).map(|(_, line)| line.as_str()).collect();
        if lines.len() <= 2 * SHOWN {
            return lines.join("\n");
        }
        let left_out = format!("… {} lines …", lines.len() - 2 * SHOWN);
        [&lines[..SHOWN], &[left_out.as_str()], &lines[lines.len() - SHOWN..]].concat().join("\n")
    }
}

/// The length of a file; one that is not there yet has none.
pub(super) fn length(file: &std::path::Path) -> u64 {
    std::fs::metadata(file).map_or(0, |facts| facts.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn lines_that_come_together_are_seen_together() {
        for _ in 0..200 {
            let lines = Lines::default();
            lines.read(std::io::Cursor::new("error: no\n --> port\n"), Instant::now());
            let (at, _) = lines.find(0, |line| line.starts_with("error")).await.unwrap();
            assert_eq!(lines.text(at), "error: no\n --> port");
        }
    }

    #[tokio::test]
    async fn output_without_an_end_of_line_is_kept_in_pieces_and_up_to_a_limit() {
        let lines = Lines::default();
        lines.read(tokio::io::repeat(b'x').take(3 * LINE), Instant::now());
        assert_eq!(lines.find(usize::MAX, |_| false).await, None);
        assert_eq!(lines.len(), 3);
        let short = Lines::default();
        short.read(std::io::Cursor::new("a line\n".repeat(KEPT + 5)), Instant::now());
        assert_eq!(short.find(usize::MAX, |_| false).await, None);
        assert_eq!(short.len(), KEPT);
        assert!(short.text(0).contains("lines …") && short.text(0).len() < 1000);
    }
}
