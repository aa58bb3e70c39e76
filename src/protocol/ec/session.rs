//! One connection of the gate to its server, without the connection: bytes and moments in, bytes
//! and events out.
//!
//! The server answers nothing, so what is known of a record is where its last byte stands in the
//! stream. The shell says how many bytes the kernel has taken ([`Session::handle_written`]) and
//! how many of these the server's has not acknowledged ([`Session::handle_unacknowledged`]).

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes, BytesMut};

use super::{
    Confirm, Settings,
    carried::Carried,
    frame::{Cutter, FROM_SERVER_LIMIT, Frame},
    message::{HEARTBEAT, HEARTBEAT_FRAME},
};
use crate::domain::{id::Sequence, time::Mono};

pub use super::carried::IN_FLIGHT_LIMIT;

/// Bytes that may wait to be written when one more message is taken: fifty records fill some
/// segments, and what is urgent waits for no more than these.
pub const SEND_ROOM_BYTES: usize = 4096;

/// The heartbeats of a server come that far apart.
pub const SERVER_HEARTBEAT_MS: u64 = 60_000;

/// So many missing heartbeats in a row are silence: one may be late, two may be a restart.
const SILENT_HEARTBEATS: u64 = 3;

/// Heartbeats that come sooner after each other are crowded.
const CROWDED_MS: u64 = 100;

/// More crowded heartbeats than these in a row are a flood and confirm nothing until there is a
/// pause: some have waited on the way, and what a process said before it had a record says nothing
/// of it. What a line held back for an hour of heartbeats is less.
const FLOOD_HEARTBEATS: u32 = 64;

/// A frame from the server that is not whole by then is none: it says a few bytes once a minute.
const FRAME_PATIENCE_MS: u64 = 10_000;

/// What a session has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A record counts as delivered.
    Delivered(Sequence),
    /// The server has sent a heartbeat.
    Heartbeat,
    /// The server has sent something that is nothing to a gate: its command.
    Ignored(u16),
    /// Bytes of the server were in no frame: how many.
    OutOfStep(u64),
    /// No heartbeat of the server has come for that many ms; told once until the next one.
    Silent(u64),
    /// As [`Event::Silent`], but nothing can be confirmed on such a link: it has to end.
    Mute(u64),
}

/// One connection of the gate; lives as long as that.
#[derive(Debug)]
pub struct Session {
    confirm: Confirm,
    heartbeat_ms: u64,
    silence_ms: u64,
    cutter: Cutter,
    discarded: u64,
    /// Since when a frame of the server has begun and is not whole.
    amid_since: Option<Mono>,
    outgoing: BytesMut,
    /// Bytes of the stream that the kernel has taken.
    written: u64,
    carried: Carried,
    events: VecDeque<Event>,
    last_sent: Mono,
    last_heartbeat: Mono,
    /// Heartbeats in a row that were crowded.
    crowded: u32,
    is_silence_told: bool,
}

impl Session {
    /// A connection that has just come up.
    #[must_use]
    pub fn new(settings: &Settings, now: Mono) -> Self {
        let between_ms = settings.heartbeat_ms.max(SERVER_HEARTBEAT_MS);
        Self {
            confirm: settings.confirm,
            // Without a pause there would be nothing but heartbeats.
            heartbeat_ms: settings.heartbeat_ms.max(1),
            silence_ms: between_ms.saturating_mul(SILENT_HEARTBEATS),
            cutter: Cutter::new(FROM_SERVER_LIMIT),
            discarded: 0,
            amid_since: None,
            outgoing: BytesMut::new(),
            written: 0,
            carried: Carried::default(),
            events: VecDeque::new(),
            last_sent: now,
            last_heartbeat: now,
            crowded: 0,
            is_silence_told: false,
        }
    }

