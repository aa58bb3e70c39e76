//! `sim meter`

mod line;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, bail};

use super::{lines, obey, until_over};
use crate::{
    clock::Clock,
    domain::quantity::Energy,
    peers::meter::{
        Exchange, Framing, Load, Meters, Slave,
        pty::{self, Socket, SocketTask},
        serve::{self, Settings, Tcp},
    },
    protocol::modbus::{Parity, Profile, SerialDefaults},
    service::profiles::{self, Shelf},
    sys::file::read_small_text,
};

/// Where a profile says nothing of it.
const SERIAL: SerialDefaults = SerialDefaults { baud: 9_600, parity: Parity::None, stop_bits: 1 };

/// Largest profile that is read.
const MAX_PROFILE_BYTES: u64 = 64 << 10;

/// The greatest address of a slave.
const ADDRESS_MAX: u8 = 247;

/// `sim meter`
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("place").required(true).args(["serial", "pty", "tcp"])))]
pub(in crate::cli) struct Arguments {
    /// Profile of the meter, by its name or file; several, as in NAME@ADDRESS, make several
    /// meters on one line
    #[arg(long = "profile", value_name = "PROFILE[@ADDRESS]", required = true)]
    profiles: Vec<String>,
    /// Address of the meter whose profile is given without one
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=i64::from(ADDRESS_MAX)))]
    address: u8,
    /// A serial port
    #[arg(long, value_name = "PORT")]
    serial: Option<PathBuf>,
    /// A pseudo-terminal, which a controller opens as a serial port under the path LINK
    #[arg(long, value_name = "LINK", num_args = 0..=1)]
    pty: Option<Option<PathBuf>>,
    /// A port of TCP, such as 127.0.0.1:1502
    #[arg(long, value_name = "ADDRESS:PORT")]
    tcp: Option<SocketAddr>,
    /// How TCP is used: tcp for Modbus TCP, rtu for a converter that passes RTU on
    #[arg(long, value_name = "FRAMING", conflicts_with_all = ["pty", "serial"], default_value = "tcp", value_parser = framing)]
    framing: Framing,
    /// Speed of the serial port; left out, that of the profile
    #[arg(long, value_name = "N", conflicts_with_all = ["pty", "tcp"])]
    baud: Option<u32>,
    /// Its parity: none, even or odd
    #[arg(long, value_name = "PARITY", conflicts_with_all = ["pty", "tcp"], value_parser = parity)]
    parity: Option<Parity>,
    /// Its stop bits: 1 or 2
    #[arg(long, value_name = "N", conflicts_with_all = ["pty", "tcp"], value_parser = clap::value_parser!(u8).range(1..=2))]
    stop_bits: Option<u8>,
    /// What flows, in W; negative: towards the grid
    #[arg(long, value_name = "W", default_value_t = 0, allow_negative_numbers = true)]
    load: i64,
    /// Where the import register begins, in Wh
    #[arg(long, value_name = "WH", default_value_t = 0)]
    energy: u64,
    /// Tells only of refusals and of faults
    #[arg(long)]
    quiet: bool,
    /// Ends by itself after so many seconds
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// Seed of whatever is random
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
}

fn framing(text: &str) -> Result<Framing, String> {
    match text {
        "tcp" => Ok(Framing::Tcp),
        "rtu" => Ok(Framing::Rtu),
        _ => Err("there are tcp and rtu".to_owned()),
    }
}

fn parity(text: &str) -> Result<Parity, String> {
    [Parity::None, Parity::Even, Parity::Odd]
        .into_iter()
        .find(|parity| parity.to_string() == text)
        .ok_or_else(|| "there are none, even and odd".to_owned())
}

