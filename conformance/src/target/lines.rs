//! The output of a target, line by line, as it comes.
//! Owns no meaning: patterns are the target file's.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncSeekExt, BufReader};
use tokio::sync::watch;

/// The lines of one or more streams, with the time at which each came.
#[derive(Debug, Clone)]
pub struct Lines {
    lines: Arc<Mutex<Vec<(Duration, String)>>>,
    count: Arc<watch::Sender<usize>>,
    /// Streams that have not ended.
    open: Arc<watch::Sender<usize>>,
}

impl Default for Lines {
    fn default() -> Lines {
        Lines { lines: Arc::default(), count: Arc::new(watch::channel(0).0), open: Arc::new(watch::channel(0).0) }
    }
}

impl Lines {
    /// Of a target whose output nobody can read.
    pub fn none() -> Lines {
        Lines::default()
    }

    /// Of a file, from its present end on.
    pub fn follow(file: PathBuf, origin: Instant) -> Lines {
        let lines = Lines::default();
        lines.tail(file, origin);
        lines
    }

    /// Adds the lines of a stream, in the background, until it ends.
    pub fn read(&self, stream: impl AsyncRead + Unpin + Send + 'static, origin: Instant) {
        let lines = self.clone();
        self.open.send_modify(|open| *open += 1);
        tokio::spawn(async move {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).await.is_ok_and(|size| size > 0) {
                lines.push(origin, &line);
                line.clear();
            }
            lines.open.send_modify(|open| *open -= 1);
        });
    }

    /// Adds the lines that a file grows by, for as long as anybody listens.
    pub fn tail(&self, file: PathBuf, origin: Instant) {
        let lines = self.clone();
        // A file has no end: more may always come.
        self.open.send_modify(|open| *open += 1);
        tokio::spawn(async move {
            let mut line = Vec::new();
            let mut reader = loop {
                match tokio::fs::File::open(&file).await {
                    Ok(mut file) => {
                        let _ = file.seek(std::io::SeekFrom::End(0)).await;
                        break BufReader::new(file);
                    }
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
                if Arc::strong_count(&lines.lines) == 1 {
                    return;
                }
            };
            while Arc::strong_count(&lines.lines) > 1 {
                match reader.read_until(b'\n', &mut line).await {
                    Ok(size) if size > 0 && line.ends_with(b"\n") => {
                        lines.push(origin, &line);
                        line.clear();
                    }
                    Ok(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                    Err(_) => return,
                }
            }
        });
    }

    fn push(&self, origin: Instant, line: &[u8]) {
        let text = String::from_utf8_lossy(line).trim_end().to_owned();
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push((origin.elapsed(), text));
        self.count.send_replace(lines.len());
    }

    /// All lines so far.
    pub fn all(&self) -> Vec<(Duration, String)> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
            let seen = self.all();
            if let Some(index) = (next..seen.len()).find(|index| wanted(&seen[*index].1)) {
                return Some((index, seen[index].1.clone()));
            }
            if ended {
                return None;
            }
            next = seen.len().max(start);
            tokio::select! {
                changed = count.changed() => changed.ok()?,
                changed = open.changed() => changed.ok()?,
            }
        }
    }

    /// As one text, from a line on.
    pub fn text(&self, start: usize) -> String {
        let lines: Vec<String> = self.all().into_iter().skip(start).map(|(_, line)| line).collect();
        lines.join("\n")
    }
}
