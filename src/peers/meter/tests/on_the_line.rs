//! The slave on a pseudo-terminal and by TCP.

use std::{fs, io::ErrorKind, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_serial::SerialPortBuilderExt;

use super::*;
use crate::peers::meter::{pty, serve::Tcp};

/// Longer than any machine takes over it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Opens the path as a controller does; its port may be on its way back.
async fn opened(path: &std::path::Path) -> tokio_serial::SerialStream {
    let opening = async {
        loop {
            match tokio_serial::new(path.to_string_lossy(), 9_600).open_native_async() {
                Ok(port) => return port,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, opening).await.unwrap()
}

async fn exchanged(port: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin)) -> Vec<u8> {
    let exchange = async {
        port.write_all(&REQUEST).await.unwrap();
        let mut answer = vec![0; ANSWER.len()];
        port.read_exact(&mut answer).await.unwrap();
        answer
    };
    tokio::time::timeout(PATIENCE, exchange).await.unwrap()
}

#[tokio::test]
async fn a_port_goes_away_and_comes_back_under_its_path() {
    let socket = pty::start(None, line().0).unwrap();
    let path = socket.path().to_owned();
    let first = fs::read_link(&path).unwrap();
    let mut port = opened(&path).await;
    assert_eq!(exchanged(&mut port).await, ANSWER);
    drop(port);
    let mut port = opened(&path).await;
    assert_eq!(exchanged(&mut port).await, ANSWER, "opened once more");

    socket.unplug();
    let mut byte = [0];
    let gone = tokio::time::timeout(PATIENCE, port.read(&mut byte)).await.unwrap();
    assert!(gone.is_err() || gone.is_ok_and(|count| count == 0), "the port is gone");
    assert!(fs::symlink_metadata(&path).is_err_and(|error| error.kind() == ErrorKind::NotFound));

    socket.plug_in();
    let mut again = opened(&path).await;
    assert_eq!(exchanged(&mut again).await, ANSWER);
    assert_ne!(fs::read_link(&path).unwrap(), first, "another terminal: the first is still held");

    drop(socket);
    let dir = path.parent().unwrap();
    let waiting = async {
        while dir.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
}

#[tokio::test]
async fn a_link_of_a_run_before_is_replaced_and_a_file_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("port");
    std::os::unix::fs::symlink("/nowhere", &link).unwrap();
    let socket = pty::start(Some(&link), line().0).unwrap();
    assert_eq!(exchanged(&mut opened(socket.path()).await).await, ANSWER);
    let file = dir.path().join("file");
    fs::write(&file, "kept").unwrap();
    assert!(pty::socket(Some(&file), line().0).is_err());
    assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
}

#[tokio::test]
async fn rtu_goes_through_tcp() {
    let tcp = Tcp::bind(SocketAddr::from(([127, 0, 0, 1], 0)), line().0, Framing::Rtu).await;
    let tcp = tcp.unwrap();
    let mut stream = TcpStream::connect(tcp.address().unwrap()).await.unwrap();
    tokio::select! {
        () = tcp.run() => unreachable!("it serves until dropped"),
        answer = exchanged(&mut stream) => assert_eq!(answer, ANSWER),
    }
}
