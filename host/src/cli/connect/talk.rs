//! One open connection from the client's side: stdin out, messages in, and the end.

use std::time::Duration;

use anyhow::anyhow;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::dial::Socket;
use super::input::{self, Input};
use super::print::Printer;
use crate::cli::signals::StopSignals;
use crate::cli::terminal;

/// What the arguments ask of an open connection.
pub(super) struct Options {
    /// Lines are sent as binary messages.
    pub(super) binary: bool,
    /// Where messages and notes go.
    pub(super) printer: Printer,
    /// Close once stdin has ended and this many messages came.
    pub(super) expect: Option<u64>,
    /// Silence to accept after stdin's end; none: any.
    pub(super) wait: Option<Duration>,
}

/// How a connection ended.
#[derive(Clone, Copy)]
pub(super) enum Ending {
    /// By this end, or by the peer with 1000, 1001 or no code.
    Normal,
    /// By the peer with another code, or without any.
    Bad,
    /// By a signal; the exit code that stands for it.
    Signal(u8),
}

/// Time that the peer has for its part of the closing handshake.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Messages on their way to the writer.
const WRITE_AHEAD: usize = 16;

/// Talk until the connection ends. A failure of this end (stdin, `--expect`) is an error.
pub(super) async fn talk(socket: Socket, signals: StopSignals, options: Options) -> anyhow::Result<Ending> {
    if input::is_interactive() {
        options.printer.note(input::GREETING);
    }
    let (sink, stream) = socket.split();
    let (outgoing, to_write) = mpsc::channel(WRITE_AHEAD);
    // Writing waits for the peer to read, which may wait for us to read: neither may hold up the other.
    tokio::spawn(write(sink, to_write));
    let conversation = Conversation {
        input: input::read(options.binary),
        options,
        signals,
        stream,
        outgoing,
        stage: Stage::Talking,
        received: 0,
        failure: None,
    };
    conversation.run().await
}

/// What the writer is asked to do.
enum Outgoing {
    Message(Message),
    /// Tell when all before this was written.
    Mark(oneshot::Sender<()>),
}

async fn write(mut sink: SplitSink<Socket, Message>, mut outgoing: mpsc::Receiver<Outgoing>) -> Result<(), Error> {
    while let Some(next) = outgoing.recv().await {
        match next {
            Outgoing::Message(message) => sink.feed(message).await?,
            // The loop may have gone on to its end.
            Outgoing::Mark(written) => drop(written.send(())),
        }
        if outgoing.is_empty() {
            sink.flush().await?;
        }
    }
    Ok(())
}

/// What may happen next.
enum Event {
    /// A line of stdin, or its end.
    Input(Option<anyhow::Result<Input>>),
    /// All of stdin was written, or never will be.
    Written,
    /// A message, or the end of the connection.
    Received(Option<Result<Message, Error>>),
    /// The time of the stage is up.
    TimeUp,
    /// A signal; the exit code that stands for it.
    Signal(u8),
}

/// How far the conversation is.
enum Stage {
    /// Stdin is open.
    Talking,
    /// Stdin has ended, its last lines are being written.
    Flushing(oneshot::Receiver<()>),
    /// All is written, and nothing was received since then.
    Waiting(Instant),
    /// This end sent a close frame then, or is about to.
    Closing(Instant, Ending),
    /// The peer's close frame came then; its transport is about to end.
    Closed(Instant, Ending),
}

struct Conversation {
    options: Options,
    signals: StopSignals,
    input: mpsc::Receiver<anyhow::Result<Input>>,
    stream: SplitStream<Socket>,
    outgoing: mpsc::Sender<Outgoing>,
    stage: Stage,
    /// Messages received.
    received: u64,
    /// What this end could not do.
    failure: Option<anyhow::Error>,
}

impl Conversation {
    async fn run(mut self) -> anyhow::Result<Ending> {
        loop {
            match self.next().await {
                Event::Input(input) => self.on_input(input),
                Event::Written => self.on_written(),
                Event::Received(Some(Ok(Message::Close(frame)))) => self.on_close(frame.as_ref()),
                Event::Received(Some(Ok(message))) => self.on_message(&message)?,
                Event::Received(Some(Err(error))) => return self.on_end(Some(&error)),
                Event::Received(None) => return self.on_end(None),
                Event::TimeUp => match self.stage {
                    Stage::Closed(_, ending) => return self.finish(ending),
                    Stage::Closing(..) => return self.on_close_timeout(),
                    Stage::Talking | Stage::Flushing(_) | Stage::Waiting(_) => self.on_silence(),
                },
                Event::Signal(code) => match self.stage {
                    Stage::Closing(..) | Stage::Closed(..) => return Ok(Ending::Signal(code)),
                    Stage::Talking | Stage::Flushing(_) | Stage::Waiting(_) => {
                        self.close(frame(CloseCode::Away), Ending::Signal(code));
                    }
                },
            }
        }
    }

