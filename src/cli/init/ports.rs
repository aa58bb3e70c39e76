//! The serial ports of this machine, by names that stay when it is started again.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use super::site::Part;
pub(in crate::cli) use super::site::Port;

/// Ports that are told of; a board with more has a converter at the network.
const MAX_PORTS: usize = 16;

/// Longest name of a product that is told.
const MAX_PRODUCT_CHARS: usize = 60;

/// How far above a port its USB device is looked for: two floors, and hubs are above it.
const FLOORS: usize = 6;

/// Drivers of the chips that RS-485 adapters are made with. Modems and sticks of radio networks
/// mostly have others.
const ADAPTERS: [&str; 10] = [
    "ftdi_sio",
    "ch341-uart",
    "ch343",
    "cp210x",
    "pl2303",
    "mxuport",
    "mxu11x0",
    "xr_serial",
    "ti_usb_3410_5052_1",
    "f81534",
];

/// Where the system tells of its devices.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Places {
    pub(super) dev: PathBuf,
    pub(super) sys: PathBuf,
}

impl Places {
    /// Those of a running system.
    pub(in crate::cli) fn of_system() -> Self {
        Self { dev: PathBuf::from("/dev"), sys: PathBuf::from("/sys") }
    }

    /// The ports that are there: those that become buses first. `wanted`: those that somebody has
    /// named become buses, and no others; with none named all that surely are adapters.
    pub(in crate::cli) fn ports(&self, wanted: &[String]) -> Vec<Port> {
        let stable = self.stable_names();
        let found = self.found();
        let about = |path: &str| {
            let real = fs::canonicalize(path).ok()?;
            found.iter().find(|found| found.node == real).map(Found::about)
        };
        let named = wanted.iter().map(|path| Port {
            path: path.clone(),
            about: about(path).unwrap_or_else(|| "a port that was named".to_owned()),
            part: Part::Bus,
        });
        let reals: Vec<_> = wanted.iter().filter_map(|path| fs::canonicalize(path).ok()).collect();
        let others = found.iter().filter(|found| !reals.contains(&found.node)).map(|found| {
            let name = stable.get(&found.node).unwrap_or(&found.node);
            let is_bus = wanted.is_empty() && (found.is_adapter() || self.is_marked(name));
            let part = if is_bus { Part::Bus } else { Part::Offered };
            Port { path: name.to_string_lossy().into_owned(), about: found.about(), part }
        });
        let mut others: Vec<_> = others.take(MAX_PORTS).collect();
        others.sort_by_key(|port| (port.part != Part::Bus, port.path.clone()));
        named.chain(others).collect()
    }

    /// Whether the package's udev rule takes a port for an RS-485 adapter.
    fn is_marked(&self, name: &Path) -> bool {
        name.parent() == Some(&self.dev) && is_named(name, "rs485-")
    }

    /// The best stable name of each port that has one: where it is plugged in, else which adapter
    /// it is.
    fn stable_names(&self) -> BTreeMap<PathBuf, PathBuf> {
        let own = entries(&self.dev).into_iter().filter(|path| is_named(path, "rs485-"));
        let by_path = entries(&self.dev.join("serial/by-path"));
        let by_id = entries(&self.dev.join("serial/by-id"));
        let mut names = BTreeMap::new();
        for name in own.chain(by_path).chain(by_id) {
            if let Ok(node) = fs::canonicalize(&name) {
                names.entry(node).or_insert(name);
            }
        }
        names
    }

