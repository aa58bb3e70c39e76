//! The life that every uplink leads: open, carry, wait, again; until the program stops.

use std::{fmt, sync::Arc, time::Duration};

use tokio::{sync::watch, time::sleep};
use tracing::{debug, info, warn};

use super::{
    backoff::{Backoff, jittered},
    counters::{Counters, one},
    outbox::Outbox,
};
use crate::{
    domain::{event::UplinkEvent, id::UplinkName, time::Now},
    site::Input,
};

/// Tells the moment.
pub type TellNow = Arc<dyn Fn() -> Now + Send + Sync>;

/// A link that held that long was good: waits begin anew.
const GOOD_LINK: Duration = Duration::from_secs(30);

/// What differs from wire to wire.
pub(super) trait Talk {
    /// A link that is up.
    type Line;

    /// Connects and logs in; ends early when the program stops.
    async fn open(&mut self, life: &Life) -> Result<Self::Line, End>;

    /// Carries messages both ways until the link fails or the program stops.
    async fn carry(&mut self, life: &Life, line: Self::Line) -> End;
}

/// How an attempt ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    /// The link did not come up, or failed; that passes.
    #[error("{0}")]
    Down(String),
    /// The far side does not let the site in; that is a matter for people.
    #[error("{0}")]
    Refused(String),
    /// The site has ended.
    #[error("the site has ended")]
    InboxClosed,
    /// The program stops.
    #[error("stopped")]
    Stopped,
}

/// What ties an uplink to the rest of the program.
#[derive(Clone)]
pub struct Ties {
    /// What the site has to say.
    pub outbox: Outbox,
    /// What is counted.
    pub counters: Arc<Counters>,
    /// Where events go; while it is full, the far side is not read.
    pub inbox: flume::Sender<Input>,
    /// The uplink ends when it becomes true; what is unconfirmed then stays owed.
    pub stop: watch::Receiver<bool>,
}

/// One uplink, whatever it speaks.
pub(super) struct Life {
    pub(super) name: UplinkName,
    pub(super) outbox: Outbox,
    pub(super) counters: Arc<Counters>,
    inbox: flume::Sender<Input>,
    stop: watch::Receiver<bool>,
    /// Between attempts after a refusal.
    login_retry: Duration,
    pub(super) now: TellNow,
}

impl Life {
    pub(super) fn new(name: &UplinkName, login_retry: Duration, now: &TellNow, ties: Ties) -> Self {
        let Ties { outbox, counters, inbox, stop } = ties;
        let (name, now) = (name.clone(), now.clone());
        Self { name, outbox, counters, inbox, stop, login_retry, now }
    }

    /// Runs until it is stopped or the site has ended. The log hears of an outage once, at its begin
    /// and at its end; the site hears why it lasts, each time the reason becomes another.
    pub(super) async fn lead(&self, mut talk: impl Talk) {
        let mut backoff = Backoff::default();
        let mut is_outage_told = false;
        let mut known = String::new();
        loop {
            let mut was_up = false;
            let end = self.attempt(&mut talk, &mut was_up, &mut is_outage_told, &mut backoff).await;
            let uplink = self.name.as_str();
            let wait = match &end {
                End::Stopped | End::InboxClosed => return,
                End::Refused(reason) => {
                    one(&self.counters.login_refused);
                    warn!(uplink, reason, "login refused, tried again slowly");
                    let event = UplinkEvent::LoginRefused { reason: reason.clone() };
                    if self.tell(event).await.is_err() {
                        return;
                    }
                    jittered(self.login_retry)
                }
                End::Down(_) => backoff.next(),
            };
            if !is_outage_told {
                is_outage_told = true;
                warn!(uplink, reason = %end, "uplink is down");
            }
            debug!(uplink, reason = %end, wait_ms = wait.as_millis(), "next attempt");
            let reason = end.to_string();
            let is_news = was_up || matches!(end, End::Down(_)) && reason != known;
            known.clone_from(&reason);
            if is_news && self.tell(UplinkEvent::Disconnected { reason }).await.is_err() {
                return;
            }
            tokio::select! {
                () = sleep(wait) => {}
                () = self.stopped() => return,
            }
        }
    }

    async fn attempt(
        &self,
        talk: &mut impl Talk,
        was_up: &mut bool,
        is_outage_told: &mut bool,
        backoff: &mut Backoff,
    ) -> End {
        let opened = tokio::select! {
            opened = talk.open(self) => opened,
            () = self.stopped() => return End::Stopped,
        };
        let line = match opened {
            Ok(line) => line,
            Err(end) => return end,
        };
        info!(uplink = %self.name, "uplink is up");
        one(&self.counters.connected);
        (*was_up, *is_outage_told) = (true, false);
        self.outbox.open();
        let _closing = Closing(&self.outbox);
        if let Err(end) = self.tell(UplinkEvent::Connected).await {
            return end;
        }
        let good = async {
            sleep(GOOD_LINK).await;
            backoff.reset();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            end = talk.carry(self, line) => end,
            () = good => End::Stopped,
            () = self.outbox.overrun() => {
                End::Down("more orders wait than have room: they begin anew".to_owned())
            }
        }
    }

    /// Tells the site; waits while its inbox is full.
    pub(super) async fn tell(&self, event: UplinkEvent) -> Result<(), End> {
        let input = Input::Uplink { uplink: self.name.clone(), event };
        self.inbox.send_async(input).await.map_err(|_| End::InboxClosed)
    }

    /// Returns when the program stops.
    pub(super) async fn stopped(&self) {
        // An error means that whoever could stop us is gone.
        let _ = self.stop.clone().wait_for(|stop| *stop).await;
    }

    /// Unix seconds, if a clock knows them.
    pub(super) fn now_s(&self) -> Option<i64> {
        (self.now)().wall.known_s()
    }

    /// Counts a message that cannot be written, and says so.
    pub(super) fn unsendable(&self, why: &dyn fmt::Display) {
        one(&self.counters.unsendable);
        warn!(uplink = %self.name, error = %why, "message cannot be written");
    }
}

/// Closes the outbox however the connection ends.
struct Closing<'a>(&'a Outbox);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}
