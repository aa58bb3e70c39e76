//! Listeners for HTTP and for the control socket.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::Path,
};

use anyhow::{Context as _, bail};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tracing::info;

use super::super::config::Config;

/// Members of the group may command.
const SOCKET_MODE: u32 = 0o660;

/// Binds HTTP, if the config wants it.
pub(super) async fn http(config: &Config) -> anyhow::Result<Option<TcpListener>> {
    let Some(address) = config.http else { return Ok(None) };
    let listener = TcpListener::bind(address).await;
    let listener = listener.with_context(|| format!("http cannot listen on {address}"))?;
    info!(address = %listener.local_addr()?, "http listens");
    Ok(Some(listener))
}

/// Binds the control socket; one that a dead controller left is cleared away.
pub(super) async fn control(path: &Path) -> anyhow::Result<UnixListener> {
    if let Some(dir) = path.parent() {
        let made = fs::DirBuilder::new().recursive(true).mode(0o750).create(dir);
        made.with_context(|| format!("cannot make {}", dir.display()))?;
    }
    match UnixStream::connect(path).await {
        Ok(_) => bail!("another controller listens on {}", path.display()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(_) => {
            let cleared = fs::remove_file(path);
            cleared.with_context(|| format!("cannot clear away {}", path.display()))?;
        }
    }
    let listener =
        UnixListener::bind(path).with_context(|| format!("cannot listen on {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE))?;
    Ok(listener)
}