    fn found(&self) -> Vec<Found> {
        let ttys = entries(&self.sys.join("class/tty"));
        let consoles = fs::read_to_string(self.sys.join("class/tty/console/active"));
        let consoles = consoles.unwrap_or_default();
        let found = ttys.into_iter().filter_map(|tty| {
            let name = tty.file_name()?.to_str()?.to_owned();
            // A number that the kernel keeps for a port that is not there has no type.
            let kind = fs::read_to_string(tty.join("type")).unwrap_or_default();
            let device = fs::canonicalize(tty.join("device")).ok()?;
            let node = fs::canonicalize(self.dev.join(&name)).ok()?;
            let driver = fs::canonicalize(device.join("driver")).ok();
            let driver = driver.as_deref().and_then(Path::file_name);
            let is_console = consoles.split_whitespace().any(|console| console == name);
            (kind.trim() != "0").then(|| Found {
                node,
                driver: driver.unwrap_or_default().to_string_lossy().into_owned(),
                usb: device.ancestors().take(FLOORS).find_map(product),
                is_console,
            })
        });
        found.collect()
    }
}

/// A serial port as the system knows it.
#[derive(Debug)]
struct Found {
    /// Its device node.
    node: PathBuf,
    driver: String,
    /// What the USB device calls itself.
    usb: Option<String>,
    /// The system writes its messages there.
    is_console: bool,
}

impl Found {
    fn is_adapter(&self) -> bool {
        self.usb.is_some() && !self.is_console && ADAPTERS.contains(&self.driver.as_str())
    }

    fn about(&self) -> String {
        let node = self.node.display();
        match &self.usb {
            Some(usb) => format!("{usb}, driver {}, now {node}", self.driver),
            None if self.is_console => format!("{node}, a port of the board: the system's console"),
            None => format!("{node}, a port of the board"),
        }
    }
}

/// What a USB device calls itself; `None` if the directory is not that of one.
fn product(device: &Path) -> Option<String> {
    device.join("idVendor").exists().then_some(())?;
    let read = |name: &str| fs::read_to_string(device.join(name)).unwrap_or_default();
    let said = [read("manufacturer"), read("product")].join(" ");
    let plain: String = said.chars().filter(|c| !c.is_control()).take(MAX_PRODUCT_CHARS).collect();
    let plain = plain.trim();
    Some(if plain.is_empty() { "USB adapter without a name".to_owned() } else { plain.to_owned() })
}

fn is_named(path: &Path, start: &str) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start))
}

