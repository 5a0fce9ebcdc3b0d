//! The plain tokio-tungstenite echo servers to compare with: no guest, no sandbox, no limits.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use anyhow::Context as _;
use futures_util::{Sink, SinkExt, Stream, StreamExt, TryStreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_async, accept_async_with_config};

/// Bytes of the read buffer of the good server.
const GOOD_READ_BUFFER: usize = 4096;

/// What a plain server is told on the command line.
#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("kind").required(true)))]
pub(crate) struct Options {
    /// 4 KiB read buffer, TCP_NODELAY, one flush per burst of messages
    #[arg(long, group = "kind")]
    good: bool,
    /// The library's default buffers (128 KiB to read), TCP_NODELAY, one flush per message
    #[arg(long, group = "kind")]
    naive: bool,
    /// The library's own echo example: default buffers, no TCP_NODELAY, `forward`
    #[arg(long, group = "kind")]
    example: bool,
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Worker threads; 1 is a current-thread runtime
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// Also write the port to this file
    #[arg(long)]
    port_file: Option<PathBuf>,
}

/// Serves until killed; prints `listening on http://ADDRESS` when it accepts connections.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let runtime = if options.workers > 1 {
        tokio::runtime::Builder::new_multi_thread().worker_threads(options.workers).enable_all().build()?
    } else {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?
    };
    runtime.block_on(serve(options))
}

async fn serve(options: &Options) -> anyhow::Result<()> {
    let listener =
        TcpListener::bind(options.listen).await.with_context(|| format!("cannot listen on {}", options.listen))?;
    let address = listener.local_addr()?;
    if let Some(file) = &options.port_file {
        std::fs::write(file, format!("{}\n", address.port()))
            .with_context(|| format!("cannot write the port to {}", file.display()))?;
    }
    println!("listening on http://{address}");
    loop {
        let (stream, _) = listener.accept().await.context("cannot accept")?;
        if options.good {
            tokio::spawn(echo_good(stream));
        } else if options.naive {
            tokio::spawn(echo_naive(stream));
        } else {
            tokio::spawn(echo_example(stream));
        }
    }
}

/// An error ends the connection and nothing else, so it is not reported.
async fn echo_good(stream: TcpStream) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default().read_buffer_size(GOOD_READ_BUFFER);
    let mut socket = accept_async_with_config(stream, Some(config)).await?;
    std::future::poll_fn(|context| echo_bursts(&mut socket, context)).await
}

/// Echoes while complete frames are buffered or readable, and flushes when reading would block.
fn echo_bursts(socket: &mut WebSocketStream<TcpStream>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
    let mut socket = Pin::new(socket);
    loop {
        // Not ready: an earlier message still waits for room in the kernel, so reading pauses.
        if socket.as_mut().poll_ready(context)?.is_pending() {
            return Poll::Pending;
        }
        match socket.as_mut().poll_next(context)? {
            Poll::Ready(Some(message)) if is_data(&message) => {
                socket.as_mut().start_send(message)?;
            }
            Poll::Ready(Some(_)) => {}
            Poll::Ready(None) => return Poll::Ready(Ok(())),
            Poll::Pending => {
                // The write side registers its own waker when the flush cannot finish.
                let _ = socket.as_mut().poll_flush(context)?;
                return Poll::Pending;
            }
        }
    }
}

async fn echo_naive(stream: TcpStream) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let mut socket = accept_async(stream).await?;
    while let Some(message) = socket.next().await {
        let message = message?;
        if is_data(&message) {
            socket.send(message).await?;
        }
    }
    Ok(())
}

async fn echo_example(stream: TcpStream) -> Result<(), Error> {
    let (sink, stream) = accept_async(stream).await?.split();
    let data = stream.try_filter(|message| std::future::ready(is_data(message)));
    data.forward(sink).await
}

fn is_data(message: &Message) -> bool {
    message.is_text() || message.is_binary()
}
