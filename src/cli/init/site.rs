//! What was answered, and the config that follows from it; pure.

use std::path::{Path, PathBuf};

use super::sample::{Paragraph, paragraphs, quoted};
use crate::{
    domain::{id::PileCode, wire::Revision},
    service::{
        config::{Config, Fault},
        roster::code_for,
    },
};

/// Where the example keeps config and secrets.
const EXAMPLE_DIR: &str = "/etc/sitepilot";

/// The account that piles register with.
pub(super) const REGISTRATION_NAME: &str = "register";

/// A site as it was described.
#[derive(Debug, Clone)]
pub(super) struct Site {
    /// Station code.
    pub(super) code: String,
    /// Name for people; `None`: the code.
    pub(super) name: Option<String>,
    /// Time zone.
    pub(super) timezone: String,
    /// Ledger and credentials; `None`: where the package keeps them.
    pub(super) data_dir: Option<PathBuf>,
    /// The cloud.
    pub(super) cloud: Cloud,
    /// Serial numbers of piles.
    pub(super) piles: Vec<String>,
    /// Connectors of each pile.
    pub(super) connectors: u16,
    /// Serial ports.
    pub(super) ports: Vec<Port>,
}

/// The cloud, and what the site is to it.
#[derive(Debug, Clone)]
pub(super) struct Cloud {
    pub(super) url: String,
    pub(super) revision: Revision,
    pub(super) part_number: String,
    /// `None`: the station code.
    pub(super) serial: Option<String>,
    pub(super) vendor: String,
    pub(super) username: String,
}

/// A serial port of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Port {
    /// The name it is to have in the config.
    pub(in crate::cli) path: String,
    /// What it is, for people.
    pub(in crate::cli) about: String,
    /// Whether it becomes a bus.
    pub(in crate::cli) part: Part,
}

/// What a port is to the config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Part {
    /// A bus.
    Bus,
    /// A bus that is commented out.
    Offered,
}

/// The files of the secrets, in the order in which they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SecretFile {
    CloudCode,
    CloudPassword,
    RegistrationCode,
    RegistrationPassword,
}

impl SecretFile {
    pub(super) const ALL: [Self; 4] =
        [Self::CloudCode, Self::CloudPassword, Self::RegistrationCode, Self::RegistrationPassword];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::CloudCode => "cloud.code",
            Self::CloudPassword => "cloud.password",
            Self::RegistrationCode => "registration.code",
            Self::RegistrationPassword => "registration.password",
        }
    }
}

/// Where the config is, and where its secrets are.
#[derive(Debug, Clone)]
pub(super) struct Paths {
    /// The config.
    pub(super) config: PathBuf,
    /// Those of the secrets that are not beside it by their names.
    elsewhere: Vec<(SecretFile, PathBuf)>,
}

impl Paths {
    /// A config with its secrets beside it.
    pub(super) const fn new(config: PathBuf) -> Self {
        Self { config, elsewhere: Vec::new() }
    }

    /// The directory of the config.
    pub(super) fn dir(&self) -> &Path {
        self.config.parent().unwrap_or(&self.config)
    }

    /// Where a secret is.
    pub(super) fn of(&self, file: SecretFile) -> PathBuf {
        let found = self.elsewhere.iter().find(|(other, _)| *other == file);
        found.map_or_else(|| self.dir().join(file.name()), |(_, path)| path.clone())
    }

    /// The same with a secret at another place.
    pub(super) fn with(mut self, file: SecretFile, path: PathBuf) -> Self {
        self.elsewhere.push((file, path));
        self
    }
}

/// A pile as it stands in the config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pile {
    pub(super) serial: String,
    pub(super) code: PileCode,
    pub(super) connectors: Vec<u16>,
}

