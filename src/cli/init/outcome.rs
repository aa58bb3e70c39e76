//! What was written, and what is to be done next.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{
    super::{SERVICE_CONFIG, table},
    files::Placed,
    secrets,
    site::{Paths, Pile, REGISTRATION_NAME, SecretFile, Site},
};
use crate::{
    service::config::{Config, Secret},
    sys::addresses::{Address, addresses},
};

/// What was written, and what a person needs to know of it.
pub(super) struct Outcome<'a> {
    site: &'a Site,
    paths: &'a Paths,
    placed: Vec<Placed>,
    piles: Vec<Pile>,
    addresses: Vec<Address>,
    /// The port of the doors.
    port: u16,
    code: Secret,
    password: Secret,
}

impl<'a> Outcome<'a> {
    /// Of files that are in their places.
    pub(super) fn new(
        site: &'a Site,
        paths: &'a Paths,
        placed: Vec<Placed>,
    ) -> anyhow::Result<Self> {
        let read = |file| secrets::in_file(&paths.of(file));
        let config = Config::load(&paths.config)?;
        let listen = config.broker.listen.context("the example listens without TLS")?;
        Ok(Self {
            site,
            paths,
            placed,
            piles: site.piles(),
            addresses: addresses().unwrap_or_default(),
            port: listen.port(),
            code: read(SecretFile::RegistrationCode)?,
            password: read(SecretFile::RegistrationPassword)?,
        })
    }

    /// Tells it.
    pub(super) fn tell(&self, as_json: bool) {
        if as_json { table::json(&self.document()) } else { table::print(&self.text()) }
    }

    /// For a program.
    fn document(&self) -> Value {
        let shown = |path: &Path| path.display().to_string();
        let piles = self.piles.iter().map(|pile| {
            let (code, connectors) = (pile.code.as_str(), &pile.connectors);
            json!({ "serial": pile.serial, "code": code, "connectors": connectors })
        });
        let buses = self.site.buses();
        let buses = buses.iter().map(|(name, port)| json!({ "name": name, "port": port.path }));
        json!({
            "config": shown(&self.paths.config),
            "written": self.placed.iter().map(|placed| shown(&placed.path)).collect::<Vec<_>>(),
            "kept": self.kept().map(|path| shown(&path)).collect::<Vec<_>>(),
            "set_aside": self.placed.iter().filter_map(|placed| placed.old.as_deref().map(shown)).collect::<Vec<_>>(),
            "registration": {
                "addresses": self.addresses.iter().map(|address| address.ip.to_string()).collect::<Vec<_>>(),
                "port": self.port,
                "username": REGISTRATION_NAME,
                "password": self.password.expose(),
                "code": self.code.expose(),
            },
            "piles": piles.collect::<Vec<_>>(),
            "buses": buses.collect::<Vec<_>>(),
        })
    }

    /// For a person.
    fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail, here and below.
        for placed in &self.placed {
            let _ = writeln!(text, "written: {}", placed.path.display());
            if let Some(old) = &placed.old {
                let _ = writeln!(text, "  the one before: {}", old.display());
            }
        }
        for kept in self.kept() {
            let _ = writeln!(text, "kept as it was: {}", kept.display());
        }
        self.for_piles(&mut text);
        self.for_cloud(&mut text);
        self.for_meters(&mut text);
        self.next(&mut text);
        text
    }

    /// Secrets that were there already.
    fn kept(&self) -> impl Iterator<Item = PathBuf> {
        let secrets = SecretFile::ALL.into_iter().map(|file| self.paths.of(file));
        secrets.filter(|path| self.placed.iter().all(|placed| placed.path != *path))
    }

    fn for_piles(&self, text: &mut String) {
        let _ = writeln!(text, "\nEach pile is told, and registers by itself:");
        let addresses = self.addresses.iter();
        let addresses: Vec<_> =
            addresses.map(|address| format!("{} ({})", address.ip, address.interface)).collect();
        let addresses = match addresses.as_slice() {
            [] => "none now; this machine's in the network of the piles".to_owned(),
            addresses => addresses.join(" or "),
        };
        let rows = [
            ("address", addresses),
            ("port", format!("{}, without TLS", self.port)),
            ("account", REGISTRATION_NAME.to_owned()),
            ("password", self.password.expose().to_owned()),
            ("registration code", self.code.expose().to_owned()),
        ];
        for (name, value) in rows {
            let _ = writeln!(text, "  {name:<19}{value}");
        }
        if self.piles.is_empty() {
            let _ = writeln!(
                text,
                "No pile is known yet. Write each as [[pile]] with its serial number, or open the\n\
                 registration while they are put to work: open = true in [broker.registration]."
            );
            return;
        }
        let _ = writeln!(text, "These may register:");
        for pile in &self.piles {
            let numbers: Vec<_> = pile.connectors.iter().map(ToString::to_string).collect();
            let (serial, code, numbers) = (&pile.serial, pile.code, numbers.join(", "));
            let _ = writeln!(text, "  {serial}: pile {code}, connectors {numbers}");
        }
    }

    fn for_cloud(&self, text: &mut String) {
        let cloud = &self.site.cloud;
        let (part, serial, vendor) = (&cloud.part_number, self.site.serial(), &cloud.vendor);
        let _ = writeln!(
            text,
            "\nThe cloud has to know the site as part number {part}, serial number {serial}, \
             vendor {vendor}."
        );
    }

    fn for_meters(&self, text: &mut String) {
        let ports = &self.site.ports;
        let _ = match ports.as_slice() {
            [] => writeln!(
                text,
                "\nNo serial port was found. For meters, plug the adapter in, and write its [[bus]]."
            ),
            _ => writeln!(text, "\nSerial ports for meters:"),
        };
        for port in ports {
            let buses = self.site.buses();
            let bus = buses.iter().find(|(_, of)| *of == port).map(|(name, _)| name.as_str());
            let part = bus.unwrap_or("commented out");
            let _ = writeln!(text, "  {part}: {}\n    {}", port.path, port.about);
        }
    }

    fn next(&self, text: &mut String) {
        let config = self.paths.config.display();
        let is_new = self.placed.iter().all(|placed| placed.old.is_none());
        let _ = writeln!(text, "\nNext:");
        if self.paths.config == Path::new(SERVICE_CONFIG) {
            if let Some(dir) = &self.site.data_dir {
                let dir = dir.display();
                let _ = writeln!(
                    text,
                    "  sudo install -d -o sitepilot -g sitepilot -m 0750 {dir}\n  \
                     sudo systemctl edit sitepilot    # [Service], ReadWritePaths={dir}"
                );
            }
            let start = if is_new { "start" } else { "restart" };
            let _ = writeln!(text, "  sudo systemctl {start} sitepilot\n  sudo sitepilot status");
            for (name, _) in self.site.buses() {
                let _ = writeln!(text, "  sudo sitepilot meters scan --bus {name}");
            }
            return;
        }
        let _ = writeln!(text, "  sitepilot run --config {config}");
        let _ = writeln!(text, "  sitepilot status --config {config}");
        for (name, _) in self.site.buses() {
            let _ = writeln!(text, "  sitepilot meters scan --bus {name} --config {config}");
        }
    }
}
