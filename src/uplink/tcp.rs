//! An uplink over EC TCP.
//!
//! What is said when, and what counts as delivered, is the session's; this adapts a socket to it.

use std::{convert::Infallible, fmt, future::pending, io, time::Duration};

use bytes::Bytes;
use rustix::net::sockopt;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, Interest, Ready},
    net::TcpStream,
    time::{sleep, timeout},
};
use tracing::{debug, warn};

use super::{
    counters::{many, one},
    life::{End, Life, Talk, TellNow, Ties},
};
use crate::{
    domain::{
        event::{UplinkAnswer, UplinkEvent},
        id::{Sequence, UplinkName},
        reply::{ToUplink, UplinkMessage},
        time::Mono,
    },
    protocol::{
        dialect::Unfit,
        ec::{
            self,
            message::Message,
            realtime,
            session::{Event, Session},
        },
    },
    sys,
};

/// From the name of the server to a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// Between two looks at what the server's kernel has acknowledged, in ms, and only while a record
/// is on its way: a fifth of a round trip to a server far away, fifty calls a second.
const ASK_EVERY_MS: u64 = 20;

/// Bytes the kernel may hold unsent: some segments, so that the line is never idle, and nothing
/// that matters waits behind more of the backlog than these.
const UNSENT_BYTES: u32 = 16_384;

/// Read at once: a server says a few bytes a minute.
const READ_BYTES: usize = 1024;

/// Between two reads, in ms: a server that says more than 50 kB a second is slowed down by its own
/// kernel. Without a pause one that floods would keep the thread, which all tasks share.
const READ_EVERY_MS: u64 = 20;

/// At the end, the server gets that long to see that it was one.
const FAREWELL: Duration = Duration::from_millis(500);

/// Settings of one uplink.
#[derive(Clone)]
pub struct EcSettings {
    /// Its name.
    pub name: UplinkName,
    /// Name or address of the server.
    pub host: String,
    /// TCP port of the server.
    pub port: u16,
    /// Settings of its wire.
    pub wire: ec::Settings,
    /// Tells the moment.
    pub now: TellNow,
}

impl fmt::Debug for EcSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EcSettings")
            .field("name", &self.name)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("wire", &self.wire)
            .finish_non_exhaustive()
    }
}

/// One uplink; [`EcLink::run`] is its task.
pub struct EcLink {
    life: Life,
    gate: Gate,
}

struct Gate(EcSettings);

impl EcLink {
    /// An uplink tied to the program.
    #[must_use]
    pub fn new(settings: EcSettings, ties: Ties) -> Self {
        // Nobody logs in.
        let life = Life::new(&settings.name, Duration::ZERO, &settings.now, ties);
        Self { life, gate: Gate(settings) }
    }

    /// Runs until it is stopped or the site has ended.
    pub async fn run(self) {
        self.life.lead(self.gate).await;
    }
}

impl Talk for Gate {
    type Line = TcpStream;

    async fn open(&mut self, _: &Life) -> Result<TcpStream, End> {
        let connect = TcpStream::connect((self.0.host.as_str(), self.0.port));
        let stream = match timeout(CONNECT_TIMEOUT, connect).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(End::Down(format!("cannot connect: {error}"))),
            Err(_) => {
                let waited_s = CONNECT_TIMEOUT.as_secs();
                return Err(End::Down(format!("cannot connect: no answer in {waited_s} s")));
            }
        };
        tune(&stream, self.0.wire.heartbeat_ms)?;
        Ok(stream)
    }

    async fn carry(&mut self, life: &Life, mut stream: TcpStream) -> End {
        let end = tokio::select! {
            Err::<Infallible, _>(end) = self.talk(life, &stream) => end,
            () = life.stopped() => End::Stopped,
        };
        if matches!(end, End::Stopped) {
            let _ = timeout(FAREWELL, farewell(&mut stream)).await;
        }
        end
    }
}

impl Gate {
    /// Carries messages until the link fails.
    async fn talk(&self, life: &Life, stream: &TcpStream) -> Result<Infallible, End> {
        let mut session = Session::new(&self.0.wire, self.now());
        let mut asked = self.now();
        let mut read_at = asked;
        loop {
            hear(life, &mut session).await?;
            while session.has_room() {
                let Some(message) = life.outbox.take() else { break };
                self.say(life, &mut session, &message);
            }
            let resting = Some(read_at).filter(|at| self.now() < *at);
            tokio::select! {
                ready = becomes_ready(stream, &session, resting) => {
                    if self.exchange(&mut session, stream, ready?)? {
                        read_at = self.now().plus_ms(READ_EVERY_MS);
                    }
                }
                message = life.outbox.next(), if session.has_room() => {
                    self.say(life, &mut session, &message);
                }
                () = sleep(self.pause(&session, asked, resting)) => {}
            }
            let now = self.now();
            session.handle_deadline(now);
            if session.is_unacknowledged() && now.since_ms(asked) >= ASK_EVERY_MS {
                asked = now;
                session.handle_unacknowledged(sys::unacknowledged_bytes(stream)?, now);
            }
        }
    }

