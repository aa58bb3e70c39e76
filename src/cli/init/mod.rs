//! `init`: the first config of a site, from a few answers.

use std::{
    fs, io,
    path::{self, Path, PathBuf},
};

use anyhow::{Context as _, anyhow};
use rustix::fs::{Access, access};

use super::{Common, Exit, Failure, check, sim::revision};
use crate::{
    domain::wire::Revision,
    service::config::{Config, ConfigError},
    sys::user::is_root,
};
use files::{Existing, Owner, Placed, Staging};
use interview::{Interview, Open, Secrets, told};
use outcome::Outcome;
use person::{Scene, Typist};
use ports::Places;
use site::{Cloud, Paths, SecretFile, Site};

mod files;
mod interview;
mod machine;
mod outcome;
mod person;
pub(super) mod ports;
mod sample;
mod secrets;
mod site;
#[cfg(test)]
mod tests;

/// `init`
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Station code, as the cloud knows it
    #[arg(long, value_name = "CODE")]
    code: Option<String>,
    /// Name of the site, for people; the station code if left out
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Time zone in which tariffs apply, such as Asia/Shanghai
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// The cloud's MQTT broker, such as mqtts://mqtt.example.com:8883
    #[arg(long, value_name = "URL")]
    cloud_url: Option<String>,
    /// The file with the code that a registration at the cloud is allowed with
    #[arg(long, value_name = "FILE")]
    cloud_code_file: Option<PathBuf>,
    /// The file with the password of the cloud's default account
    #[arg(long, value_name = "FILE")]
    cloud_password_file: Option<PathBuf>,
    /// The revision of the protocol that the cloud speaks: 1.0 or 1.10
    #[arg(long, value_name = "REVISION", default_value = "1.10", value_parser = revision)]
    cloud_revision: Revision,
    /// Part number of this site, as agreed with the cloud
    #[arg(long, value_name = "TEXT", default_value = "SITEPILOT-1")]
    part_number: String,
    /// Serial number of this site, as agreed with the cloud; the station code if left out
    #[arg(long, value_name = "TEXT")]
    serial: Option<String>,
    /// Vendor of this site, as agreed with the cloud
    #[arg(long, value_name = "TEXT", default_value = "sitepilot")]
    vendor: String,
    /// The cloud's default account, with which the site registers
    #[arg(long, value_name = "NAME", default_value = "default")]
    username: String,
    /// Serial number of a pile that may register; once for each pile
    #[arg(long = "pile", value_name = "SERIAL")]
    piles: Vec<String>,
    /// Connectors of each pile
    #[arg(long, value_name = "N", default_value_t = 2,
          value_parser = clap::value_parser!(u16).range(1..=16))]
    connectors: u16,
    /// Serial port with meters; once for each port. Left out, every RS-485 adapter becomes a bus
    #[arg(long = "port", value_name = "PATH")]
    ports: Vec<String>,
    /// Where the ledger is kept; left out, /var/lib/sitepilot
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Ask nothing: what is missing is an error
    #[arg(long)]
    no_input: bool,
    /// Write a new config where there is one; the old one is kept as site.toml.old
    #[arg(long)]
    force: bool,
}

/// The group whose members read config and secrets.
const GROUP: &str = "sitepilot";

/// Stands for what is not known yet while the rest is looked at; the rules take it.
const UNKNOWN: (&str, &str, &str) = ("0", "UTC", "mqtt://localhost");

/// Flags by the keys that their values go to.
const FLAGS: [(&str, &str); 12] = [
    ("site.code", "--code"),
    ("site.name", "--name"),
    ("site.timezone", "--timezone"),
    ("site.data_dir", "--data-dir"),
    ("control.socket", "--data-dir"),
    ("pile[", "--pile"),
    ("bus[", "--port"),
    ("uplink[1].url", "--cloud-url"),
    ("uplink[1].part_number", "--part-number"),
    ("uplink[1].serial", "--serial"),
    ("uplink[1].vendor", "--vendor"),
    ("uplink[1].username", "--username"),
];

