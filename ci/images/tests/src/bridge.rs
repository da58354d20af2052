//! A way to an engine that is older than testcontainers (its version is fixed, Debian's engine knows no newer one than 1.41):
//! a socket on which the version in each request's path becomes the engine's. Nothing else is changed.

use std::path::Path;
use std::process::{Command, ExitCode};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{UnixListener, UnixStream};

/// Set for the process behind the bridge.
pub(crate) const BRIDGED: &str = "WINDTUNNEL_BRIDGED";
const ENGINE: &str = "/var/run/docker.sock";

/// Runs this program again with the bridge as its Docker: a process does not change its own environment.
pub(crate) fn through(engine: (u32, u32)) -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("docker.sock");
    let listener = runtime.block_on(async { UnixListener::bind(&socket) }).expect("a socket");
    let named = std::env::var("DOCKER_HOST").ok();
    let to = named.as_deref().and_then(|host| host.strip_prefix("unix://")).unwrap_or(ENGINE).to_owned();
    runtime.spawn(serve(listener, to, engine));
    let program = std::env::current_exe().expect("this program has a path");
    let mut again = Command::new(program);
    again
        .args(std::env::args_os().skip(1))
        .env(BRIDGED, "1")
        .env("DOCKER_HOST", format!("unix://{}", socket.display()));
    let status = again.status().expect("this program runs");
    ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

async fn serve(listener: UnixListener, to: String, engine: (u32, u32)) {
    while let Ok((from, _)) = listener.accept().await {
        let to = to.clone();
        // a connection that fails is the caller's to notice
        tokio::spawn(async move { relay(from, Path::new(&to), engine).await });
    }
}

/// One request: the engine is asked to close behind it, so that no other head follows on the connection.
async fn relay(mut from: UnixStream, to: &Path, engine: (u32, u32)) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if from.read(&mut byte).await? == 0 {
            return Ok(());
        }
        head.push(byte[0]);
    }
    let mut to = UnixStream::connect(to).await?;
    to.write_all(translated(&String::from_utf8_lossy(&head), engine).as_bytes()).await?;
    copy_bidirectional(&mut from, &mut to).await.map(drop)
}

fn translated(head: &str, (major, minor): (u32, u32)) -> String {
    let (line, rest) = head.split_once("\r\n").unwrap_or((head, "\r\n"));
    let versioned = line.split_once(" /v").and_then(|(method, rest)| Some((method, rest.split_once('/')?.1)));
    let line = versioned.map_or(line.to_owned(), |(method, path)| format!("{method} /v{major}.{minor}/{path}"));
    let upgrade =
        rest.to_ascii_lowercase().contains("\r\nupgrade:") || rest.to_ascii_lowercase().starts_with("upgrade:");
    let close = if upgrade { "" } else { "connection: close\r\n" };
    format!("{line}\r\n{close}{rest}")
}
