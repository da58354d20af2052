//! A client that asks at a fixed rate and never sleeps, so that no answer has to wake it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::wire::{closes, expect_ok};

/// Asks over so many connections in turn for so long, and says how many answers came. Connects anew where an answer ends
/// the connection.
pub fn ask(address: SocketAddr, request: &[u8], connections: usize, rate: f64, time: Duration) -> io::Result<usize> {
    let connections = (0..connections).map(|_| Line::open(address)).collect::<io::Result<Vec<_>>>();
    let (mut lines, started, mut asked, mut answered) = (connections?, Instant::now(), 0usize, 0usize);
    while started.elapsed() < time || answered < asked {
        let due = (started.elapsed().min(time).as_secs_f64() * rate) as usize;
        for line in &mut lines {
            if line.busy {
                answered += usize::from(line.answered()?);
            } else if asked < due {
                line.stream.write_all(request)?;
                line.busy = true;
                asked += 1;
            }
        }
    }
    Ok(answered)
}

/// A connection, and what has come of its answer.
struct Line {
    stream: TcpStream,
    busy: bool,
    got: Vec<u8>,
}

impl Line {
    fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, busy: false, got: Vec::new() })
    }

    /// Whether the answer is whole.
    fn answered(&mut self) -> io::Result<bool> {
        let mut space = [0; 16 << 10];
        match self.stream.read(&mut space) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => self.got.extend_from_slice(&space[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
        if !is_whole(&self.got) {
            return Ok(false);
        }
        expect_ok(&self.got)?;
        if closes(&self.got) {
            *self = Self::open(self.stream.peer_addr()?)?;
        }
        self.got.clear();
        self.busy = false;
        Ok(true)
    }
}

/// By its length, or by the last chunk.
fn is_whole(answer: &[u8]) -> bool {
    let Some(head) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return false };
    let text = String::from_utf8_lossy(&answer[..head]).to_ascii_lowercase();
    let length: Option<usize> =
        text.split_once("content-length: ").and_then(|(_, rest)| rest.lines().next()?.trim().parse().ok());
    match length {
        Some(length) => answer.len() >= head + 4 + length,
        None => answer.ends_with(b"0\r\n\r\n"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_connection_that_an_answer_ends_is_followed_by_another() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let served = std::thread::spawn(move || {
            // one answer on each; the third is opened and not asked
            for stream in listener.incoming().take(3) {
                let mut stream = stream.unwrap();
                if stream.read(&mut [0; 64]).unwrap() == 0 {
                    return;
                }
                stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").unwrap();
            }
        });
        let mut line = Line::open(address).unwrap();
        for _ in 0..2 {
            line.stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
            while !line.answered().unwrap() {}
        }
        drop(line);
        served.join().unwrap();
    }
}