impl Site {
    /// Its name for people.
    pub(super) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.code)
    }

    /// What the cloud knows it as.
    pub(super) fn serial(&self) -> &str {
        self.cloud.serial.as_deref().unwrap_or(&self.code)
    }

    /// Its piles, with the codes that their registration would give them and connectors in their
    /// order.
    pub(super) fn piles(&self) -> Vec<Pile> {
        let mut piles: Vec<Pile> = Vec::new();
        let mut next = 1_u16;
        for serial in &self.piles {
            let is_free = |code: &PileCode| piles.iter().all(|pile| pile.code != *code);
            // Only a station code that is none makes no codes, and that has a fault of its own.
            let Some(code) = code_for(&self.code, serial, is_free) else { continue };
            let end = next.saturating_add(self.connectors);
            piles.push(Pile { serial: serial.clone(), code, connectors: (next..end).collect() });
            next = end;
        }
        piles
    }

    /// Names of the buses that count, with their ports.
    pub(super) fn buses(&self) -> Vec<(String, &Port)> {
        let named = self.ports.iter().enumerate();
        let named = named.map(|(index, port)| (format!("rs485-{}", index + 1), port));
        named.filter(|(_, port)| port.part == Part::Bus).collect()
    }

    /// The config.
    pub(super) fn text(&self, paths: &Paths) -> String {
        let mut written = vec![preface()];
        let mut done: Vec<String> = Vec::new();
        for paragraph in paragraphs() {
            let Some(table) = paragraph.table().map(ToOwned::to_owned) else { continue };
            let is_first = !done.contains(&table);
            written.extend(self.tables(&table, is_first, paragraph, paths));
            done.push(table);
        }
        let dir = paths.dir().to_string_lossy();
        let paragraphs = written.into_iter().map(|one| one.moved(EXAMPLE_DIR, &dir).lines());
        paragraphs.collect::<Vec<_>>().join("\n\n") + "\n"
    }

    /// What becomes of a paragraph of the example.
    fn tables(
        &self,
        table: &str,
        is_first: bool,
        example: Paragraph,
        paths: &Paths,
    ) -> Vec<Paragraph> {
        match (table, is_first) {
            ("[site]", _) => vec![self.place(example)],
            ("[broker.registration]", _) => vec![registration(example, paths)],
            ("[[pile]]", true) => self.pile_tables(&example),
            // Two of them show no more than one.
            ("[[pile]]", false) => Vec::new(),
            ("[[bus]]", true) => self.bus_tables(&example),
            ("[[uplink]]", true) => vec![self.uplink(example, paths)],
            ("[control]", _) => vec![self.control(example)],
            _ => vec![example],
        }
    }

    fn place(&self, example: Paragraph) -> Paragraph {
        let example = example
            .text("code", &self.code)
            .text("name", self.name())
            .text("timezone", &self.timezone);
        match &self.data_dir {
            Some(dir) => example.text("data_dir", &dir.to_string_lossy()),
            None => example,
        }
    }

    fn pile_tables(&self, example: &Paragraph) -> Vec<Paragraph> {
        let tables = self.piles().into_iter().enumerate().map(|(index, pile)| {
            let numbers: Vec<_> = pile.connectors.iter().map(ToString::to_string).collect();
            let table = example
                .clone()
                .text("code", pile.code.as_str())
                .text("serial", &pile.serial)
                .set("connectors", &format!("[{}]", numbers.join(", ")))
                .switch_off("password_file");
            if index == 0 { table } else { table.plain() }
        });
        let tables: Vec<_> = tables.collect();
        if tables.is_empty() { vec![example.clone().out()] } else { tables }
    }

    fn bus_tables(&self, example: &Paragraph) -> Vec<Paragraph> {
        let tables = self.ports.iter().enumerate().map(|(index, port)| {
            let serial = "baud = 9600, parity = \"even\", stop_bits = 1";
            let serial = format!("{{ port = {}, {serial} }}", quoted(&port.path));
            let name = quoted(&format!("rs485-{}", index + 1));
            let table = match port.part {
                Part::Bus => example.clone().open().set("name", &name).set("serial", &serial),
                Part::Offered => example.clone().write("name", &name).write("serial", &serial),
            };
            let table = if index == 0 { table } else { table.plain() };
            table.said(&port.about)
        });
        let tables: Vec<_> = tables.collect();
        if tables.is_empty() { vec![example.clone()] } else { tables }
    }

    fn uplink(&self, example: Paragraph, paths: &Paths) -> Paragraph {
        let cloud = &self.cloud;
        example
            .text("revision", cloud.revision.name())
            .text("url", &cloud.url)
            .text("part_number", &cloud.part_number)
            .text("serial", self.serial())
            .text("vendor", &cloud.vendor)
            .path("registration_code_file", &paths.of(SecretFile::CloudCode))
            .text("username", &cloud.username)
            .path("password_file", &paths.of(SecretFile::CloudPassword))
    }

    /// A site with a data directory of its own has its socket there: that of the package belongs
    /// to the service.
    fn control(&self, example: Paragraph) -> Paragraph {
        match &self.data_dir {
            Some(dir) => example.open().path("socket", &dir.join("control.sock")),
            None => example,
        }
    }

    /// What the config's own rules say against it.
    pub(super) fn faults(&self, paths: &Paths, is_asked: impl Fn(&Fault) -> bool) -> Vec<Fault> {
        let Err(faults) = Config::parse(&paths.config, &self.text(paths)) else {
            return Vec::new();
        };
        faults.0.into_iter().filter(is_asked).collect()
    }
}

impl Paragraph {
    fn path(self, key: &str, path: &Path) -> Self {
        self.text(key, &path.to_string_lossy())
    }
}

fn preface() -> Paragraph {
    Paragraph::comments(&[
        "Config of this site, as `sitepilot init` wrote it. What is commented out shows what else",
        "there is. After a change: sudo sitepilot check && sudo systemctl restart sitepilot",
    ])
}

fn registration(example: Paragraph, paths: &Paths) -> Paragraph {
    example
        .open()
        .set("open", "false")
        .set("kind", "\"dc\"")
        .path("code_file", &paths.of(SecretFile::RegistrationCode))
        .text("username", REGISTRATION_NAME)
        .path("password_file", &paths.of(SecretFile::RegistrationPassword))
}
