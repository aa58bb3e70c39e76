//! Talks to the running controller over its control socket.

use std::{io, path::Path, time::Duration};

use anyhow::{Context as _, anyhow, bail};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Method, Request, StatusCode, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::UnixStream, runtime::Runtime};

/// Largest answer: a full page of orders.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// A whole ledger may be taken over or verified in one request.
const PATIENCE: Duration = Duration::from_secs(3700);

/// The way to a controller that runs.
pub(super) struct Client {
    runtime: Runtime,
    sender: http1::SendRequest<Full<Bytes>>,
    connection: tokio::task::JoinSet<()>,
    patience: Duration,
}

impl Client {
    /// Connects; `None` if no controller runs there.
    pub(super) fn connect(socket: &Path) -> anyhow::Result<Option<Self>> {
        Self::connect_for(socket, PATIENCE)
    }

    /// Connects, for questions whose answer is waited for only so long.
    pub(super) fn connect_for(socket: &Path, patience: Duration) -> anyhow::Result<Option<Self>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut connection = tokio::task::JoinSet::new();
        let sender = runtime.block_on(async {
            let stream = match UnixStream::connect(socket).await {
                Ok(stream) => stream,
                Err(error) if is_nobody(&error) => return Ok(None),
                Err(error) => return Err(unreachable(socket, error)),
            };
            let (sender, link) = http1::handshake(TokioIo::new(stream)).await?;
            connection.spawn(async {
                // Its end shows in the request that waits for it.
                let _ = link.await;
            });
            Ok(Some(sender))
        })?;
        Ok(sender.map(|sender| Self { runtime, sender, connection, patience }))
    }

    /// Asks for a document.
    pub(super) fn get(&mut self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, path, None)
    }

    /// Wants something done.
    pub(super) fn post(&mut self, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        self.call(Method::POST, path, body)
    }

    /// Asks for a page, whatever it says.
    pub(super) fn page(&mut self, path: &str) -> anyhow::Result<String> {
        let (_, bytes) = self.ask(Method::GET, path, None)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn call(&mut self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let (status, bytes) = self.ask(method, path, body)?;
        let document: Value = serde_json::from_slice(&bytes)
            .with_context(|| format!("the controller's answer is no JSON: {status}"))?;
        if status == StatusCode::OK {
            return Ok(document);
        }
        match document["error"].as_str() {
            Some(error) => bail!("{error}"),
            None => bail!("the controller said {status}"),
        }
    }

    fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let bytes = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "sitepilot")
            .header("content-type", "application/json")
            .body(Full::new(bytes))?;
        let call = self.sender.send_request(request);
        let patience = self.patience;
        let answer = self.runtime.block_on(async {
            let answered = tokio::time::timeout(patience, async {
                let answer = call.await?;
                let status = answer.status();
                let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect().await;
                let body = body.map_err(|error| anyhow!("{error}"))?;
                anyhow::Ok((status, body.to_bytes()))
            });
            answered.await.map_err(|_| anyhow!("no answer within {} s", patience.as_secs()))?
        });
        debug_assert!(!self.connection.is_empty());
        answer
    }
}

/// Somebody is there, but not for us.
fn unreachable(socket: &Path, error: io::Error) -> anyhow::Error {
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => "\nhint: use sudo, or join the group sitepilot",
        _ => "",
    };
    anyhow!("cannot reach the controller: {}: {error}{hint}", socket.display())
}

/// No socket, or one that a dead controller left.
fn is_nobody(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}
