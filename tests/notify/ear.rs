//! A socket that stands in for systemd's.

use std::{path::Path, time::Duration};

use tokio::{net::UnixDatagram, time::timeout};

/// Generous: only a test that hangs gets there.
const PATIENCE: Duration = Duration::from_secs(60);

/// Listens to what the controller tells its manager.
pub struct Ear(UnixDatagram);

impl Ear {
    pub fn new(path: &Path) -> Self {
        Self(UnixDatagram::bind(path).unwrap())
    }

    /// The next message, without the end of its last line; `None`: there was none in that time.
    pub async fn within(&self, time: Duration) -> Option<String> {
        let mut message = [0; 4096];
        let length = timeout(time, self.0.recv(&mut message)).await.ok()?.unwrap();
        Some(std::str::from_utf8(&message[..length]).unwrap().trim_end_matches('\n').to_owned())
    }

    /// All messages up to one of this kind, and that one.
    pub async fn until(&self, what: &str, is_it: impl Fn(&str) -> bool) -> Vec<String> {
        let mut heard = Vec::new();
        loop {
            let Some(message) = self.within(PATIENCE).await else {
                panic!("waited in vain for {what}: {heard:#?}");
            };
            let is_last = is_it(&message);
            heard.push(message);
            if is_last {
                return heard;
            }
        }
    }

    /// All messages up to one with this line.
    pub async fn until_line(&self, wanted: &str) -> Vec<String> {
        self.until(wanted, |message| message.lines().any(|line| line == wanted)).await
    }

    /// The status of the next message in whose status all of these stand.
    pub async fn until_status(&self, wanted: &[&str]) -> String {
        let is_it = |message: &str| {
            status(message).is_some_and(|told| wanted.iter().all(|text| told.contains(text)))
        };
        let heard = self.until(&format!("a status with {wanted:?}"), is_it).await;
        status(heard.last().unwrap()).unwrap().to_owned()
    }
}

/// What a message says in words.
pub fn status(message: &str) -> Option<&str> {
    message.lines().find_map(|line| line.strip_prefix("STATUS="))
}