    /// Does what the socket is ready for; says whether it was read.
    fn exchange(
        &self,
        session: &mut Session,
        stream: &TcpStream,
        ready: Ready,
    ) -> Result<bool, End> {
        let is_read = ready.is_readable() || ready.is_error();
        if is_read {
            let mut bytes = [0; READ_BYTES];
            match passable(stream.try_read(&mut bytes))? {
                // Half a link is none: whoever says no more is heard no more.
                Some(0) => return Err(End::Down("closed by the server".to_owned())),
                Some(read) => session.handle_bytes(&bytes[..read], self.now()),
                None => {}
            }
        }
        if ready.is_writable()
            && !session.poll_transmit().is_empty()
            && let Some(written) = passable(stream.try_write(session.poll_transmit()))?
        {
            session.handle_written(written, self.now());
        }
        Ok(is_read)
    }

    /// Gives a message of the site to the session, if the wire has it.
    fn say(&self, life: &Life, session: &mut Session, message: &ToUplink) {
        match self.frame(life, message) {
            Ok(Some((frame, confirms))) => {
                one(&life.counters.sent);
                session.send(&frame, confirms);
            }
            Ok(None) => {}
            Err(error) => life.unsendable(&error),
        }
    }

    fn frame(
        &self,
        life: &Life,
        message: &ToUplink,
    ) -> Result<Option<(Bytes, Option<Sequence>)>, Unfit> {
        match &message.message {
            UplinkMessage::Transaction { payload, .. } => {
                Ok(Some((payload.clone(), Some(message.sequence))))
            }
            UplinkMessage::Image(image) => {
                let told = realtime::tell(image, &self.0.wire)?;
                many(&life.counters.left_out, told.left_out.into());
                Ok(Some((Message::RealTime(told.data).encode()?, None)))
            }
            _ => Ok(None),
        }
    }

    /// How long nothing has to be done.
    fn pause(&self, session: &Session, asked: Mono, resting: Option<Mono>) -> Duration {
        let ask_at = session.is_unacknowledged().then(|| asked.plus_ms(ASK_EVERY_MS));
        let at = [session.deadline(), ask_at, resting].into_iter().flatten().min();
        at.map_or(CONNECT_TIMEOUT, |at| Duration::from_millis(at.since_ms(self.now())))
    }

    fn now(&self) -> Mono {
        (self.0.now)().mono
    }
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Down(error.to_string())
    }
}

/// Waits until the socket can be read, unless that rests, or takes what is to be written.
async fn becomes_ready(
    stream: &TcpStream,
    session: &Session,
    resting: Option<Mono>,
) -> io::Result<Ready> {
    let reads = resting.is_none().then_some(Interest::READABLE);
    let writes = (!session.poll_transmit().is_empty()).then_some(Interest::WRITABLE);
    match reads.into_iter().chain(writes).reduce(Interest::add) {
        Some(interest) => stream.ready(interest).await,
        None => pending().await,
    }
}

/// Hands on what the session has to say.
async fn hear(life: &Life, session: &mut Session) -> Result<(), End> {
    let uplink = &life.name;
    while let Some(event) = session.poll_event() {
        match event {
            Event::Delivered(sequence) => {
                let answer = UplinkAnswer::Delivered;
                life.tell(UplinkEvent::Answered { sequence, answer, at_s: 0 }).await?;
            }
            Event::Heartbeat => one(&life.counters.received),
            Event::Ignored(command) => {
                one(&life.counters.received);
                one(&life.counters.undecodable);
                debug!(%uplink, command, "nothing to a gate, ignored");
            }
            Event::OutOfStep(bytes) => {
                one(&life.counters.undecodable);
                debug!(%uplink, bytes, "out of step, discarded");
            }
            Event::Silent(silent_ms) => {
                one(&life.counters.silent);
                warn!(%uplink, silent_ms, "the server sends no heartbeats");
            }
            Event::Mute(silent_ms) => {
                one(&life.counters.silent);
                let silent_s = silent_ms / 1000;
                return Err(End::Down(format!("no heartbeat of the server for {silent_s} s")));
            }
        }
    }
    Ok(())
}

/// Lets the kernel notice a dead peer, and keep little that is unsent.
///
/// A link that is quiet is probed from half a heartbeat on, and what is not acknowledged for three
/// quarters of one ends it: whenever the peer dies, it is noticed before the second heartbeat after
/// its last sign of life.
fn tune(stream: &TcpStream, heartbeat_ms: u64) -> io::Result<()> {
    let heartbeat = Duration::from_millis(heartbeat_ms);
    let in_seconds = |time: Duration| time.max(Duration::from_secs(1));
    let limit_ms = u32::try_from(heartbeat_ms / 4 * 3).unwrap_or(u32::MAX);
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, in_seconds(heartbeat / 2))?;
    sockopt::set_tcp_keepintvl(stream, in_seconds(heartbeat / 8))?;
    sockopt::set_tcp_user_timeout(stream, limit_ms.max(1))?;
    sys::limit_unsent_bytes(stream, UNSENT_BYTES)
}

/// What was done; `None`: the socket was not ready after all.
fn passable(done: io::Result<usize>) -> io::Result<Option<usize>> {
    match done {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// Ends a connection politely: what was written is sent, and what the server still says is read,
/// or the kernel would take back what it has not sent.
async fn farewell(stream: &mut TcpStream) {
    if stream.shutdown().await.is_ok() {
        let mut rest = [0; READ_BYTES];
        while stream.read(&mut rest).await.is_ok_and(|bytes| bytes > 0) {}
    }
}