/// Writes a config and its secrets, or nothing.
pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<Exit, Failure> {
    let config = path::absolute(&common.config).context("where is the config to be?")?;
    let paths = Paths::new(config);
    check_place(&paths, arguments.force)?;
    let zone = machine::timezone(Path::new("/"));
    let mut site = arguments.site()?;
    check_flags(&site, &paths)?;
    let mut secrets = arguments.secrets()?;
    let open = arguments.open(&paths);
    let scene = Scene::guarded()?;
    let typist = if arguments.no_input { None } else { Typist::at_terminal(&scene) };
    match typist {
        Some(mut person) => {
            let (person, site, paths) = (&mut person, &mut site, &paths);
            secrets.extend(Interview { person, site, paths, zone }.ask_all(&open)?);
        }
        None => nothing_missing(&open, zone.as_deref())?,
    }
    let existing = if arguments.force { Existing::SetAside } else { Existing::Refused };
    let placed = scene.whole(|| write(&site, &paths, &secrets, existing))?;
    Outcome::new(&site, &paths, placed)?.tell(common.json);
    let (_, warnings) = check::examine_for_service(&paths.config).map_err(Failure::Config)?;
    for warning in warnings {
        eprintln!("{warning}");
    }
    if is_root() && Owner::here()? == Owner::Caller {
        eprintln!(
            "only root can read these files: there is no group {GROUP} that they could be of"
        );
    }
    Ok(Exit::Done)
}

impl Arguments {
    /// The site, as far as it is known.
    fn site(&self) -> anyhow::Result<Site> {
        let known = |flag: &Option<String>, unknown: &str| {
            flag.as_deref().map_or_else(|| unknown.to_owned(), |text| text.trim().to_owned())
        };
        let data_dir = self.data_dir.as_ref().map(path::absolute).transpose();
        Ok(Site {
            code: known(&self.code, UNKNOWN.0),
            name: self.name.clone(),
            timezone: known(&self.timezone, UNKNOWN.1),
            data_dir: data_dir.context("--data-dir")?,
            cloud: Cloud {
                url: known(&self.cloud_url, UNKNOWN.2),
                revision: self.cloud_revision,
                part_number: self.part_number.clone(),
                serial: self.serial.clone(),
                vendor: self.vendor.clone(),
                username: self.username.clone(),
            },
            piles: self.piles.clone(),
            connectors: self.connectors,
            ports: Places::of_system().ports(&self.ports),
        })
    }

    /// The files of secrets that were named.
    fn secrets(&self) -> Result<Secrets, Failure> {
        let named = [
            (SecretFile::CloudCode, &self.cloud_code_file),
            (SecretFile::CloudPassword, &self.cloud_password_file),
        ];
        let named = named.into_iter().filter_map(|(file, path)| Some((file, path.as_ref()?)));
        let read = named.map(|(file, path)| Ok((file, secrets::in_file(path)?)));
        Ok(read.collect::<anyhow::Result<_>>()?)
    }

    /// What is to be asked, in the order of asking. A secret that is in its place already is not
    /// asked for.
    fn open(&self, paths: &Paths) -> Vec<Open> {
        let is_secret_open = |file, flag: &Option<PathBuf>| {
            (flag.is_none() && !paths.of(file).exists()).then_some(Open::Secret(file))
        };
        let open = [
            self.code.is_none().then_some(Open::Code),
            self.timezone.is_none().then_some(Open::Timezone),
            self.cloud_url.is_none().then_some(Open::CloudUrl),
            is_secret_open(SecretFile::CloudCode, &self.cloud_code_file),
            is_secret_open(SecretFile::CloudPassword, &self.cloud_password_file),
            self.piles.is_empty().then_some(Open::Piles),
        ];
        open.into_iter().flatten().collect()
    }
}

