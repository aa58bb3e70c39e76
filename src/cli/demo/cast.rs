//! The piles of a demo: of both revisions, and with every way of coming in by a password.

use super::{place, story::PLUGS};
use crate::{
    domain::wire::Revision,
    peers::pile::{Pile, PileConfig, Registration, Timing},
};

/// How much faster than a real pile a simulated one charges.
const SPEED: u32 = 400;

/// How a pile comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// Its password is in the config.
    Configured,
    /// It is in the config and gets its password when it registers.
    Expected,
    /// Nobody knows it until it registers.
    Unknown,
}

/// A pile and how it plays.
#[derive(Debug, Clone, Copy)]
pub struct Role {
    /// What the audience calls it.
    pub name: char,
    /// What it speaks.
    pub revision: Revision,
    /// How it comes in.
    pub entry: Entry,
}

/// Everybody.
pub const CAST: [Role; 3] = [
    Role { name: 'A', revision: Revision::V1_10, entry: Entry::Configured },
    Role { name: 'B', revision: Revision::V1_0, entry: Entry::Expected },
    Role { name: 'C', revision: Revision::V1_10, entry: Entry::Unknown },
];

impl Role {
    /// Its serial number.
    pub fn serial(&self) -> String {
        format!("DEMOPILE-{}", self.name)
    }

    /// The pile, before it has connected.
    pub fn pile(&self, index: usize, seed: u64) -> Pile {
        let (code, password) = match self.entry {
            Entry::Configured => (place::pile_code(index), place::PASSWORD),
            Entry::Expected | Entry::Unknown => (String::new(), ""),
        };
        let own = seed.wrapping_add(u64::try_from(index).unwrap_or(0));
        let mut config = PileConfig::new(&code, &self.serial(), password, own);
        config.registration = Some(Registration {
            username: place::REGISTRATION_USER.to_owned(),
            password: place::PASSWORD.to_owned(),
            code: place::REGISTRATION_CODE.to_owned(),
        });
        config.revision = self.revision;
        config.connectors = PLUGS;
        config.speed = SPEED;
        config.timing = Timing {
            answer_ms: 2_000,
            boot_retry_ms: 1_000,
            info_ms: 500,
            telemetry_ms: 2_000,
            plug_ms: 200,
        };
        Pile::new(config)
    }
}
