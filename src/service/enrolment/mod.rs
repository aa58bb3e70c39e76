//! Registration at the doors: who asks rightly gets an account of its own.
//!
//! A thread of its own, because what is issued is on disk before it is told. `reception` knows
//! the connections, the roster decides; here it is carried out.

use std::{sync::Arc, time::Duration};

use flume::RecvTimeoutError;
use tokio::sync::watch;
use tracing::{debug, error, info, warn};

use super::{
    config::Registration,
    piles::is_same,
    roster::{Account, Applicant, Change, Grant, Mode, Origin, Refusal, Roster, new_password},
};
use crate::{
    broker::{Doors, Outgoing, To},
    clock::Clock,
    domain::{
        id::{ConnectionId, PileCode},
        wire::Revision,
    },
    protocol::charger::{
        enrolment::{self, Application},
        registration::Registered,
        station,
        topic::{Class, Topic},
    },
    site::Input,
};

mod reception;

pub use reception::{Reception, RegistrationCounters, Task, Visitor};

/// Between looks at who has been here too long, and at what could not be written before.
const LOOK: Duration = Duration::from_secs(10);

/// Characters of a stranger's serial number in the log.
const SHOWN_SERIAL: usize = 64;

/// Carries out registrations, one after the other.
pub struct Room {
    /// The piles.
    pub roster: Arc<Roster>,
    /// What the config says of it; `None`: nobody registers.
    pub terms: Option<Registration>,
    /// Who is here to register.
    pub reception: Arc<Reception>,
    /// What is to be done.
    pub tasks: flume::Receiver<Task>,
    /// To answer.
    pub doors: Doors,
    /// The site's inbox.
    pub inbox: flume::Sender<Input>,
    /// What the uplinks have to know of the site.
    pub stations: Vec<watch::Sender<station::Settings>>,
    /// The time.
    pub clock: Arc<Clock>,
}

