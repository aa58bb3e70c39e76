//! The life of one uplink: register, connect, carry, wait, again; until the program stops.

use std::{sync::Arc, time::Duration};

use rumqttc::Publish;
use tokio::{
    sync::{Semaphore, watch},
    time::sleep,
};
use tracing::{debug, error, info, warn};

use super::{
    backoff::{Backoff, jittered},
    counters::{Counters, one},
    mqtt::{Connection, LinkError, publish},
    outbox::Outbox,
    settings::{Account, Login, Settings},
};
use crate::{
    domain::{event::UplinkEvent, reply::ToUplink},
    protocol::charger::{
        apdu::SENT_LIMIT,
        registration::{Registered, registration_answer, registration_request},
        station,
        topic::{Class, Topic, station_filters},
    },
    site::Input,
};

/// How long a backend may think about a registration.
const REGISTRATION_TIMEOUT: Duration = Duration::from_secs(30);

/// A link that held that long was good: waits begin anew.
const GOOD_LINK: Duration = Duration::from_secs(30);

/// At the end, what is in flight gets that long.
const FAREWELL: Duration = Duration::from_millis(500);

/// One uplink; [`Link::run`] is its task.
pub struct Link {
    settings: Settings,
    outbox: Outbox,
    counters: Arc<Counters>,
    inbox: flume::Sender<Input>,
    stop: watch::Receiver<bool>,
    /// An issued account that is not on disk yet.
    unkept: Option<Account>,
}

/// How an attempt ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("{0}")]
    Link(#[from] LinkError),
    #[error("registration refused: {0}")]
    Registration(String),
    #[error("no answer to the registration")]
    Unanswered,
    #[error("the site has ended")]
    InboxClosed,
    #[error("stopped")]
    Stopped,
}

impl Link {
    /// An uplink whose events go to `inbox`; while that is full, the backend is not read. It ends
    /// when `stop` becomes true.
    #[must_use]
    pub fn new(
        settings: Settings,
        outbox: Outbox,
        counters: Arc<Counters>,
        inbox: flume::Sender<Input>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self { settings, outbox, counters, inbox, stop, unkept: None }
    }

    /// Runs until it is stopped or the site has ended.
    pub async fn run(mut self) {
        let mut backoff = Backoff::default();
        let mut is_outage_told = false;
        loop {
            let mut was_up = false;
            let end = self.attempt(&mut was_up, &mut is_outage_told, &mut backoff).await;
            let uplink = self.settings.name.to_string();
            let wait = match &end {
                End::Stopped | End::InboxClosed => return,
                End::Link(LinkError::Refused(_)) | End::Registration(_) => {
                    one(&self.counters.login_refused);
                    warn!(uplink, reason = %end, "login refused by the backend, tried again slowly");
                    let event = UplinkEvent::LoginRefused { reason: end.to_string() };
                    if self.tell(event).await.is_err() {
                        return;
                    }
                    jittered(self.settings.login_retry)
                }
                End::Link(_) | End::Unanswered => backoff.next(),
            };
            if !is_outage_told {
                is_outage_told = true;
                warn!(uplink, reason = %end, "uplink is down");
            }
            debug!(uplink, reason = %end, wait_ms = wait.as_millis(), "next attempt");
            if was_up
                && self.tell(UplinkEvent::Disconnected { reason: end.to_string() }).await.is_err()
            {
                return;
            }
            tokio::select! {
                () = sleep(wait) => {}
                () = stopped(self.stop.clone()) => return,
            }
        }
    }

    async fn attempt(
        &mut self,
        was_up: &mut bool,
        is_outage_told: &mut bool,
        backoff: &mut Backoff,
    ) -> End {
        let stop = self.stop.clone();
        let opened = tokio::select! {
            opened = self.open() => opened,
            () = stopped(stop) => return End::Stopped,
        };
        let (connection, early, account) = match opened {
            Ok(opened) => opened,
            Err(end) => return end,
        };
        info!(uplink = %self.settings.name, device = account.device, "uplink is up");
        one(&self.counters.connected);
        (*was_up, *is_outage_told) = (true, false);
        self.outbox.open();
        let _closing = Closing(&self.outbox);
        if let Err(end) = self.tell(UplinkEvent::Connected).await {
            return end;
        }
        let good = async {
            sleep(GOOD_LINK).await;
            backoff.reset();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            end = self.carry(connection, early, &account) => end.err().unwrap_or(End::Stopped),
            () = good => End::Stopped,
        }
    }

    /// Logs in and subscribes, after registering where there is no account yet.
    async fn open(&mut self) -> Result<(Connection, Vec<Publish>, Account), End> {
        let account = match self.account() {
            Some(account) => account,
            None => self.register().await?,
        };
        let filters = station_filters(&account.device).to_vec();
        let (connection, early) = Connection::open(&self.settings, &account.login, filters).await?;
        Ok((connection, early, account))
    }

    fn account(&mut self) -> Option<Account> {
        match self.unkept.take() {
            // It could not be written the last time; the disk may have room by now.
            Some(account) => Some(self.keep(account)),
            None => self.settings.accounts.find(&self.settings.name),
        }
    }

    fn keep(&mut self, account: Account) -> Account {
        if let Err(error) = self.settings.accounts.keep(&self.settings.name, &account) {
            error!(uplink = %self.settings.name, %error, "issued account is not on disk");
            self.unkept = Some(account.clone());
        }
        account
    }

