//! One MQTT connection: from CONNECT to its end, never resumed.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, MqttOptions, Outgoing,
    Packet, Publish, QoS, SubscribeFilter, SubscribeReasonCode, TlsConfiguration, Transport,
};
use tokio::sync::Semaphore;

use super::{
    life::End,
    settings::{Broker, Login},
};
use crate::protocol::charger::apdu::SENT_LIMIT;

/// Unacknowledged publishes, for the library: far above what [`Connection::places`] allows, so that
/// it never stops taking messages, and packet ids do not come round while one is open.
const INFLIGHT: u16 = 2000;

/// Messages the library holds before it has written them; the rest waits in the outbox, where
/// the urgent overtakes.
const REQUESTS: usize = 4;

/// Larger packets end the connection. What is too large for the protocol shall be answered, not
/// cut, so there is room above its limit.
const MAX_INCOMING_BYTES: usize = 1 << 20;

/// Bytes of what comes before the SUBACK, kept until somebody takes it: the largest message, and
/// what a backend says of itself to one that has just logged in.
const EARLY_BYTES: usize = 2 * MAX_INCOMING_BYTES;

/// What a kept message needs beside its topic and payload.
const KEPT_BYTES: usize = 256;

/// Topic and headers beside the largest message.
const MAX_OUTGOING_BYTES: usize = SENT_LIMIT + 1024;

/// From the TCP connection to the CONNACK, and to the SUBACK.
const SETUP_TIMEOUT: Duration = Duration::from_secs(20);

/// At the end, what is in flight gets that long.
const FAREWELL: Duration = Duration::from_millis(500);

