//! What the operating system offers and no safe crate does in one call; the only room where
//! `unsafe` is allowed.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::{
        fd::{AsRawFd, BorrowedFd, OwnedFd},
        unix::fs::OpenOptionsExt as _,
    },
    path::Path,
};

use tokio::io::{Interest, unix::AsyncFd};

pub mod addresses;
pub mod file;
pub mod user;

/// Whether the kernel's clock is kept by NTP or PTP, as `adjtimex(2)` tells.
#[must_use]
#[allow(unsafe_code)]
pub fn is_clock_synced() -> bool {
    // SAFETY: all fields of `timex` are integers, for which zero is a value; with `modes` 0 the
    // call only reads, and it writes nothing but the structure it is given.
    let (state, status) = unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&raw mut timex), timex.status)
    };
    state >= 0 && state != libc::TIME_ERROR && status & libc::STA_UNSYNC == 0
}

/// Lets the runtime wait for a file that does not block.
///
/// # Errors
///
/// When the runtime cannot watch it.
#[allow(unsafe_code)]
pub fn watched(file: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an owned descriptor is open and the same one for as long as it is owned, and nobody
    // can take it out of there but by taking the whole apart.
    Ok(unsafe { AsyncFd::register(file) }?)
}

/// Lets the runtime wait until a file that does not block can be read. It is not woken when the
/// file can be written again, which with a serial port is after each request.
///
/// # Errors
///
/// When the runtime cannot watch it.
#[allow(unsafe_code)]
pub fn watched_for_reading(file: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: as with `watched`.
    Ok(unsafe { AsyncFd::register_with_interest(file, Interest::READABLE) }?)
}

/// Another descriptor of the same open file.
///
/// # Errors
///
/// When there are too many.
#[allow(unsafe_code)]
pub fn duplicate(file: &impl AsRawFd) -> io::Result<OwnedFd> {
    // SAFETY: the descriptor is open as long as `file` is borrowed.
    unsafe { BorrowedFd::borrow_raw(file.as_raw_fd()) }.try_clone_to_owned()
}

/// Bytes written to a TCP connection that the other side's kernel has not acknowledged, sent or
/// not, as `SIOCOUTQ` of `tcp(7)` tells. It stays what it was when the connection is reset.
///
/// # Errors
///
/// When it is no TCP connection.
#[allow(unsafe_code)]
pub fn unacknowledged_bytes(socket: &impl AsRawFd) -> io::Result<u64> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open as long as `socket` is borrowed, and the call writes one
    // integer, which outlives it. `SIOCOUTQ` is another name of `TIOCOUTQ`.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    u64::try_from(bytes).map_err(|_| io::Error::other(format!("{bytes} bytes unacknowledged")))
}

/// Lets the kernel hold only so many bytes of a TCP connection that it has not sent: the rest
/// stays with the program, where what is urgent may still go first (`TCP_NOTSENT_LOWAT`).
///
/// # Errors
///
/// When it is no TCP connection.
#[allow(unsafe_code)]
pub fn limit_unsent_bytes(socket: &impl AsRawFd, bytes: u32) -> io::Result<()> {
    const SIZE: libc::socklen_t = 4;
    // SAFETY: the descriptor is open as long as `socket` is borrowed, and the call reads the 4
    // bytes of an integer, which outlives it.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_NOTSENT_LOWAT,
            (&raw const bytes).cast(),
            SIZE,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Replaces a file so that after a power cut either the old or the new text is there, whole; the
/// old one is kept beside it as `<name>.old`.
///
/// # Errors
///
/// When the directory cannot be written; the old file is then untouched.
pub fn replace_file(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let (new, old) = (file::beside(path, ".new"), file::beside(path, ".old"));
    let mut file = File::options().write(true).create(true).truncate(true).mode(mode).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    for kept in [fs::remove_file(&old), fs::hard_link(path, &old)] {
        // The first versions have no predecessor.
        kept.or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })?;
    }
    fs::rename(&new, path)?;
    let directory = path.parent().filter(|parent| *parent != Path::new(""));
    File::open(directory.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

/// Level of a serial port's RTS line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RtsLevel {
    /// Asserted.
    High,
    /// Not asserted.
    Low,
}

/// `struct serial_rs485` of `linux/serial.h`; `libc` has the call's number but not this.
#[repr(C)]
#[derive(Default)]
struct SerialRs485 {
    flags: u32,
    delay_before_ms: u32,
    delay_after_ms: u32,
    rest: [u32; 5],
}

const RS485_ENABLED: u32 = 1;
const RS485_RTS_ON_SEND: u32 = 1 << 1;
const RS485_RTS_AFTER_SEND: u32 = 1 << 2;

/// Lets the driver of a serial port switch an RS-485 transceiver by RTS: to this level while it
/// sends, to the other one while it listens.
///
/// # Errors
///
/// `Unsupported` when the driver cannot do it, else what the system says.
#[allow(unsafe_code)]
pub fn switch_direction(port: &impl AsRawFd, while_sending: RtsLevel) -> io::Result<()> {
    let level = match while_sending {
        RtsLevel::High => RS485_RTS_ON_SEND,
        RtsLevel::Low => RS485_RTS_AFTER_SEND,
    };
    let mut wanted = SerialRs485 { flags: RS485_ENABLED | level, ..SerialRs485::default() };
    // SAFETY: the descriptor is open as long as `port` is borrowed, and the call reads and writes
    // the 32 bytes of the structure, which outlives it.
    let done = unsafe { libc::ioctl(port.as_raw_fd(), libc::TIOCSRS485, &raw mut wanted) };
    if done == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    // Both are used by drivers that know nothing of it.
    Err(match error.raw_os_error() {
        Some(libc::ENOTTY | libc::EINVAL) => {
            io::Error::new(io::ErrorKind::Unsupported, "its driver knows nothing of it")
        }
        _ => error,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_replaced_file_leaves_its_previous_version() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("facts.toml");
        for text in ["one", "two", "three"] {
            replace_file(&path, text, 0o600).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "three");
        assert_eq!(fs::read_to_string(dir.path().join("facts.toml.old")).unwrap(), "two");
        assert!(!dir.path().join("facts.toml.new").exists());
    }

    #[test]
    fn what_nobody_has_acknowledged_is_counted_and_what_is_unsent_limited() {
        use std::net::{TcpListener, TcpStream};
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (there, _) = listener.accept().unwrap();
        limit_unsent_bytes(&here, 4096).unwrap();
        // The other side reads nothing: its kernel takes some of it and no more.
        here.set_nonblocking(true).unwrap();
        let mut written = 0_u64;
        loop {
            match here.write(&[0; 65_536]) {
                Ok(bytes) => written += u64::try_from(bytes).unwrap(),
                Err(error) => break assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
        let open = unacknowledged_bytes(&here).unwrap();
        assert!(open > 0 && open < written, "{open} of {written}");
        drop(there);
        assert!(unacknowledged_bytes(&listener).is_err(), "a listener has no stream");
    }

    #[test]
    fn a_terminal_without_a_driver_for_it_switches_no_direction() {
        use rustix::pty::{OpenptFlags, openpt};
        assert_eq!(size_of::<SerialRs485>(), 32);
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        let error = switch_direction(&terminal, RtsLevel::High).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported, "{error}");
    }
}