    async fn next(&mut self) -> Event {
        let deadline = self.deadline();
        let own = async {
            match &mut self.stage {
                Stage::Talking => Event::Input(next_line(&mut self.input, &self.outgoing).await),
                Stage::Flushing(written) => {
                    // An error means that the writer failed: the reader will see why.
                    let _ = written.await;
                    Event::Written
                }
                Stage::Waiting(_) | Stage::Closing(..) | Stage::Closed(..) => std::future::pending().await,
            }
        };
        let time_up = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            event = own => event,
            received = self.stream.next() => Event::Received(received),
            () = time_up => Event::TimeUp,
            code = self.signals.next() => Event::Signal(code),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Talking | Stage::Flushing(_) => None,
            // A wait beyond what the clock can count is one for ever.
            Stage::Waiting(since) => self.options.wait.and_then(|wait| since.checked_add(wait)),
            Stage::Closing(since, _) | Stage::Closed(since, _) => Some(*since + CLOSE_TIMEOUT),
        }
    }

    fn on_input(&mut self, input: Option<anyhow::Result<Input>>) {
        match input {
            Some(Ok(Input::Send(message))) => self.send(Outgoing::Message(message)),
            Some(Ok(Input::Note(note))) => self.options.printer.note(&note),
            Some(Ok(Input::Close(frame))) => self.close(frame, Ending::Normal),
            Some(Err(error)) => {
                self.failure = Some(error);
                self.close(frame(CloseCode::Normal), Ending::Normal);
            }
            None => {
                let (mark, written) = oneshot::channel();
                self.send(Outgoing::Mark(mark));
                self.stage = Stage::Flushing(written);
            }
        }
    }

    fn on_written(&mut self) {
        self.stage = Stage::Waiting(Instant::now());
        self.close_when_all_came();
    }

    fn on_message(&mut self, message: &Message) -> anyhow::Result<()> {
        if matches!(message, Message::Text(_) | Message::Binary(_)) {
            self.received += 1;
        }
        self.options.printer.message(message)?;
        if let Stage::Waiting(since) = &mut self.stage {
            *since = Instant::now();
        }
        self.close_when_all_came();
        Ok(())
    }

    fn on_close(&mut self, frame: Option<&CloseFrame>) {
        let (is_answer, ending) = match self.stage {
            Stage::Closing(_, ending) | Stage::Closed(_, ending) => (true, ending),
            _ if is_normal(frame) => (false, Ending::Normal),
            _ => (false, Ending::Bad),
        };
        self.options.printer.close(frame, is_answer);
        // The next read sends our answer and sees the end of the transport.
        self.stage = Stage::Closed(Instant::now(), ending);
    }

    /// The transport ended.
    fn on_end(self, error: Option<&Error>) -> anyhow::Result<Ending> {
        if let Stage::Closed(_, ending) = self.stage {
            return self.finish(ending);
        }
        let cause = match error {
            None | Some(Error::ConnectionClosed | Error::AlreadyClosed) => String::new(),
            Some(error) => format!(": {error}"),
        };
        terminal::error(&format!("the connection was lost without a close frame{cause}"));
        self.finish(Ending::Bad)
    }

    /// The peer was quiet for `--wait`.
    fn on_silence(&mut self) {
        self.close(frame(CloseCode::Normal), Ending::Normal);
    }

    fn on_close_timeout(self) -> anyhow::Result<Ending> {
        let timeout = CLOSE_TIMEOUT.as_secs();
        terminal::error(&format!("the peer did not finish the closing handshake within {timeout}s"));
        self.finish(Ending::Bad)
    }

    fn finish(mut self, ending: Ending) -> anyhow::Result<Ending> {
        let failure = self.failure.take().or_else(|| self.shortfall());
        match (failure, ending) {
            (Some(failure), Ending::Normal) => Err(failure),
            _ => Ok(ending),
        }
    }

    /// What is wrong when `--expect` was not met.
    fn shortfall(&self) -> Option<anyhow::Error> {
        let expected = self.options.expect.filter(|expected| self.received < *expected)?;
        Some(anyhow!("{expected} messages expected, {} received", self.received))
    }

    fn close_when_all_came(&mut self) {
        let all_came = self.options.expect.is_some_and(|expected| self.received >= expected);
        if all_came && matches!(self.stage, Stage::Waiting(_)) {
            self.close(frame(CloseCode::Normal), Ending::Normal);
        }
    }

    fn close(&mut self, frame: Option<CloseFrame>, ending: Ending) {
        self.send(Outgoing::Message(Message::Close(frame)));
        self.stage = Stage::Closing(Instant::now(), ending);
    }

    /// Hand something to the writer. There is room for it, except in front of a peer that does not read: then the
    /// time for the closing handshake ends this.
    fn send(&self, outgoing: Outgoing) {
        let _ = self.outgoing.try_send(outgoing);
    }
}

/// The next line, taken only when the writer has room for it. Safe to cancel.
async fn next_line(
    input: &mut mpsc::Receiver<anyhow::Result<Input>>,
    outgoing: &mpsc::Sender<Outgoing>,
) -> Option<anyhow::Result<Input>> {
    if outgoing.reserve().await.is_err() {
        // The writer failed: the reader sees why.
        std::future::pending::<()>().await;
    }
    input.recv().await
}

fn frame(code: CloseCode) -> Option<CloseFrame> {
    Some(CloseFrame { code, reason: Utf8Bytes::default() })
}

/// 1000, 1001 and no code at all (1005) are how connections are meant to end.
fn is_normal(frame: Option<&CloseFrame>) -> bool {
    frame.is_none_or(|frame| matches!(frame.code, CloseCode::Normal | CloseCode::Away))
}