pub(super) fn run(arguments: &Arguments, config: &Path) -> anyhow::Result<()> {
    let mut kinds = arguments.kinds(&Shelf::beside(config))?;
    let serial = kinds.iter().find_map(|(_, profile)| profile.serial);
    let clock = Clock::passing();
    let now = clock.now().mono;
    let mut slaves = Vec::new();
    let addresses: Vec<u8> = kinds.keys().copied().collect();
    while let Some((address, profile)) = kinds.pop_first() {
        let seed = arguments.seed.wrapping_add(u64::from(address));
        let mut slave = Slave::of(Arc::new(profile), address).with_seed(seed);
        slave.set_energy(Energy::from_wh(arguments.energy), now);
        slave.set_load(&Load::constant(arguments.load), now);
        slaves.push(slave);
    }
    let meters = Meters::new(slaves, Arc::new(move || clock.now()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let lines = lines()?;
    runtime.block_on(async {
        let (place, socket) = arguments.open(&meters, serial.unwrap_or(SERIAL)).await?;
        let direct = |words: &[&str]| line::direct(&meters, &addresses, socket.as_ref(), words);
        tokio::select! {
            ended = place.serve(&meters) => ended,
            () = tell(&meters, arguments.quiet) => Ok(()),
            () = obey(lines, direct) => Ok(()),
            ended = until_over(arguments.seconds) => ended,
        }
    })
}

/// Where the meters are.
enum Place {
    Serial(PathBuf, Settings),
    Terminal(SocketTask),
    Tcp(Tcp),
}

impl Place {
    async fn serve(self, meters: &Meters) -> anyhow::Result<()> {
        match self {
            Self::Serial(path, settings) => {
                let served = serve::on_serial(&path, settings, meters).await;
                served.with_context(|| path.display().to_string())?;
                bail!("{} is gone", path.display())
            }
            Self::Terminal(task) => task.run().await.context("no pseudo-terminal"),
            Self::Tcp(tcp) => {
                tcp.run().await;
                Ok(())
            }
        }
    }
}

impl Arguments {
    /// The profiles by address.
    fn kinds(&self, shelf: &Shelf) -> anyhow::Result<std::collections::BTreeMap<u8, Profile>> {
        let mut kinds = std::collections::BTreeMap::new();
        for text in &self.profiles {
            let (name, address) = match text.rsplit_once('@') {
                Some((name, address)) => (name, address_of(address)?),
                None => (text.as_str(), self.address),
            };
            if kinds.insert(address, profile(shelf, name)?).is_some() {
                bail!("two meters have the address {address}\nhint: --profile NAME@ADDRESS");
            }
        }
        Ok(kinds)
    }

    /// Opens the place and says where it is.
    async fn open(
        &self,
        meters: &Meters,
        serial: SerialDefaults,
    ) -> anyhow::Result<(Place, Option<Socket>)> {
        if let Some(link) = &self.pty {
            let opened = pty::socket(link.as_deref(), meters.clone());
            let (socket, task) = opened.context("no pseudo-terminal")?;
            println!("port {}", socket.path().display());
            return Ok((Place::Terminal(task), Some(socket)));
        }
        if let Some(listen) = self.tcp {
            let bound = Tcp::bind(listen, meters.clone(), self.framing).await;
            let tcp = bound.with_context(|| format!("cannot listen at {listen}"))?;
            println!("port {}", tcp.address()?);
            return Ok((Place::Tcp(tcp), None));
        }
        let path = self.serial.clone().context("no port")?;
        let settings = Settings {
            baud: self.baud.unwrap_or(serial.baud),
            parity: self.parity.unwrap_or(serial.parity),
            stop_bits: self.stop_bits.unwrap_or(serial.stop_bits),
        };
        let Settings { baud, parity, stop_bits } = settings;
        println!("port {}: {baud} baud, parity {parity}, stop bits {stop_bits}", path.display());
        Ok((Place::Serial(path, settings), None))
    }
}

fn address_of(text: &str) -> anyhow::Result<u8> {
    let address: Option<u8> = text.parse().ok();
    let address = address.filter(|address| (1..=ADDRESS_MAX).contains(address));
    address.with_context(|| format!("not an address of a slave: {text}\nhint: 1 to {ADDRESS_MAX}"))
}

/// By its file if there is a path, else by its name.
fn profile(shelf: &Shelf, name: &str) -> anyhow::Result<Profile> {
    if !name.contains(['/', '.']) {
        return shelf.find(name).map_err(anyhow::Error::from);
    }
    let path = Path::new(name);
    let text = read_small_text(path, MAX_PROFILE_BYTES).with_context(|| name.to_owned())?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    Ok(profiles::parse(&stem, path, &text)?)
}

/// Says what the meters were asked.
async fn tell(meters: &Meters, quiet: bool) {
    let news = meters.news();
    while let Ok(exchange) = news.recv_async().await {
        if !quiet || exchange.refused.is_some() || !exchange.faults.is_empty() {
            println!("{}", said(&exchange));
        }
    }
}

fn said(exchange: &Exchange) -> String {
    let Exchange { address, function, start, count, refused, faults } = exchange;
    let what = match refused {
        Some(exception) => format!("refused with exception {exception}"),
        None => "answered".to_owned(),
    };
    let asked = format!("{address}: function {function}, {count} registers at {start}: {what}");
    if faults.is_empty() { asked } else { format!("{asked}, {faults:?}") }
}
