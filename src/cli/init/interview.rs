//! The questions. An answer is looked at by the config's own rules at once, and asked for again
//! if it is wrong; pure but for the person who answers.

use anyhow::anyhow;

use super::{
    person::{Manner, Person},
    secrets,
    site::{Paths, SecretFile, Site},
};
use crate::service::config::{Fault, Secret};

/// Questions about piles end there: more are written into the config by hand.
const MAX_PILES: usize = 100;

/// What is not known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Open {
    Code,
    Timezone,
    CloudUrl,
    Secret(SecretFile),
    Piles,
}

impl Open {
    /// What the missing flag is; `None` where nothing has to be said.
    pub(super) const fn flag(self) -> Option<&'static str> {
        match self {
            Self::Code => Some("--code CODE"),
            Self::Timezone => Some("--timezone ZONE"),
            Self::CloudUrl => Some("--cloud-url URL"),
            Self::Secret(SecretFile::CloudCode) => Some("--cloud-code-file FILE"),
            Self::Secret(SecretFile::CloudPassword) => Some("--cloud-password-file FILE"),
            Self::Secret(SecretFile::RegistrationCode | SecretFile::RegistrationPassword)
            | Self::Piles => None,
        }
    }
}

/// Secrets, with the files they go into.
pub(super) type Secrets = Vec<(SecretFile, Secret)>;

/// Asks for all that is open, and completes the site.
pub(super) struct Interview<'a> {
    pub(super) person: &'a mut dyn Person,
    pub(super) site: &'a mut Site,
    pub(super) paths: &'a Paths,
    /// The machine's own time zone.
    pub(super) zone: Option<String>,
}

impl Interview<'_> {
    /// Asks it all.
    ///
    /// # Errors
    ///
    /// If nobody answers any more.
    pub(super) fn ask_all(&mut self, open: &[Open]) -> anyhow::Result<Secrets> {
        let mut secrets = Secrets::new();
        for one in open {
            match one {
                Open::Code => self.ask_key(
                    "Station code, as the cloud knows it:",
                    "site.code",
                    |site| &mut site.code,
                    None,
                )?,
                Open::Timezone => self.ask_zone()?,
                Open::CloudUrl => self.ask_key(
                    "Address of the cloud, such as mqtts://mqtt.example.com:8883:",
                    "uplink[1].url",
                    |site| &mut site.cloud.url,
                    None,
                )?,
                Open::Secret(file) => secrets.push((*file, self.ask_secret(*file)?)),
                Open::Piles => self.ask_piles()?,
            }
        }
        Ok(secrets)
    }

    fn ask_zone(&mut self) -> anyhow::Result<()> {
        let zone = self.zone.clone();
        let question = match &zone {
            Some(zone) => format!("Time zone, in which tariffs apply [{zone}]:"),
            None => "Time zone, in which tariffs apply, such as Asia/Shanghai:".to_owned(),
        };
        self.ask_key(&question, "site.timezone", |site| &mut site.timezone, zone)
    }

    /// Until there is an answer that the config takes at this key.
    fn ask_key(
        &mut self,
        question: &str,
        key: &str,
        slot: fn(&mut Site) -> &mut String,
        default: Option<String>,
    ) -> anyhow::Result<()> {
        loop {
            let answer = self.answer(question, Manner::Shown)?;
            *slot(self.site) = match &default {
                Some(default) if answer.is_empty() => default.clone(),
                _ => answer,
            };
            if self.is_accepted(key) {
                return Ok(());
            }
        }
    }

    fn ask_secret(&mut self, file: SecretFile) -> anyhow::Result<Secret> {
        let question = match file {
            SecretFile::CloudPassword => {
                format!(
                    "Password of the cloud's account {:?} (not shown):",
                    self.site.cloud.username
                )
            }
            _ => "Registration code of the cloud (not shown):".to_owned(),
        };
        loop {
            let answer = self.answer(&question, Manner::Hidden)?;
            if answer.is_empty() {
                self.person.tell("is empty");
                continue;
            }
            match secrets::typed(answer) {
                Ok(secret) => return Ok(secret),
                Err(error) => self.person.tell(&format!("{error:#}")),
            }
        }
    }

    fn ask_piles(&mut self) -> anyhow::Result<()> {
        while self.site.piles.len() < MAX_PILES {
            let number = self.site.piles.len() + 1;
            let question =
                format!("Serial number of pile {number}, as on its plate (Enter: no more):");
            let answer = self.answer(&question, Manner::Shown)?;
            if answer.is_empty() {
                break;
            }
            self.site.piles.push(answer);
            if !self.is_accepted("pile[") {
                self.site.piles.pop();
            }
        }
        Ok(())
    }

    /// A line without signs that nobody means to type.
    fn answer(&mut self, question: &str, manner: Manner) -> anyhow::Result<String> {
        loop {
            let Some(answer) = self.person.ask(question, manner)? else {
                return Err(anyhow!("no answer: nothing was written"));
            };
            let is_noise = |c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER;
            if !answer.contains(is_noise) {
                return Ok(answer);
            }
            self.person.tell("has signs that are no text, as of an arrow key; type it again");
        }
    }

    /// Tells what the config has against it, if anything.
    fn is_accepted(&mut self, key: &str) -> bool {
        let faults = self.site.faults(self.paths, |fault| fault.key.starts_with(key));
        for fault in &faults {
            self.person.tell(&told(fault));
        }
        faults.is_empty()
    }
}

/// A fault of an answer: the file it would be in does not exist yet.
pub(super) fn told(fault: &Fault) -> String {
    match &fault.hint {
        Some(hint) => format!("{}\nhint: {hint}", fault.text),
        None => fault.text.clone(),
    }
}
