//! The rooms that run, and which of them ended.

use std::{collections::BTreeMap, future::Future};

use tokio::{
    sync::oneshot,
    task::{Id, JoinError, JoinSet},
};

/// A room has ended.
pub(super) struct Ended {
    pub(super) room: &'static str,
    pub(super) end: anyhow::Result<()>,
}

/// Tasks and threads by name.
#[derive(Default)]
pub(super) struct Rooms {
    tasks: JoinSet<anyhow::Result<()>>,
    names: BTreeMap<Id, &'static str>,
}

impl Rooms {
    /// Starts a task.
    pub(super) fn task(
        &mut self,
        room: &'static str,
        work: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        let handle = self.tasks.spawn(work);
        self.names.insert(handle.id(), room);
    }

    /// Starts a thread, and a task that ends with it.
    pub(super) fn thread(
        &mut self,
        room: &'static str,
        work: impl FnOnce() -> anyhow::Result<()> + Send + 'static,
    ) -> anyhow::Result<()> {
        let (ended, end) = oneshot::channel();
        std::thread::Builder::new().name(room.to_owned()).spawn(move || {
            // Nobody listens any more if the program is leaving.
            let _ = ended.send(work());
        })?;
        self.task(room, async move { end.await? });
        Ok(())
    }

    /// The next room that ends.
    pub(super) async fn next(&mut self) -> Ended {
        match self.tasks.join_next_with_id().await {
            Some(joined) => self.name(joined),
            None => Ended { room: "all", end: Ok(()) },
        }
    }

    /// Returns when all rooms of that name have ended.
    pub(super) async fn ended(&mut self, room: &'static str) {
        while self.names.values().any(|name| *name == room) {
            self.next().await;
        }
    }

    fn name(&mut self, joined: Result<(Id, anyhow::Result<()>), JoinError>) -> Ended {
        let (id, end) = match joined {
            Ok((id, end)) => (id, end),
            Err(error) => (error.id(), Err(error.into())),
        };
        Ended { room: self.names.remove(&id).unwrap_or("a task"), end }
    }
}
