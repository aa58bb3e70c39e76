//! An uplink of the charging-station protocol: it registers, and its backend answers.

use std::{convert::Infallible, sync::Arc, time::Duration};

use rumqttc::Publish;
use tokio::sync::Semaphore;
use tracing::{debug, error, info};

use super::{
    counters::one,
    life::{End, Life, Talk, Ties},
    mqtt::{Connection, LinkError, farewell, publish},
    settings::{Account, Login, Settings},
};
use crate::{
    domain::reply::ToUplink,
    protocol::charger::{
        apdu::SENT_LIMIT,
        registration::{Registered, registration_answer, registration_request},
        station,
        topic::{Class, Topic, is_id, station_filters},
    },
};

/// How long a backend may think about a registration.
const REGISTRATION_TIMEOUT: Duration = Duration::from_secs(30);

/// One uplink; [`Link::run`] is its task.
pub struct Link {
    life: Life,
    backend: Backend,
}

struct Backend {
    settings: Settings,
    /// An issued account that is not on disk yet.
    unkept: Option<Account>,
}

/// A connection that is logged in and subscribed.
struct Line {
    connection: Connection,
    /// What came before the SUBACK.
    early: Vec<Publish>,
    account: Account,
}

impl Link {
    /// An uplink tied to the program.
    #[must_use]
    pub fn new(settings: Settings, ties: Ties) -> Self {
        let life = Life::new(&settings.name, settings.login_retry, &settings.now, ties);
        Self { life, backend: Backend { settings, unkept: None } }
    }

    /// Runs until it is stopped or the site has ended.
    pub async fn run(self) {
        self.life.lead(self.backend).await;
    }
}

impl Talk for Backend {
    type Line = Line;

    /// Logs in and subscribes, after registering where there is no account yet.
    async fn open(&mut self, life: &Life) -> Result<Line, End> {
        let account = match self.account() {
            Some(account) => account,
            None => self.register(life).await?,
        };
        let filters = station_filters(&account.device).to_vec();
        let (connection, early) = self.connect(&account.login, filters).await?;
        debug!(uplink = %life.name, device = account.device, "logged in");
        Ok(Line { connection, early, account })
    }

    /// Both ways at once: reading must not wait for writing, nor the other way round.
    async fn carry(&mut self, life: &Life, line: Line) -> End {
        let Line { mut connection, early, account } = line;
        let (client, places) = (connection.client.clone(), Arc::clone(&connection.places));
        let upwards = async {
            loop {
                // First a place, then a message: what is urgent overtakes until the last moment.
                let place = places.acquire().await.expect("the semaphore is never closed");
                let message = life.outbox.next().await;
                let Some((class, payload)) = self.encode(&message, life) else { continue };
                let topic = Topic::up(class, &account.device).to_string();
                if let Err(error) = publish(&client, topic, class.qos(), payload).await {
                    return End::from(error);
                }
                one(&life.counters.sent);
                if class.qos() > 0 {
                    place.forget();
                }
            }
        };
        let downwards = async {
            let mut early = early.into_iter();
            loop {
                let publish = match early.next() {
                    Some(publish) => publish,
                    None => connection.next().await?,
                };
                self.receive(&client, &places, &publish, &account, life).await?;
            }
        };
        let end = tokio::select! {
            end = upwards => end,
            Err::<Infallible, _>(end) = downwards => end,
            () = life.stopped() => End::Stopped,
        };
        if matches!(end, End::Stopped) {
            farewell(&mut connection).await;
        }
        end
    }
}

impl Backend {
    async fn connect(
        &self,
        login: &Login,
        filters: Vec<(String, u8)>,
    ) -> Result<(Connection, Vec<Publish>), LinkError> {
        let client_id = self.settings.client_id();
        Connection::open(&self.settings.broker, &client_id, Some(login), filters).await
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
    async fn register(&mut self, life: &Life) -> Result<Account, End> {
        debug!(uplink = %life.name, "registering with the default account");
        let station = self.settings.station.borrow().clone();
        let down = Topic::down(Class::Registration, &station.serial).to_string();
        let filters = vec![(down, Class::Registration.qos())];
        let (mut connection, _) = self.connect(&self.settings.default_login, filters).await?;
        let request = registration_request(&station, &self.settings.registration_code)
            .map_err(|error| refused(&error))?;
        let up = Topic::up(Class::Registration, &station.serial).to_string();
        let qos = Class::Registration.qos();
        publish(&connection.client, up, qos, request).await?;
        let answer = tokio::time::timeout(REGISTRATION_TIMEOUT, connection.next()).await;
        let answer =
            answer.map_err(|_| End::Down("no answer to the registration".to_owned()))??;
        let registered = registration_answer(&answer.payload).map_err(|error| refused(&error))?;
        farewell(&mut connection).await;
        let account = accept(registered)?;
        info!(uplink = %life.name, device = account.device, "registered");
        Ok(self.keep(account))
    }

    /// The message in the backend's revision; `None` if it cannot be said there.
    fn encode(&self, message: &ToUplink, life: &Life) -> Option<(Class, bytes::Bytes)> {
        let encoded = station::encode(message, &self.settings.station.borrow(), life.now_s());
        match encoded {
            // The library would end the connection over it.
            Ok(Some((_, payload))) if payload.len() > SENT_LIMIT => {
                life.unsendable(&format_args!("{} bytes are too many", payload.len()));
                None
            }
            Ok(encoded) => encoded,
            Err(error) => {
                life.unsendable(&error);
                None
            }
        }
    }

    async fn receive(
        &self,
        client: &rumqttc::AsyncClient,
        places: &Semaphore,
        message: &Publish,
        account: &Account,
        life: &Life,
    ) -> Result<(), End> {
        one(&life.counters.received);
        let Some(topic) = Topic::parse(&message.topic) else {
            one(&life.counters.undecodable);
            return Ok(());
        };
        let decoded =
            station::decode(topic.class, &message.payload, &self.settings.station.borrow());
        match decoded {
            Ok(event) => life.tell(event).await,
            Err(error) => {
                one(&life.counters.undecodable);
                debug!(uplink = %life.name, %error, "message cannot be read");
                let revision = self.settings.station.borrow().revision;
                if let Some(answer) = error.answer(revision, life.now_s()) {
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
                        one(&life.counters.shed);
                    }
                }
                Ok(())
            }
        }
    }
}

fn refused(why: &dyn std::fmt::Display) -> End {
    End::Refused(format!("registration refused: {why}"))
}

fn accept(registered: Registered) -> Result<Account, End> {
    if !registered.is_accepted() {
        let (status, reason) = (registered.status, registered.reason.trim());
        let because = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        return Err(refused(&format_args!("status {status}{because}")));
    }
    let Registered { device_code: device, username, password, .. } = registered;
    if !is_id(&device) {
        return Err(refused(&format_args!("unusable device code: {device:?}")));
    }
    Ok(Account { device, login: Login { username, password } })
}