/// What is in a directory, by name; nothing if it is not there.
fn entries(dir: &Path) -> Vec<PathBuf> {
    let read = fs::read_dir(dir).into_iter().flatten();
    let mut paths: Vec<_> = read.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::symlink;

    use super::*;

    /// A system of one's own, with devices as sysfs shows them.
    struct System(tempfile::TempDir);

    impl System {
        fn new() -> Self {
            let system = Self(tempfile::tempdir().unwrap());
            for dir in ["dev/serial/by-path", "dev/serial/by-id", "sys/class/tty/console"] {
                fs::create_dir_all(system.0.path().join(dir)).unwrap();
            }
            system
        }

        fn path(&self, path: &str) -> PathBuf {
            self.0.path().join(path)
        }

        fn write(&self, path: &str, text: &str) {
            fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
            fs::write(self.path(path), text).unwrap();
        }

        /// A port with its device below `/sys/devices`.
        fn port(&self, name: &str, device: &str, driver: &str) {
            self.write(&format!("dev/{name}"), "");
            let driver = format!("sys/bus/drivers/{driver}");
            let device = format!("sys/devices/{device}");
            for dir in [driver.clone(), device.clone(), format!("sys/class/tty/{name}")] {
                fs::create_dir_all(self.path(&dir)).unwrap();
            }
            let _ = symlink(self.path(&driver), self.path(&device).join("driver"));
            symlink(self.path(&device), self.path(&format!("sys/class/tty/{name}/device")))
                .unwrap();
        }

        fn link(&self, name: &str, to: &str) {
            symlink(self.path(&format!("dev/{to}")), self.path(&format!("dev/{name}"))).unwrap();
        }

        fn ports(&self, wanted: &[String]) -> Vec<(String, String, Part)> {
            let root = fs::canonicalize(self.0.path()).unwrap();
            let places = Places { dev: root.join("dev"), sys: root.join("sys") };
            let short = |text: &str| text.replace(&format!("{}/", root.display()), "/");
            let ports = places.ports(wanted).into_iter();
            ports.map(|port| (short(&port.path), short(&port.about), port.part)).collect()
        }

        fn adapter(&self) {
            self.port("ttyUSB0", "usb1/1-1/1-1:1.0/ttyUSB0", "ftdi_sio");
            self.write("sys/devices/usb1/1-1/idVendor", "0403\n");
            self.write("sys/devices/usb1/1-1/manufacturer", "FTDI\n");
            self.write("sys/devices/usb1/1-1/product", "FT232R USB\x07 UART\n");
        }
    }

    #[test]
    fn an_adapter_becomes_a_bus_by_its_best_name_and_other_ports_are_offered() {
        let system = System::new();
        assert_eq!(system.ports(&[]), []);
        system.adapter();
        system.port("ttyAMA0", "soc/serial0", "uart-pl011");
        system.port("ttyS0", "pnp0/0", "serial");
        system.write("sys/class/tty/ttyS0/type", "4\n");
        system.write("sys/class/tty/console/active", "tty0 ttyS0\n");
        system.port("ttyS1", "pnp0/1", "serial");
        system.write("sys/class/tty/ttyS1/type", "0\n");
        system.port("ttyACM0", "usb1/1-2/1-2:1.0", "cdc_acm");
        system.write("sys/devices/usb1/1-2/idVendor", "2c7c\n");
        system.link("serial/by-id/usb-FTDI-if00", "ttyUSB0");
        let about = "FTDI FT232R USB UART, driver ftdi_sio, now /dev/ttyUSB0".to_owned();
        let modem = "USB adapter without a name, driver cdc_acm, now /dev/ttyACM0".to_owned();
        let console = "/dev/ttyS0, a port of the board: the system's console".to_owned();
        let board = "/dev/ttyAMA0, a port of the board".to_owned();
        let bus = |name: &str| ("/dev/".to_owned() + name, about.clone(), Part::Bus);
        let others = [
            ("/dev/ttyACM0".to_owned(), modem, Part::Offered),
            ("/dev/ttyAMA0".to_owned(), board, Part::Offered),
            ("/dev/ttyS0".to_owned(), console, Part::Offered),
        ];
        let mut wanted = vec![bus("serial/by-id/usb-FTDI-if00")];
        wanted.extend(others);
        assert_eq!(system.ports(&[]), wanted);
        for name in ["serial/by-path/usb-0:1", "rs485-1"] {
            system.link(name, "ttyUSB0");
            wanted[0] = bus(name);
            assert_eq!(system.ports(&[]), wanted);
        }
    }

    #[test]
    fn only_what_is_named_becomes_a_bus() {
        let system = System::new();
        system.adapter();
        system.port("ttyAMA0", "soc/serial0", "uart-pl011");
        let board = fs::canonicalize(system.path("dev/ttyAMA0")).unwrap();
        let named = [board.to_str().unwrap().to_owned(), "/dev/later".to_owned()];
        let found = system.ports(&named);
        let parts: Vec<_> = found.iter().map(|(path, _, part)| (path.as_str(), *part)).collect();
        let wanted = [
            ("/dev/ttyAMA0", Part::Bus),
            ("/dev/later", Part::Bus),
            ("/dev/ttyUSB0", Part::Offered),
        ];
        assert_eq!(parts, wanted);
        assert_eq!(found[0].1, "/dev/ttyAMA0, a port of the board");
    }

    #[test]
    fn a_port_that_the_rule_marks_is_an_adapter_whatever_its_driver() {
        let system = System::new();
        system.port("ttyACM0", "usb1/1-2/1-2:1.0", "cdc_acm");
        system.write("sys/devices/usb1/1-2/idVendor", "1a86\n");
        system.link("rs485-1-2", "ttyACM0");
        let [(path, _, part)] = &system.ports(&[])[..] else { panic!("one port") };
        assert_eq!((path.as_str(), *part), ("/dev/rs485-1-2", Part::Bus));
    }
}