    /// Asks for an account with the default one.
    async fn register(&mut self) -> Result<Account, End> {
        let settings = &self.settings;
        debug!(uplink = %settings.name, "registering with the default account");
        let station = settings.station.borrow().clone();
        let down = Topic::down(Class::Registration, &station.serial).to_string();
        let filters = vec![(down, Class::Registration.qos())];
        let (mut connection, _) =
            Connection::open(settings, &settings.default_login, filters).await?;
        let request = registration_request(&station, &settings.registration_code)
            .map_err(|error| End::Registration(error.to_string()))?;
        let up = Topic::up(Class::Registration, &station.serial).to_string();
        let qos = Class::Registration.qos();
        publish(&connection.client, up, qos, request).await?;
        let answer = tokio::time::timeout(REGISTRATION_TIMEOUT, connection.next());
        let answer = answer.await.map_err(|_| End::Unanswered)??;
        let registered = registration_answer(&answer.payload)
            .map_err(|error| End::Registration(error.to_string()))?;
        farewell(&mut connection).await;
        let account = accept(registered)?;
        info!(uplink = %self.settings.name, device = account.device, "registered");
        Ok(self.keep(account))
    }

    /// Both ways at once: reading must not wait for writing, nor the other way round.
    async fn carry(
        &self,
        mut connection: Connection,
        early: Vec<Publish>,
        account: &Account,
    ) -> Result<(), End> {
        let (client, places) = (connection.client.clone(), Arc::clone(&connection.places));
        let upwards = async {
            loop {
                // First a place, then a message: what is urgent overtakes until the last moment.
                let place = places.acquire().await.expect("the semaphore is never closed");
                let message = self.outbox.next().await;
                let Some((class, payload)) = self.encode(&message) else { continue };
                if self.publish(&client, class, payload, account).await? && class.qos() > 0 {
                    place.forget();
                }
            }
        };
        let downwards = async {
            for publish in early {
                self.receive(&client, &places, &publish, account).await?;
            }
            loop {
                let publish = connection.next().await?;
                self.receive(&client, &places, &publish, account).await?;
            }
        };
        let end = tokio::select! {
            end = upwards => end,
            end = downwards => end,
            () = stopped(self.stop.clone()) => Err(End::Stopped),
        };
        if matches!(end, Err(End::Stopped)) {
            farewell(&mut connection).await;
        }
        end
    }

    /// The message in the backend's revision; `None` if it cannot be said there.
    fn encode(&self, message: &ToUplink) -> Option<(Class, bytes::Bytes)> {
        let at_s = self.settings.now_s();
        let encoded = station::encode(message, &self.settings.station.borrow(), at_s);
        encoded.unwrap_or_else(|error| {
            one(&self.counters.unsendable);
            error!(uplink = %self.settings.name, %error, "message cannot be written");
            None
        })
    }

    /// Publishes; `false` if it cannot be.
    async fn publish(
        &self,
        client: &rumqttc::AsyncClient,
        class: Class,
        payload: bytes::Bytes,
        account: &Account,
    ) -> Result<bool, End> {
        // The library would end the connection over it.
        if payload.len() > SENT_LIMIT {
            one(&self.counters.unsendable);
            error!(uplink = %self.settings.name, bytes = payload.len(), "message is too large");
            return Ok(false);
        }
        let topic = Topic::up(class, &account.device).to_string();
        publish(client, topic, class.qos(), payload).await?;
        one(&self.counters.sent);
        Ok(true)
    }

    async fn receive(
        &self,
        client: &rumqttc::AsyncClient,
        places: &Semaphore,
        message: &Publish,
        account: &Account,
    ) -> Result<(), End> {
        one(&self.counters.received);
        let Some(topic) = Topic::parse(&message.topic) else {
            one(&self.counters.undecodable);
            return Ok(());
        };
        let decoded =
            station::decode(topic.class, &message.payload, &self.settings.station.borrow());
        match decoded {
            Ok(event) => self.tell(event).await,
            Err(error) => {
                one(&self.counters.undecodable);
                debug!(uplink = %self.settings.name, %error, "message cannot be read");
                let revision = self.settings.station.borrow().revision;
                if let Some(answer) = error.answer(revision, self.settings.now_s()) {
                    let up = Topic::up(Class::Command, &account.device).to_string();
                    // Waiting here would stop the reading that makes room.
                    let sent = places.try_acquire().is_ok_and(|place| {
                        let qos = rumqttc::QoS::ExactlyOnce;
                        let sent = client.try_publish(up, qos, false, answer).is_ok();
                        if sent {
                            place.forget();
                        }
                        sent
                    });
                    if !sent {
                        one(&self.counters.shed);
                    }
                }
                Ok(())
            }
        }
    }

    async fn tell(&self, event: UplinkEvent) -> Result<(), End> {
        let input = Input::Uplink { uplink: self.settings.name.clone(), event };
        self.inbox.send_async(input).await.map_err(|_| End::InboxClosed)
    }
}

/// Closes the outbox however the connection ends.
struct Closing<'a>(&'a Outbox);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn accept(registered: Registered) -> Result<Account, End> {
    if !registered.is_accepted() {
        let (status, reason) = (registered.status, registered.reason.trim());
        let because = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        return Err(End::Registration(format!("status {status}{because}")));
    }
    let Registered { device_code: device, username, password, .. } = registered;
    if !crate::protocol::charger::topic::is_id(&device) {
        return Err(End::Registration(format!("unusable device code: {device:?}")));
    }
    Ok(Account { device, login: Login { username, password } })
}

/// Ends a connection politely; the backend must not take it for a lost one.
async fn farewell(connection: &mut Connection) {
    if connection.client.try_disconnect().is_ok() {
        // Ends with the connection; what comes before is of no interest any more.
        let rest = async { while connection.next().await.is_ok() {} };
        let _ = tokio::time::timeout(FAREWELL, rest).await;
    }
}

/// Returns when the program stops.
async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that whoever could stop us is gone.
    let _ = stop.wait_for(|stop| *stop).await;
}
