//! Many streams at once: how late their events are, and what each occupies while it waits.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use benches::wire::chat_request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::median;
use super::process::Process;

const STREAMS: usize = 2000;
const GAP: Duration = Duration::from_millis(20);
const RAMP: Duration = Duration::from_secs(1);
/// Content deltas of a paced stream: six seconds.
const DELTAS: usize = 300;

/// Opens streams that fall silent after their first delta, and prints what each added to the process.
pub(crate) fn idle(folder: &Path) -> io::Result<()> {
    let script = "providers: {idle: {listen: '127.0.0.1:0', respond: {tokens: 18}, \
                  fault: {stall: {after_chunks: 1}}}}";
    let mock = Process::mock(folder, script)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let mut open = Vec::new();
    // What the first streams cost is the process getting ready, not them.
    runtime.block_on(open_streams(mock.address, 50, &mut open))?;
    let before = mock.resident()?;
    runtime.block_on(open_streams(mock.address, STREAMS, &mut open))?;
    let each = (mock.resident()? - before) as f64 / STREAMS as f64 / 1024.0;
    let verdict = if each <= 16.0 { "within" } else { "ABOVE" };
    println!("\n{STREAMS} idle streams: {each:.1} KiB each, {verdict} the bar of 16");
    Ok(())
}

/// Opens so many streams and reads what comes of each at first.
async fn open_streams(address: SocketAddr, count: usize, open: &mut Vec<TcpStream>) -> io::Result<()> {
    let request = chat_request(address, true, 64);
    for _ in 0..count {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(&request).await?;
        let mut seen = Vec::new();
        while count_events(&seen) < 2 {
            if stream.read_buf(&mut seen).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        open.push(stream);
    }
    Ok(())
}

fn count_events(bytes: &[u8]) -> usize {
    bytes.windows(6).filter(|window| window == b"data: ").count()
}

/// Paces all streams at once, and prints how much later than scripted their events arrived.
pub(crate) fn paced(folder: &Path) -> io::Result<()> {
    let script = format!(
        "providers: {{paced: {{listen: '127.0.0.1:0', latency: {{itl: {}ms}}, respond: {{tokens: {DELTAS}}}}}}}",
        GAP.as_millis()
    );
    let mock = Process::mock(folder, &script)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tasks = tokio::task::LocalSet::new();
    let before = mock.cpu_time()?;
    let started = Instant::now();
    let mut late: Vec<f64> = tasks.block_on(&runtime, async {
        let request = chat_request(mock.address, true, 64);
        let clients: Vec<_> = (0..STREAMS)
            .map(|index| {
                let (request, address) = (request.clone(), mock.address);
                tokio::task::spawn_local(async move {
                    // Spread over a second: what is asked is how 2,000 streams go on, not how they begin.
                    tokio::time::sleep(RAMP * u32::try_from(index).unwrap_or(0) / STREAMS as u32).await;
                    follow(address, &request).await
                })
            })
            .collect();
        let mut all = Vec::new();
        for client in clients {
            all.extend(client.await.map_err(io::Error::other)??);
        }
        io::Result::Ok(all)
    })?;
    let elapsed = started.elapsed().as_secs_f64();
    let cpu = (mock.cpu_time()? - before).as_secs_f64();
    late.sort_unstable_by(f64::total_cmp);
    let p99 = late[late.len() * 99 / 100] * 1e3;
    println!(
        "\n{STREAMS} streams, an event every {GAP:?}: {} events in {elapsed:.1} s, {:.1} µs of CPU each ({:.2} cores)",
        late.len(),
        cpu / late.len() as f64 * 1e6,
        cpu / elapsed
    );
    let verdict = if p99 <= 3.0 { "within" } else { "ABOVE" };
    println!("seen late by the client: p50 {:.2} ms, p99 {p99:.2} ms, {verdict} the bar of 3", median(late) * 1e3);
    Ok(())
}

/// Seconds by which each event came later than its gap says, counted from the one that came soonest.
async fn follow(address: SocketAddr, request: &[u8]) -> io::Result<Vec<f64>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    stream.write_all(request).await?;
    let (mut arrivals, mut buffer) = (Vec::with_capacity(DELTAS + 3), Vec::new());
    let begun = Instant::now();
    while !buffer.ends_with(b"0\r\n\r\n") {
        buffer.clear();
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let at = begun.elapsed().as_secs_f64();
        arrivals.extend(std::iter::repeat_n(at, count_events(&buffer)));
    }
    // The role leaves with the first delta, `[DONE]` with the finish: both repeat a neighbour's time.
    let paced = &arrivals[1..arrivals.len() - 1];
    let offset = |(index, at): (usize, &f64)| at - GAP.as_secs_f64() * index as f64;
    let offsets: Vec<f64> = paced.iter().enumerate().map(offset).collect();
    let earliest = offsets.iter().copied().fold(f64::INFINITY, f64::min);
    Ok(offsets.into_iter().map(|offset| offset - earliest).collect())
}