/// Whether a config may be written there.
fn check_place(paths: &Paths, force: bool) -> Result<(), Failure> {
    let config = &paths.config;
    let shown = config.display();
    let is_plain = config.to_str().is_some_and(|text| !text.contains(char::is_control));
    if !is_plain || config.file_name().is_none() {
        return Err(Failure::Usage(format!("is not a place for a config: {shown}")));
    }
    match fs::symlink_metadata(config) {
        Ok(_) if force => {}
        Ok(_) => return Err(anyhow!("{}", there_already(config)).into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(unwritable(config, &error).into()),
    }
    let there = paths.dir().ancestors().find(|dir| dir.exists()).unwrap_or(Path::new("/"));
    access(there, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| unwritable(there, &error.into()).into())
}

fn unwritable(path: &Path, error: &io::Error) -> anyhow::Error {
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => "\nhint: use sudo, or another place: --config FILE",
        _ => "",
    };
    anyhow!("cannot write {}: {error}{hint}", path.display())
}

/// What is where a config was to be written.
fn there_already(config: &Path) -> String {
    let about = match Config::load(config) {
        Ok(found) => {
            let (piles, uplinks) = (found.piles.len(), found.uplinks.len());
            format!("station {}, {piles} pile(s), {uplinks} uplink(s)", found.site.code)
        }
        Err(faults) => format!("{} fault(s), which sitepilot check tells", faults.0.len()),
    };
    let shown = config.display();
    format!(
        "there is a config already: {shown}: {about}\n\
         hint: edit it, then sudo sitepilot check; or --force, which keeps it as {shown}.old"
    )
}

/// Whether the config's rules take what was given by flags.
fn check_flags(site: &Site, paths: &Paths) -> Result<(), Failure> {
    let flag_of = |key: &str| FLAGS.iter().find(|(start, _)| key.starts_with(start));
    let faults = site.faults(paths, |fault| {
        // Secrets are not there yet.
        flag_of(&fault.key).is_some() && !fault.key.ends_with("_file")
    });
    if faults.is_empty() {
        return Ok(());
    }
    let lines = faults.iter().map(|fault| {
        let flag = flag_of(&fault.key).map_or(fault.key.as_str(), |(_, flag)| flag);
        format!("{flag}: {}", told(fault))
    });
    Err(Failure::Usage(lines.collect::<Vec<_>>().join("\n")))
}

/// Where nobody can be asked, nothing may be open.
fn nothing_missing(open: &[Open], zone: Option<&str>) -> Result<(), Failure> {
    let missing: Vec<_> = open.iter().filter_map(|open| open.flag()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let zone = match zone {
        Some(zone) if open.contains(&Open::Timezone) => format!(" (this machine's: {zone})"),
        _ => String::new(),
    };
    let missing = missing.join(", ");
    Err(Failure::Usage(format!("nobody to ask, and not given: {missing}{zone}")))
}

/// Writes the files, if the config they make is good. Secrets of the registration that are there
/// already are kept: piles may know them.
fn write(
    site: &Site,
    paths: &Paths,
    secrets: &Secrets,
    existing: Existing,
) -> Result<Vec<Placed>, Failure> {
    let mut staging = Staging::begin(paths.dir(), Owner::here()?, existing)?;
    let mut waiting = paths.clone();
    for file in SecretFile::ALL {
        let path = paths.of(file);
        let given = secrets.iter().find(|(of, _)| *of == file).map(|(_, secret)| secret.clone());
        let secret = match given {
            None if path.exists() => continue,
            Some(given) if is_there(&path, given.expose()) => continue,
            Some(given) => given,
            None => secrets::new()?,
        };
        let new = staging.write(&path, &format!("{}\n", secret.expose()))?;
        waiting = waiting.with(file, new);
    }
    let good = Config::parse(&paths.config, &site.text(&waiting));
    good.and_then(|config| check::roster(&config)).map_err(|faults| unwritten(&faults))?;
    staging.write(&paths.config, &site.text(paths))?;
    Ok(staging.place()?)
}

/// Whether a secret is in its file already.
fn is_there(path: &Path, secret: &str) -> bool {
    secrets::in_file(path).is_ok_and(|there| there.expose() == secret)
}

/// The config that would be written has faults, in a file that does not exist.
fn unwritten(faults: &ConfigError) -> Failure {
    eprintln!("nothing was written");
    Failure::Config(faults.clone())
}
