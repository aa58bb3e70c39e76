//! Grammar of the topics: direction, class, and who it is about.
//!
//! ```text
//! /U/C/<device>   a station's command class, upwards
//! /D/C/<device>   the same downwards; some backends append more levels
//! /U/M/<device>   telemetry            /U/R/<serial>   registration
//! ```

use std::fmt;

/// Longest id in a topic, in characters: room for `<partNumber>-<serialNumber>`.
pub const ID_LIMIT: usize = 128;

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From a station to its backend.
    Up,
    /// From a backend to a station.
    Down,
}

/// What kind of messages a topic carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Getting an account; the id is the serial number.
    Registration,
    /// Requests and answers; the id is the device code.
    Command,
    /// What may be lost; the id is the device code.
    Telemetry,
}

impl Class {
    /// Quality of service of this class: only 0 and 2 are used.
    #[must_use]
    pub const fn qos(self) -> u8 {
        match self {
            Self::Registration | Self::Command => 2,
            Self::Telemetry => 0,
        }
    }

    const fn letter(self) -> &'static str {
        match self {
            Self::Registration => "R",
            Self::Command => "C",
            Self::Telemetry => "M",
        }
    }
}

/// A topic of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic<'a> {
    /// Which way.
    pub direction: Direction,
    /// Which kind.
    pub class: Class,
    /// Serial number or device code.
    pub id: &'a str,
}

impl<'a> Topic<'a> {
    /// What a station publishes to.
    #[must_use]
    pub const fn up(class: Class, id: &'a str) -> Self {
        Self { direction: Direction::Up, class, id }
    }

    /// What a backend publishes to.
    #[must_use]
    pub const fn down(class: Class, id: &'a str) -> Self {
        Self { direction: Direction::Down, class, id }
    }

    /// Reads a topic; `None` if it is not one of the protocol. Downwards, levels after the id of
    /// a command are left aside.
    #[must_use]
    pub fn parse(topic: &'a str) -> Option<Self> {
        let mut levels = topic.split('/');
        let ("", up_or_down, letter, id) =
            (levels.next()?, levels.next()?, levels.next()?, levels.next()?)
        else {
            return None;
        };
        let direction = match up_or_down {
            "U" => Direction::Up,
            "D" => Direction::Down,
            _ => return None,
        };
        let class = match letter {
            "R" => Class::Registration,
            "C" => Class::Command,
            "M" => Class::Telemetry,
            _ => return None,
        };
        let may_go_on = direction == Direction::Down && class == Class::Command;
        let is_whole = levels.next().is_none();
        (is_id(id) && (is_whole || may_go_on)).then_some(Self { direction, class, id })
    }
}

impl fmt::Display for Topic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = match self.direction {
            Direction::Up => "U",
            Direction::Down => "D",
        };
        write!(f, "/{direction}/{}/{}", self.class.letter(), self.id)
    }
}

/// Whether a text can stand in a topic as the id of a station.
#[must_use]
pub fn is_id(text: &str) -> bool {
    let is_plain = |c: char| !c.is_control() && !matches!(c, '/' | '+' | '#');
    !text.is_empty() && text.chars().count() <= ID_LIMIT && text.chars().all(is_plain)
}

/// What a registered station subscribes to, with the quality of service it asks for. The filter
/// of the command class alone also covers the topic without further levels.
#[must_use]
pub fn station_filters(device: &str) -> [(String, u8); 2] {
    let of = |class: Class| Topic::down(class, device).to_string();
    [
        (format!("{}/#", of(Class::Command)), Class::Command.qos()),
        (of(Class::Telemetry), Class::Telemetry.qos()),
    ]
}

/// Whether a filter is one that a station of this device code subscribes to.
#[must_use]
pub fn is_station_filter(filter: &str, device: &str) -> bool {
    let topic = filter.strip_suffix("/#").unwrap_or(filter);
    Topic::parse(topic).is_some_and(|parsed| {
        let is_own = parsed.direction == Direction::Down && parsed.id == device;
        // A filter is not a topic with further levels.
        is_own && parsed.class != Class::Registration && topic == parsed.to_string()
    })
}
