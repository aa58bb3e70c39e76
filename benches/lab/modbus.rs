//! libmodbus, as the slave and as the client to compare with: built when the bench runs.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::{BufRead, BufReader, Lines, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use sitepilot::protocol::modbus::Table;

pub const ADDRESS: u8 = 1;

/// What was built.
pub struct Programs {
    slave: PathBuf,
    pub client: PathBuf,
}

/// Builds slave and client into `dir`.
///
/// # Errors
/// What is missing.
pub fn build(dir: &Path) -> Result<Programs, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let flags = Command::new("pkg-config").args(["--cflags", "--libs", "libmodbus"]).output();
    let flags = flags.map_err(|error| format!("pkg-config: {error}"))?;
    if !flags.status.success() {
        return Err("libmodbus-dev is not installed".into());
    }
    let flags = String::from_utf8_lossy(&flags.stdout).into_owned();
    let compile = |source: &str, name: &str| {
        let program = dir.join(name);
        let mut compiler = Command::new("cc");
        compiler.args(["-O2", "-o"]).arg(&program).arg(root.join(source));
        let status = compiler.args(flags.split_whitespace()).status();
        match status {
            Ok(status) if status.success() => Ok(program),
            Ok(status) => Err(format!("{source}: cc ended with {status}")),
            Err(error) => Err(format!("cc: {error}")),
        }
    };
    Ok(Programs {
        slave: compile("tests/foreign/slave.c", "slave")?,
        client: compile("benches/lab/modbus_client.c", "client")?,
    })
}

/// A slave of libmodbus at a pseudo-terminal.
pub struct Slave {
    child: Child,
    told: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
    pub port: PathBuf,
}

impl Slave {
    pub fn start(programs: &Programs) -> Self {
        let mut child = Command::new(&programs.slave)
            .args(["pty", &ADDRESS.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the slave starts");
        let told = child.stdin.take().expect("its input");
        let said = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut slave = Self { child, told, said, port: PathBuf::new() };
        slave.port = slave.line().into();
        assert_eq!(slave.line(), "ready");
        slave
    }

    fn line(&mut self) -> String {
        self.said.next().expect("the slave ended").expect("a line")
    }

    /// Gives it registers.
    pub fn set(&mut self, image: &BTreeMap<(Table, u16), u16>) {
        for ((table, address), word) in image {
            writeln!(self.told, "set {} {address} {word}", table.function()).expect("it listens");
            assert_eq!(self.line(), "ok");
        }
    }
}

impl Drop for Slave {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What readings have cost a process.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    cpu_ns: u64,
    pub failed: u64,
}

impl Cost {
    pub fn each_us(self, readings: u32) -> f64 {
        self.cpu_ns as f64 / 1000.0 / f64::from(readings)
    }
}

/// Runs a program that says so: nanoseconds of processor time, failed readings.
pub fn cost_of(program: &Path, arguments: &[OsString]) -> Cost {
    let output =
        Command::new(program).args(arguments).stderr(Stdio::inherit()).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{} ended with {}", program.display(), output.status);
    let mut numbers = said.split_whitespace().map(|number| number.parse().expect("a number"));
    let mut next = || numbers.next().expect("two numbers");
    Cost { cpu_ns: next(), failed: next() }
}
