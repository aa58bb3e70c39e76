//! Runs a machine over a real broker, with rumqttc.
//!
//! Every connection is a new client with a clean session, polled by a task of its own: a resumed
//! session of rumqttc can drop what is queued or reconnect for ever, and `poll` must not be
//! cancelled half-way and then used again. What is lost, the machines repeat.

use std::{sync::Arc, time::Duration};

use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, MqttOptions, Packet, QoS,
    SubscribeFilter, TlsConfiguration, Transport,
};
use tokio::task::JoinSet;

use super::{Class, Effect, Login, Machine, Outgoing, handle::Handle};

/// Requests queued towards one connection; more are dropped and repeated by the machine.
const QUEUE_MAX: usize = 1024;
/// Largest packet either way; an answer with a tariff stays far below.
const PACKET_MAX_BYTES: usize = 256 * 1024;
/// QoS 2 messages in flight; more than any machine leaves unanswered.
const INFLIGHT_MAX: u16 = 200;
/// Incoming events waiting for the machine.
const EVENTS_MAX: usize = 1024;

/// A broker as the peers reach it.
#[derive(Debug, Clone)]
pub struct Broker {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// TLS towards `mqtts` brokers.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// MQTT keep-alive.
    pub keep_alive_s: u16,
    /// First and longest pause between attempts.
    pub back_off_ms: (u64, u64),
}

impl Broker {
    /// A broker without TLS and with the usual timing.
    #[must_use]
    pub fn plain(host: &str, port: u16) -> Self {
        Self {
            host: host.to_owned(),
            port,
            tls: None,
            keep_alive_s: 30,
            back_off_ms: (500, 30_000),
        }
    }

    fn options(&self, login: &Login) -> MqttOptions {
        let mut options = MqttOptions::new(&login.client_id, &self.host, self.port);
        options
            .set_credentials(&login.username, &login.password)
            .set_clean_session(true)
            .set_inflight(INFLIGHT_MAX)
            .set_max_packet_size(PACKET_MAX_BYTES, PACKET_MAX_BYTES)
            .set_keep_alive(Duration::from_secs(u64::from(self.keep_alive_s)));
        if let Some(tls) = &self.tls {
            options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(
                Arc::clone(tls),
            )));
        }
        options
    }
}

enum Seen {
    Granted,
    Message(String, bytes::Bytes),
    Gone,
}

/// Runs until cancelled; dropping the future drops the connection without a word.
pub async fn run<M: Machine>(handle: Handle<M>, broker: Broker) {
    let mut pause_ms = broker.back_off_ms.0;
    loop {
        let login = handle.quietly(|machine, _| machine.login());
        let away_ms = connection(&handle, &broker, &login, &mut pause_ms).await;
        handle.quietly(M::disconnected);
        stay_away(&handle, away_ms.unwrap_or(pause_ms)).await;
        pause_ms = pause_ms.saturating_mul(2).min(broker.back_off_ms.1);
    }
}

/// One connection to its end; the time to stay away if the machine asked for it.
async fn connection<M: Machine>(
    handle: &Handle<M>,
    broker: &Broker,
    login: &Login,
    pause_ms: &mut u64,
) -> Option<u64> {
    let (client, events) = AsyncClient::new(broker.options(login), QUEUE_MAX);
    let (seen, sights) = flume::bounded(EVENTS_MAX);
    // Dropping the set aborts the task and with it the socket.
    let mut tasks = JoinSet::new();
    tasks.spawn(poll(events, client.clone(), login.subscriptions.clone(), seen));
    let mut up = false;
    loop {
        for effect in handle.drain() {
            match effect {
                Effect::Publish(outgoing) if up => publish(&client, outgoing),
                Effect::Publish(_) => {}
                Effect::Cut { away_ms } => return Some(away_ms),
            }
        }
        tokio::select! {
            sight = sights.recv_async() => match sight {
                Ok(Seen::Granted) => {
                    up = true;
                    *pause_ms = broker.back_off_ms.0;
                    handle.quietly(M::connected);
                }
                Ok(Seen::Message(topic, payload)) => {
                    handle.quietly(|machine, now| machine.receive(&topic, &payload, now));
                }
                Ok(Seen::Gone) | Err(_) => return None,
            },
            () = handle.due() => handle.quietly(M::tick),
        }
    }
}

fn publish(client: &AsyncClient, outgoing: Outgoing) {
    let qos = qos(outgoing.class);
    if let Err(error) = client.try_publish(outgoing.topic, qos, false, outgoing.payload) {
        tracing::debug!(%error, "not published; the machine repeats it");
    }
}

fn qos(class: Class) -> QoS {
    match class {
        Class::Command => QoS::ExactlyOnce,
        Class::Telemetry => QoS::AtMostOnce,
    }
}

async fn poll(
    mut events: EventLoop,
    client: AsyncClient,
    subscriptions: Vec<(String, Class)>,
    seen: flume::Sender<Seen>,
) {
    let mut is_in = false;
    loop {
        let sight = match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(ack))) if ack.code == ConnectReturnCode::Success => {
                is_in = true;
                let filters = subscriptions
                    .iter()
                    .map(|(filter, class)| SubscribeFilter::new(filter.clone(), qos(*class)));
                // The queue of a new connection is empty, so this cannot be refused.
                let _ = client.try_subscribe_many(filters);
                continue;
            }
            Ok(Event::Incoming(Packet::SubAck(_))) => Seen::Granted,
            Ok(Event::Incoming(Packet::Publish(p))) => Seen::Message(p.topic, p.payload),
            Ok(_) => continue,
            Err(ConnectionError::ConnectionRefused(code)) => {
                tracing::warn!(?code, "login refused");
                Seen::Gone
            }
            // The end of a connection that stood is news of the machine's own.
            Err(error) if is_in => {
                tracing::debug!(%error, "connection ended");
                Seen::Gone
            }
            Err(error) => {
                tracing::warn!(%error, "no connection");
                Seen::Gone
            }
        };
        let gone = matches!(sight, Seen::Gone);
        if seen.send_async(sight).await.is_err() || gone {
            return;
        }
    }
}

/// Lets the machine live on without a connection.
async fn stay_away<M: Machine>(handle: &Handle<M>, away_ms: u64) {
    let end = handle.quietly(|_, now| now.mono.plus_ms(away_ms));
    loop {
        let left_ms = handle.quietly(|_, now| end.since_ms(now.mono));
        if left_ms == 0 {
            return;
        }
        // What it publishes while away is lost, as it would be on a dead line.
        let _ = handle.drain();
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(left_ms)) => {}
            () = handle.due() => handle.quietly(M::tick),
        }
    }
}