/// Why a connection ended or did not come about.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error("{0}")]
    Refused(&'static str),
    #[error("{0}")]
    Socket(#[from] std::io::Error),
    #[error("{0}")]
    Line(#[from] Box<ConnectionError>),
    #[error("silent for too long")]
    Silent,
    #[error("subscription refused: {0}")]
    Subscription(String),
    #[error("more than {EARLY_BYTES} bytes came before the subscription was answered")]
    TooEarly,
    #[error("closed")]
    Closed,
}

/// A connection that is logged in and subscribed.
pub(super) struct Connection {
    pub(super) client: AsyncClient,
    /// Places for publishes of QoS 1 and 2; whoever publishes one forgets its permit, and the
    /// broker's last acknowledgement gives it back.
    pub(super) places: Arc<Semaphore>,
    events: EventLoop,
    silence_limit: Duration,
}

/// What happened on a connection.
pub(super) enum Step {
    /// The broker sent a message.
    Message(Publish),
    /// A publish was written under this packet id.
    Written(u16),
    /// The broker has a publish of QoS 1.
    Acknowledged(u16),
    /// Something else.
    Other,
}

impl From<LinkError> for End {
    fn from(error: LinkError) -> Self {
        match &error {
            LinkError::Refused(_) => Self::Refused(error.to_string()),
            _ => Self::Down(error.to_string()),
        }
    }
}

impl Connection {
    /// Connects, logs in and subscribes. Also gives what the backend sent before the SUBACK, which
    /// comes before anything [`Connection::next`] gives.
    pub(super) async fn open(
        broker: &Broker,
        client_id: &str,
        login: Option<&Login>,
        filters: Vec<(String, u8)>,
    ) -> Result<(Self, Vec<Publish>), LinkError> {
        let (client, mut events) = AsyncClient::new(options(broker, client_id, login), REQUESTS);
        let mut network = events.network_options();
        network.set_tcp_nodelay(true);
        network.set_connection_timeout(SETUP_TIMEOUT.as_secs());
        events.set_network_options(network);
        // A keep-alive makes an event at each of its ticks, and the library itself takes two to
        // notice a dead peer; but it waits for ever on a socket that takes no bytes.
        let silence_limit = broker.keep_alive * 2 + SETUP_TIMEOUT;
        let places = usize::try_from(broker.max_inflight).unwrap_or(Semaphore::MAX_PERMITS);
        let places = Arc::new(Semaphore::new(places));
        let mut connection = Self { client, places, events, silence_limit };
        let early = tokio::time::timeout(SETUP_TIMEOUT * 2, connection.set_up(filters))
            .await
            .map_err(|_| LinkError::Silent)??;
        Ok((connection, early))
    }

    async fn set_up(&mut self, filters: Vec<(String, u8)>) -> Result<Vec<Publish>, LinkError> {
        self.poll().await?;
        if filters.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<_> = filters.iter().map(|(filter, _)| filter.clone()).collect();
        let filters =
            filters.into_iter().map(|(path, qos)| SubscribeFilter::new(path, quality(qos)));
        self.client.try_subscribe_many(filters).map_err(|_| LinkError::Closed)?;
        let (mut early, mut early_bytes) = (Vec::new(), 0);
        loop {
            match self.poll().await? {
                Event::Incoming(Packet::SubAck(ack)) => {
                    let codes = ack.return_codes.iter().zip(names);
                    let refused: Vec<_> = codes
                        .filter(|(code, _)| **code == SubscribeReasonCode::Failure)
                        .map(|(_, name)| name)
                        .collect();
                    return match refused.is_empty() {
                        true => Ok(early),
                        false => Err(LinkError::Subscription(refused.join(", "))),
                    };
                }
                Event::Incoming(Packet::Publish(publish)) => {
                    early_bytes += publish.topic.len() + publish.payload.len() + KEPT_BYTES;
                    if early_bytes > EARLY_BYTES {
                        return Err(LinkError::TooEarly);
                    }
                    early.push(publish);
                }
                _ => {}
            }
        }
    }

    /// The next message of the backend. Not to be cancelled and resumed.
    pub(super) async fn next(&mut self) -> Result<Publish, LinkError> {
        loop {
            if let Step::Message(publish) = self.step().await? {
                return Ok(publish);
            }
        }
    }

    /// What happens next. Not to be cancelled and resumed.
    pub(super) async fn step(&mut self) -> Result<Step, LinkError> {
        Ok(match self.poll().await? {
            Event::Incoming(Packet::Publish(publish)) => Step::Message(publish),
            Event::Incoming(Packet::PubAck(ack)) => Step::Acknowledged(ack.pkid),
            Event::Outgoing(Outgoing::Publish(id)) => Step::Written(id),
            Event::Outgoing(Outgoing::Disconnect) => return Err(LinkError::Closed),
            Event::Incoming(_) | Event::Outgoing(_) => Step::Other,
        })
    }

    async fn poll(&mut self) -> Result<Event, LinkError> {
        match tokio::time::timeout(self.silence_limit, self.events.poll()).await {
            Ok(Ok(event)) => {
                if let Event::Incoming(Packet::PubAck(_) | Packet::PubComp(_)) = event {
                    self.places.add_permits(1);
                }
                Ok(event)
            }
            Ok(Err(ConnectionError::ConnectionRefused(code))) => Err(match code {
                ConnectReturnCode::BadUserNamePassword => {
                    LinkError::Refused("bad user name or password")
                }
                ConnectReturnCode::NotAuthorized => LinkError::Refused("not authorised"),
                ConnectReturnCode::BadClientId => LinkError::Refused("bad client id"),
                // The backend is not ready; that passes.
                _ => Box::new(ConnectionError::ConnectionRefused(code)).into(),
            }),
            Ok(Err(ConnectionError::Io(error))) => Err(error.into()),
            Ok(Err(error)) => Err(Box::new(error).into()),
            Err(_) => Err(LinkError::Silent),
        }
    }
}

/// Publishes; waits until the library takes the message.
pub(super) async fn publish(
    client: &AsyncClient,
    topic: String,
    qos: u8,
    payload: Bytes,
) -> Result<(), LinkError> {
    let sent = client.publish_bytes(topic, quality(qos), false, payload).await;
    sent.map_err(|_| LinkError::Closed)
}

const fn quality(qos: u8) -> QoS {
    match qos {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}

/// Ends a connection politely; the broker must not take it for a lost one.
pub(super) async fn farewell(connection: &mut Connection) {
    if connection.client.try_disconnect().is_ok() {
        // Ends with the connection; what comes before is of no interest any more.
        let rest = async { while connection.next().await.is_ok() {} };
        let _ = tokio::time::timeout(FAREWELL, rest).await;
    }
}

fn options(broker: &Broker, client_id: &str, login: Option<&Login>) -> MqttOptions {
    // The library joins host and port with a colon; only a numeric IPv6 address needs brackets.
    let host = match broker.host.contains(':') && broker.tls.is_none() {
        true => format!("[{}]", broker.host),
        false => broker.host.clone(),
    };
    let mut options = MqttOptions::new(client_id, host, broker.port);
    options
        .set_clean_session(true)
        .set_keep_alive(broker.keep_alive)
        .set_inflight(INFLIGHT)
        .set_max_packet_size(MAX_INCOMING_BYTES, MAX_OUTGOING_BYTES);
    if let Some(login) = login {
        options.set_credentials(&login.username, &login.password);
    }
    if let Some(config) = &broker.tls {
        let config = TlsConfiguration::Rustls(config.clone());
        options.set_transport(Transport::tls_with_config(config));
    }
    options
}
