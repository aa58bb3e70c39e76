//! A timer of the runtime that is exact to the microsecond.

use std::{io, os::fd::OwnedFd, time::Duration};

use rustix::{
    io::Errno,
    time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    },
};
use tokio::{io::unix::AsyncFd, time::sleep};

use crate::sys;

/// Wakes the thread of a bus. Tokio's timers count whole milliseconds and may be one late, which
/// a line would pay for before each request.
#[derive(Debug)]
pub(super) struct Alarm(AsyncFd<OwnedFd>);

impl Alarm {
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self(sys::watched_for_reading(timer)?))
    }

    /// Returns after this time, and not before. Whoever waits anew ends the wait of those before.
    pub(super) async fn after(&self, time: Duration) {
        if self.rings_after(time).await.is_err() {
            sleep(time).await;
        }
    }

    async fn rings_after(&self, time: Duration) -> io::Result<()> {
        // No time at all would mean never.
        let first = Timespec::try_from(time.max(Duration::from_nanos(1)));
        let it_value = first.map_err(|_| io::ErrorKind::InvalidInput)?;
        let it_interval = Timespec { tv_sec: 0, tv_nsec: 0 };
        let once = Itimerspec { it_interval, it_value };
        timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once)?;
        loop {
            let mut ready = self.0.readable().await?;
            ready.clear_ready();
            // That may be from a wait that nobody saw the end of; this one is over if it says so.
            match rustix::io::read(ready.get_inner(), &mut [0; 8]) {
                Ok(_) => return Ok(()),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