impl Room {
    /// Runs until nobody can ask any more.
    pub fn run(mut self) {
        loop {
            self.save();
            match self.tasks.recv_timeout(LOOK) {
                Ok(task) => self.carry_out(task),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            for name in self.reception.unwelcome(self.clock.mono()) {
                self.doors.kick(&name);
            }
        }
    }

    fn carry_out(&mut self, task: Task) {
        match task {
            Task::Request { connection, topic_id, payload } => {
                self.asked(connection, &topic_id, &payload);
            }
            Task::Forget { pile, answer } => {
                // Whoever asked may have gone.
                let _ = answer.send(self.forget(pile));
            }
            Task::Save => {}
        }
    }

    fn save(&mut self) {
        if !self.roster.is_unsaved() {
            return;
        }
        if let Err(error) = self.roster.make(&Change::Nothing) {
            error!(%error, "the piles' file cannot be written");
        }
    }

    fn asked(&mut self, connection: ConnectionId, topic_id: &str, payload: &[u8]) {
        let Some(visitor) = self.reception.asks(connection) else { return };
        let at_s = self.clock.now().wall.known_s();
        let answer = match enrolment::application(payload) {
            Ok(application) => {
                let said = self.decide(connection, &visitor, topic_id, &application);
                enrolment::answer(&application, &said, at_s).ok()
            }
            Err(error) => {
                warn!(address = %visitor.address, %error, "registration cannot be read");
                error.answer(Revision::V1_10, at_s)
            }
        };
        let Some(payload) = answer else { return };
        let topic = Topic::down(Class::Registration, topic_id).to_string();
        let qos = Class::Registration.qos();
        let outgoing = Outgoing { topic, payload, qos, expires_in: None };
        if let Err(reason) = self.doors.send(&To::Connection(connection), outgoing) {
            debug!(%reason, "registration not answered, the pile asks again");
        }
    }

    /// What is said to an application; whatever it says is done already.
    fn decide(
        &mut self,
        connection: ConnectionId,
        visitor: &Visitor,
        topic_id: &str,
        application: &Application,
    ) -> Registered {
        let decided = self.register(connection, visitor, topic_id, application);
        decided.unwrap_or_else(|refusal| {
            self.refused(connection, visitor, application, refusal);
            Registered {
                status: refusal.status(),
                device_code: String::new(),
                username: String::new(),
                password: String::new(),
                reason: refusal.to_string(),
            }
        })
    }

    fn refused(
        &mut self,
        connection: ConnectionId,
        visitor: &Visitor,
        application: &Application,
        refusal: Refusal,
    ) {
        self.reception.refused(connection, refusal);
        let serial: String = application.serial.chars().take(SHOWN_SERIAL).collect();
        let address = visitor.address;
        warn!(%address, serial, reason = %refusal, "registration refused");
    }

    fn register(
        &mut self,
        connection: ConnectionId,
        visitor: &Visitor,
        topic_id: &str,
        application: &Application,
    ) -> Result<Registered, Refusal> {
        let terms = self.terms.as_ref().ok_or(Refusal::Unknown)?;
        if !is_itself(&visitor.client_id, topic_id, application) {
            return Err(Refusal::Identity);
        }
        let address = visitor.address.ip();
        if !self.doors.may_try(&terms.username, address) {
            return Err(Refusal::Later);
        }
        if !is_same(terms.code.expose().as_bytes(), application.code.as_bytes()) {
            self.doors.failed(&terms.username, address);
            return Err(Refusal::Code);
        }
        if let Some(given) = self.given_before(visitor, application) {
            return Ok(given);
        }
        let mode = if terms.is_open { Mode::Open } else { Mode::Closed };
        let grant = self.roster.decide(&applicant(application), mode)?;
        let account = self.issue(grant)?;
        self.reception.gave(connection, &application.serial, &account);
        Ok(account)
    }

    /// A repetition on the same connection gets the same account: a pile takes the first answer,
    /// and a second password would make it void.
    fn given_before(&self, visitor: &Visitor, application: &Application) -> Option<Registered> {
        let (serial, account) = visitor.given.as_ref()?;
        let is_same = *serial == application.serial && self.roster.awaits(account);
        is_same.then(|| account.clone())
    }

    /// Writes an account down, tells the site and the uplinks of the pile, and only then gives
    /// its password away.
    fn issue(&mut self, mut grant: Grant) -> Result<Registered, Refusal> {
        let made = new_password().and_then(|password| {
            let account = Account::issue(&password, self.clock.now().wall.known_s())?;
            grant.member.account = Some(account);
            self.roster.make(&Change::Issue(Box::new(grant.clone())))?;
            Ok(password)
        });
        let password = made.map_err(|error| {
            error!(%error, "an account cannot be issued");
            Refusal::Unkept
        })?;
        let Grant { code: pile, member } = grant;
        info!(%pile, serial = member.serial, connectors = member.connectors.len(), "registered");
        if matches!(member.origin, Origin::Admitted { .. }) {
            for station in &self.stations {
                station.send_modify(|station| station.place(pile, &member.connectors));
            }
            // Fails only when the program is leaving.
            let _ = self.inbox.send(Input::PileAdmitted { pile, config: member.site_config() });
        }
        Ok(Registered {
            status: 0,
            device_code: pile.to_string(),
            username: pile.to_string(),
            password: password.expose().to_owned(),
            reason: String::new(),
        })
    }

    fn forget(&mut self, pile: PileCode) -> Result<String, String> {
        self.roster.may_forget(pile)?;
        self.roster.make(&Change::Forget(pile)).map_err(|error| {
            error!(%pile, %error, "an account cannot be forgotten");
            format!("cannot be written: {error}")
        })?;
        self.doors.kick(pile.as_str());
        info!(%pile, "account forgotten, it may register again");
        Ok("forgotten: it may register again".to_owned())
    }
}

/// Whether client id, topic and message name the same pile.
fn is_itself(client_id: &str, topic_id: &str, application: &Application) -> bool {
    client_id == application.client_id()
        && (topic_id == application.serial || topic_id == client_id)
}

fn applicant(application: &Application) -> Applicant {
    Applicant {
        serial: application.serial.clone(),
        revision: application.revision,
        connectors: application.connectors,
        connector_types: application.connector_types.clone(),
    }
}