    /// Whether one more message may be handed over. Without room for a record there is none for
    /// anything: what comes next is not known before it is taken.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.outgoing.len() < SEND_ROOM_BYTES && self.carried.has_room()
    }

    /// Takes a whole frame, mark included; `confirms` is what its delivery confirms.
    pub fn send(&mut self, frame: &Bytes, confirms: Option<Sequence>) {
        self.outgoing.extend_from_slice(frame);
        if let Some(sequence) = confirms {
            let end = self.written.saturating_add(wide(self.outgoing.len()));
            self.carried.queue(sequence, end);
        }
    }

    /// What is to be written next; empty if there is nothing.
    #[must_use]
    pub fn poll_transmit(&self) -> &[u8] {
        &self.outgoing
    }

    /// The kernel has taken that many bytes of what is to be written.
    pub fn handle_written(&mut self, bytes: usize, now: Mono) {
        let bytes = bytes.min(self.outgoing.len());
        self.outgoing.advance(bytes);
        self.written = self.written.saturating_add(wide(bytes));
        self.carried.written(self.written, now);
        if bytes > 0 {
            self.last_sent = now;
        }
    }

    /// Whether [`Session::handle_unacknowledged`] has something to find out.
    #[must_use]
    pub fn is_unacknowledged(&self) -> bool {
        self.carried.is_unacknowledged()
    }

    /// The server's kernel has not acknowledged that many of the bytes that were written.
    pub fn handle_unacknowledged(&mut self, bytes: u64, now: Mono) {
        self.carried.acknowledged(self.written.saturating_sub(bytes), now);
        if self.confirm == Confirm::Tcp {
            let delivered = self.carried.take_acknowledged();
            self.events.extend(delivered.map(Event::Delivered));
        }
    }

    /// The server has sent bytes.
    pub fn handle_bytes(&mut self, bytes: &[u8], now: Mono) {
        self.cutter.push(bytes);
        self.read_frames(now);
    }

    /// A deadline has passed, or may have.
    pub fn handle_deadline(&mut self, now: Mono) {
        if self.amid_since.is_some_and(|since| since.plus_ms(FRAME_PATIENCE_MS) <= now) {
            self.cutter.abandon();
            self.amid_since = None;
            self.read_frames(now);
        }
        if self.heartbeat_at().is_some_and(|at| at <= now) {
            self.outgoing.extend_from_slice(&HEARTBEAT_FRAME);
        }
        if self.silent_at().is_some_and(|at| at <= now) {
            self.is_silence_told = true;
            let silent_ms = now.since_ms(self.last_heartbeat);
            self.events.push_back(match self.confirm {
                Confirm::Tcp => Event::Silent(silent_ms),
                Confirm::Heartbeat => Event::Mute(silent_ms),
            });
        }
    }

    /// When [`Session::handle_deadline`] is to be called next.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        let abandon_at = self.amid_since.map(|since| since.plus_ms(FRAME_PATIENCE_MS));
        [abandon_at, self.heartbeat_at(), self.silent_at()].into_iter().flatten().min()
    }

    /// What has happened; to be called until there is nothing more.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When a heartbeat is due; never while something waits to be written anyway.
    fn heartbeat_at(&self) -> Option<Mono> {
        self.outgoing.is_empty().then(|| self.last_sent.plus_ms(self.heartbeat_ms))
    }

    fn silent_at(&self) -> Option<Mono> {
        (!self.is_silence_told).then(|| self.last_heartbeat.plus_ms(self.silence_ms))
    }

    fn read_frames(&mut self, now: Mono) {
        let mut has_read = false;
        while let Some(frame) = self.cutter.cut() {
            has_read = true;
            self.read_frame(&frame, now);
        }
        self.amid_since = match self.amid_since {
            _ if !self.cutter.is_amid() => None,
            Some(since) if !has_read => Some(since),
            _ => Some(now),
        };
        let discarded = self.cutter.discarded() - self.discarded;
        if discarded > 0 {
            self.discarded = self.cutter.discarded();
            self.events.push_back(Event::OutOfStep(discarded));
        }
    }

    fn read_frame(&mut self, frame: &Frame, now: Mono) {
        if frame.command != HEARTBEAT {
            self.events.push_back(Event::Ignored(frame.command));
            return;
        }
        let is_crowded = now.since_ms(self.last_heartbeat) < CROWDED_MS;
        self.crowded = if is_crowded { self.crowded.saturating_add(1) } else { 0 };
        self.last_heartbeat = now;
        self.is_silence_told = false;
        self.events.push_back(Event::Heartbeat);
        if self.confirm == Confirm::Heartbeat && self.crowded <= FLOOD_HEARTBEATS {
            let delivered = self.carried.heartbeat(now);
            self.events.extend(delivered.map(Event::Delivered));
        }
    }
}

fn wide(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
