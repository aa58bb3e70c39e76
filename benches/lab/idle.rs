//! Clients of the doors that speak as little MQTT as they can: memory and time are the doors'.

use std::{io, pin::Pin};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};

/// A connection, with TLS or without.
pub trait Stream: AsyncRead + AsyncWrite + Send {}

impl<S: AsyncRead + AsyncWrite + Send> Stream for S {}

/// A client that is logged in, or on its way.
pub struct Client(pub Pin<Box<dyn Stream>>);

fn text(bytes: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).expect("short");
    bytes.extend(length.to_be_bytes());
    bytes.extend(text.as_bytes());
}

/// A packet of any length below two megabytes.
pub fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut rest = body.len();
    loop {
        let low = u8::try_from(rest % 128).expect("below 128");
        rest /= 128;
        bytes.push(if rest > 0 { low | 0x80 } else { low });
        if rest == 0 {
            break;
        }
    }
    bytes.extend(body);
    bytes
}

/// CONNECT with a clean session and a keep-alive of an hour.
pub fn connect(name: &str, password: &str) -> Vec<u8> {
    let mut body = vec![0, 4];
    body.extend(b"MQTT");
    body.extend([4, 0xc2, 0x0e, 0x10]);
    for part in [name, name, password] {
        text(&mut body, part);
    }
    packet(0x10, &body)
}

/// PUBLISH of QoS 0.
pub fn publish(topic: &str, payload: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, topic);
    body.extend(payload);
    packet(0x30, &body)
}

impl Client {
    pub async fn dial(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self(Box::pin(stream)))
    }

    /// Logs in and subscribes to what a pile subscribes to, with QoS 0.
    pub async fn enter(&mut self, code: &str, password: &str) {
        self.0.write_all(&connect(code, password)).await.expect("sent");
        assert_eq!(self.next().await.expect("an answer"), (0x20, vec![0, 0]), "{code}");
        let mut body = vec![0, 1];
        for filter in [format!("/D/C/{code}"), format!("/D/C/{code}/#"), format!("/D/M/{code}")] {
            text(&mut body, &filter);
            body.push(0);
        }
        self.0.write_all(&packet(0x82, &body)).await.expect("sent");
        assert_eq!(self.next().await.expect("an answer"), (0x90, vec![0, 1, 0, 0, 0]));
    }

    /// The next packet: first byte and body.
    pub async fn next(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let first = self.0.read_u8().await?;
        let (mut length, mut shift) = (0, 0);
        loop {
            let byte = self.0.read_u8().await?;
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await?;
        Ok((first, body))
    }

    /// The next payload of a PUBLISH of QoS 0.
    pub async fn heard(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let (first, mut body) = self.next().await?;
            if first >> 4 == 3 {
                let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
                return Ok(body.split_off(2 + topic));
            }
        }
    }
}
