//! Simulated meters on a pseudo-terminal, which a controller takes for a serial port. It can be
//! unplugged like an adapter at a USB port, and comes back under the same path.

use std::{
    fs, io,
    os::{
        fd::OwnedFd,
        unix::fs::{DirBuilderExt, symlink},
    },
    path::{Path, PathBuf},
    pin::{Pin, pin},
    sync::atomic::{AtomicU32, Ordering},
    task::{Context, Poll, ready},
    time::Duration,
};

use rustix::{
    fs::OFlags,
    pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, ptsname, unlockpt},
    termios::{OptionalActions, tcgetattr, tcsetattr},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf, unix::AsyncFd},
    sync::watch,
};

use super::{Framing, Meters, serve::serve};
use crate::sys;

/// Before a pseudo-terminal that failed is made anew.
const REMAKE_PAUSE: Duration = Duration::from_millis(200);

/// Sockets made by this process: each has a directory of its own.
static MADE: AtomicU32 = AtomicU32::new(0);

/// The hand at the plug; cheap to clone. When the last one is dropped, the socket closes.
#[derive(Debug, Clone)]
pub struct Socket {
    path: PathBuf,
    plugged: watch::Sender<bool>,
}

impl Socket {
    /// What a controller opens: a link that stays the same.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Pulls the plug: the port and its path go away.
    pub fn unplug(&self) {
        self.plugged.send_replace(false);
    }

    /// Plugs it in again: another port, under the same path.
    pub fn plug_in(&self) {
        self.plugged.send_replace(true);
    }
}

/// The socket's work.
pub struct SocketTask {
    meters: Meters,
    link: Link,
    first: Option<Terminal>,
    plugged: watch::Receiver<bool>,
}

/// A pseudo-terminal with these meters on it, under the path `link`, or under one in a directory
/// of its own. It is there when this returns.
///
/// # Errors
/// If the system has no pseudo-terminals, or the link cannot be made.
pub fn socket(link: Option<&Path>, meters: Meters) -> io::Result<(Socket, SocketTask)> {
    let link = match link {
        Some(path) => Link { path: path.to_owned(), dir: None },
        None => Link::in_own_directory()?,
    };
    let first = Terminal::open()?;
    link.point_to(&first.name)?;
    let (sender, plugged) = watch::channel(true);
    let socket = Socket { path: link.path.clone(), plugged: sender };
    Ok((socket, SocketTask { meters, link, first: Some(first), plugged }))
}

/// As [`socket`], served by a thread of its own until the last [`Socket`] is dropped.
///
/// # Errors
/// As [`socket`], or if no thread can be had.
pub fn start(link: Option<&Path>, meters: Meters) -> io::Result<Socket> {
    let (socket, task) = self::socket(link, meters)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let run = move || {
        if let Err(error) = runtime.block_on(task.run()) {
            eprintln!("a simulated line of meters ended: {error}");
        }
    };
    std::thread::Builder::new().name("meters".to_owned()).spawn(run)?;
    Ok(socket)
}

impl SocketTask {
    /// Serves until the last [`Socket`] is dropped.
    ///
    /// # Errors
    /// If the pseudo-terminal cannot be made again.
    pub async fn run(mut self) -> io::Result<()> {
        while !self.serve_once().await? {
            if self.plugged.wait_for(|plugged| *plugged).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Serves until the plug is pulled; whether nobody holds it any more.
    async fn serve_once(&mut self) -> io::Result<bool> {
        let terminal = match self.first.take() {
            Some(first) => first,
            None => {
                let terminal = Terminal::open()?;
                self.link.point_to(&terminal.name)?;
                terminal
            }
        };
        let port = Port { _ours: terminal.ours, master: sys::watched(terminal.master)? };
        let mut serving = pin!(serve(port, &self.meters, Framing::Rtu));
        let ended = tokio::select! {
            _ = &mut serving => {
                tokio::time::sleep(REMAKE_PAUSE).await;
                false
            }
            pulled = self.plugged.wait_for(|plugged| !*plugged) => pulled.is_err(),
        };
        // The path goes first: who notices that the port is gone finds nothing there.
        self.link.remove();
        Ok(ended)
    }
}

/// A pair of pseudo-terminals in raw mode.
struct Terminal {
    master: OwnedFd,
    /// The other side, held open: a controller that closes it leaves the terminal as it is.
    ours: OwnedFd,
    /// The other side's path.
    name: PathBuf,
}

impl Terminal {
    fn open() -> io::Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let name = name.into_string().map_err(io::Error::other)?;
        let ours = ioctl_tiocgptpeer(&master, flags)?;
        let mut modes = tcgetattr(&ours)?;
        modes.make_raw();
        tcsetattr(&ours, OptionalActions::Now, &modes)?;
        let flags = rustix::fs::fcntl_getfl(&master)?;
        rustix::fs::fcntl_setfl(&master, flags | OFlags::NONBLOCK)?;
        Ok(Self { master, ours, name: name.into() })
    }
}

/// The meters' side of a pair, as a stream.
struct Port {
    master: AsyncFd<OwnedFd>,
    _ours: OwnedFd,
}

impl AsyncRead for Port {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.master.poll_read_ready(context))?;
            let read = |fd: &AsyncFd<OwnedFd>| {
                Ok(rustix::io::read(fd.get_ref(), buffer.initialize_unfilled())?)
            };
            if let Ok(read) = guard.try_io(read) {
                buffer.advance(read?);
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for Port {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut guard = ready!(self.master.poll_write_ready(context))?;
            let write = |fd: &AsyncFd<OwnedFd>| Ok(rustix::io::write(fd.get_ref(), bytes)?);
            if let Ok(written) = guard.try_io(write) {
                return Poll::Ready(written);
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The path that stays the same.
struct Link {
    path: PathBuf,
    /// The directory made for it.
    dir: Option<PathBuf>,
}

impl Link {
    fn in_own_directory() -> io::Result<Self> {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("sitepilot-bus-{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        fs::DirBuilder::new().mode(0o700).create(&dir)?;
        Ok(Self { path: dir.join("port"), dir: Some(dir) })
    }

    /// Takes the place of a link, and of nothing else.
    fn point_to(&self, terminal: &Path) -> io::Result<()> {
        if self.is_link() {
            fs::remove_file(&self.path)?;
        }
        symlink(terminal, &self.path)
    }

    fn is_link(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|found| found.is_symlink())
    }

    /// Nothing is left of it, as far as that is possible.
    fn remove(&self) {
        if self.is_link() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.remove();
        if let Some(dir) = &self.dir {
            let _ = fs::remove_dir(dir);
        }
    }
}
