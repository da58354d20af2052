//! Decoys: things that are no gateways, to try the suite on or to measure gateways against. Whatever a suite says about them must be sensible,
//! come in bounded time, and never be a pass on what only a gateway can do.

use std::net::SocketAddr;
use std::time::Duration;

use clap::ValueEnum;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::wire::head_end;

/// What a decoy does with every connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Decoy {
    /// Answers 200 with a plausible completion, whatever is asked
    Yes,
    /// Resets every connection once something came
    Reset,
    /// Accepts connections and never answers
    Hang,
    /// Passes bytes on to --to, like a plain TCP proxy
    Tcp,
    /// Passes requests on to --to: the bare proxy that `windtunnel bench` compares gateways with
    Floor,
}

/// What everybody is told by [`Decoy::Yes`].
const YES: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"yes"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#;

/// Serves on all addresses until the process ends.
pub async fn serve(decoy: Decoy, listen: &[SocketAddr], to: Option<SocketAddr>) -> std::io::Result<()> {
    let mut tasks = tokio::task::JoinSet::new();
    for address in listen {
        let listener = TcpListener::bind(address).await?;
        println!("listening address={}", listener.local_addr()?);
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(decoy, stream, to));
            }
        });
    }
    while tasks.join_next().await.is_some() {}
    Ok(())
}

async fn connection(decoy: Decoy, mut stream: TcpStream, to: Option<SocketAddr>) {
    let mut buffer = vec![0; 64 * 1024];
    match decoy {
        Decoy::Yes => yes(stream).await,
        Decoy::Reset => {
            let _ = stream.read(&mut buffer).await;
            let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
        Decoy::Hang => while stream.read(&mut buffer).await.is_ok_and(|size| size > 0) {},
        // It has a loop of its own.
        Decoy::Floor => {}
        Decoy::Tcp => {
            if let Some(to) = to
                && let Ok(mut provider) = TcpStream::connect(to).await
            {
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut provider).await;
            }
        }
    }
}

/// An answer to each head; bodies are read over.
async fn yes(mut stream: TcpStream) {
    let mut pending = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{YES}",
        YES.len()
    );
    while let Ok(size @ 1..) = stream.read(&mut buffer).await {
        pending.extend_from_slice(&buffer[..size]);
        if head_end(&pending).is_some() {
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
            // What is still coming is read, so that the answer is not lost to a reset.
            while stream.read(&mut buffer).await.is_ok_and(|size| size > 0) {}
            return;
        }
    }
}
