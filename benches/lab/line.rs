//! A TCP line that delivers every byte half a round trip late, in order, without a rate limit; a
//! new connection carries nothing for a round trip, as with the hand-shake of TCP.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::Instant,
};

pub struct SlowLine {
    pub address: SocketAddr,
    pub is_up: watch::Sender<bool>,
    /// When the first connection came that was not turned away.
    pub used_since: watch::Receiver<Option<Instant>>,
}

impl SlowLine {
    /// The future forwards to `target` while it is polled and the line is up.
    pub async fn open(target: SocketAddr, one_way: Duration) -> (Self, impl Future<Output = ()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (is_up, state) = watch::channel(true);
        let (first, used_since) = watch::channel(None);
        let run = async move {
            let mut joined = JoinSet::new();
            loop {
                let Ok((near, _)) = listener.accept().await else { return };
                if *state.borrow() {
                    first.send_if_modified(|first| {
                        let is_first = first.is_none();
                        first.get_or_insert_with(now);
                        is_first
                    });
                    joined.spawn(join(near, target, one_way));
                }
            }
        };
        (Self { address, is_up, used_since }, run)
    }
}

#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn now() -> Instant {
    Instant::now()
}

async fn join(near: TcpStream, target: SocketAddr, one_way: Duration) {
    tokio::time::sleep(2 * one_way).await;
    let Ok(far) = TcpStream::connect(target).await else { return };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    tokio::join!(delay(near_in, far_out, one_way), delay(far_in, near_out, one_way));
}

async fn delay(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    one_way: Duration,
) {
    let (sender, receiver) = flume::unbounded::<(Instant, Vec<u8>)>();
    let read = async move {
        let mut chunk = vec![0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut chunk).await {
            if sender.send((now() + one_way, chunk[..count].to_vec())).is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Ok((due, bytes)) = receiver.recv_async().await {
            tokio::time::sleep_until(due).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(read, write);
}
