//! Who may come in at the doors: the piles of the roster, those that want to be among them, the
//! observers of the config.

use std::{collections::BTreeMap, io, sync::Arc};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

use super::{
    config::{Observer, Registration, Secret},
    enrolment::Reception,
    roster::{Entry, Roster, new_password},
};
use crate::{
    broker::{Access, CertificateName, Filter, Identity, Login, LoginRefused, Registry, Route},
    clock::Clock,
    domain::id::PileCode,
    protocol::charger::topic::{Class, Direction, Topic, is_id},
};

/// The controller's own account at the doors, to see whether they answer. It may log in and
/// nothing else; its password is made up anew in every run.
#[derive(Debug, Clone)]
pub struct Probe(Secret);

impl Probe {
    /// Its name; no pile code, which has no dashes.
    pub const NAME: &str = "sitepilot-probe";

    /// A new password.
    ///
    /// # Errors
    ///
    /// If the system gives no randomness.
    pub fn new() -> io::Result<Self> {
        new_password().map(Self)
    }

    /// Its password.
    #[must_use]
    pub fn password(&self) -> &str {
        self.0.expose()
    }
}

/// The piles, each with its own topics, and who else comes in.
pub struct Piles {
    roster: Arc<Roster>,
    observers: BTreeMap<String, Observer>,
    registration: Option<Registration>,
    reception: Arc<Reception>,
    clock: Arc<Clock>,
    probe: Probe,
}

/// Dashes in the client id of a pile that registers: nobody can tell where its part number ends,
/// and each may be the place.
const DASHES_LIMIT: usize = 8;

impl Piles {
    /// The piles of a roster, and the observers and the registration of a config.
    #[must_use]
    pub fn new(
        roster: Arc<Roster>,
        observers: &[Observer],
        registration: Option<Registration>,
        reception: Arc<Reception>,
        clock: Arc<Clock>,
        probe: Probe,
    ) -> Self {
        let by_name = |observer: &Observer| (observer.username.clone(), observer.clone());
        let observers = observers.iter().map(by_name).collect();
        Self { roster, observers, registration, reception, clock, probe }
    }

    /// A pile that is known.
    fn pile(&self, name: &str, login: &Login<'_>) -> Result<Identity, LoginRefused> {
        let code = PileCode::new(name).map_err(|_| refuse("user name is no pile code"))?;
        check_password(login, |given| {
            let now_s = self.clock.now().wall.known_s();
            if self.roster.login(code, given, now_s)? == Entry::First {
                self.reception.save_soon();
            }
            Ok(())
        })?;
        Ok(Identity { name: code.to_string(), route: Route::Host, access: access(code) })
    }

    /// A pile that is here to register may do nothing else.
    fn visitor(
        &self,
        login: &Login<'_>,
        registration: &Registration,
    ) -> Result<Identity, LoginRefused> {
        let given = login.password.unwrap_or_default();
        check_secret(&registration.password, given).map_err(refuse)?;
        let ids = ids_of(login.client_id);
        if ids.is_empty() {
            return Err(refuse("client id is not <part number>-<serial>"));
        }
        let certificate = login.certificate.map(CertificateName::as_str);
        if certificate.is_some_and(|name| !self.is_of_one(name, &ids)) {
            return Err(refuse("certificate of another name"));
        }
        let access = visitor_access(&ids);
        let name = Reception::name_of(login.client_id);
        Ok(Identity { name, route: Route::Visitor, access })
    }

    /// Whether a certificate is of one of these serial numbers, or of a pile that has one of them.
    fn is_of_one(&self, certificate: &str, ids: &[&str]) -> bool {
        let serial = self.roster.named(certificate).and_then(|pile| self.roster.serial_of(pile));
        ids.contains(&certificate) || serial.is_some_and(|serial| ids.contains(&serial.as_str()))
    }

    /// Who this says to be, by user name, by certificate, or by both, which must agree.
    fn name(&self, login: &Login<'_>) -> Result<String, LoginRefused> {
        let Some(certificate) = login.certificate.map(CertificateName::as_str) else {
            return login.username.map(str::to_owned).ok_or_else(|| refuse("no user name"));
        };
        let owner = match self.roster.named(certificate) {
            // Before a pile: one that was admitted chose its serial number itself.
            _ if self.observers.contains_key(certificate) => certificate.to_owned(),
            Some(code) => code.to_string(),
            None => {
                return Err(LoginRefused(format!("certificate of an unknown name: {certificate}")));
            }
        };
        match login.username {
            Some(name) if name != owner && name != certificate => {
                Err(LoginRefused(format!("certificate of another name: {certificate}")))
            }
            _ => Ok(owner),
        }
    }
}

impl Registry for Piles {
    fn login(&self, login: &Login<'_>) -> Result<Identity, LoginRefused> {
        if login.username == Some(Probe::NAME) {
            let given = login.password.unwrap_or_default();
            let is_it = is_same(self.probe.password().as_bytes(), given);
            let nothing = Access::default();
            return is_it
                .then(|| Identity {
                    name: Probe::NAME.to_owned(),
                    route: Route::Router,
                    access: nothing,
                })
                .ok_or_else(|| refuse("not the probe"));
        }
        if let Some(registration) = &self.registration
            && login.username == Some(&registration.username)
        {
            return self.visitor(login, registration);
        }
        let name = self.name(login)?;
        match self.observers.get(&name) {
            Some(observer) => observer_login(observer, login),
            None => self.pile(&name, login),
        }
    }
}

fn refuse(why: &str) -> LoginRefused {
    LoginRefused(why.to_owned())
}

/// A password must be right; with a certificate there need not be one.
fn check_password(
    login: &Login<'_>,
    check: impl FnOnce(&[u8]) -> Result<(), &'static str>,
) -> Result<(), LoginRefused> {
    match login.password {
        Some(given) => check(given).map_err(refuse),
        None => login.certificate.map(drop).ok_or_else(|| refuse("no password")),
    }
}

fn check_secret(wanted: &Secret, given: &[u8]) -> Result<(), &'static str> {
    is_same(wanted.expose().as_bytes(), given).then_some(()).ok_or("wrong password")
}

/// Compares in a time that tells neither how long the password is nor where the difference lies.
pub(super) fn is_same(wanted: &[u8], given: &[u8]) -> bool {
    Sha256::digest(wanted).ct_eq(&Sha256::digest(given)).into()
}

/// An observer listens within its topics and never speaks, not even by a will.
fn observer_login(observer: &Observer, login: &Login<'_>) -> Result<Identity, LoginRefused> {
    check_password(login, |given| check_secret(&observer.password, given))?;
    let access = Access { publish: Vec::new(), subscribe: observer.topics.clone() };
    Ok(Identity { name: observer.username.clone(), route: Route::Router, access })
}

/// A pile speaks and listens on its own topics, and on no others.
fn access(code: PileCode) -> Access {
    let filter = |text: String| Filter::new(&text).expect("topics of a pile code are filters");
    let up = |class| filter(Topic::up(class, code.as_str()).to_string());
    let down = |class| Topic::down(class, code.as_str()).to_string();
    Access {
        publish: vec![up(Class::Command), up(Class::Telemetry)],
        subscribe: vec![
            filter(down(Class::Command)),
            filter(format!("{}/#", down(Class::Command))),
            filter(down(Class::Telemetry)),
        ],
    }
}

/// A client id, and the serial number in it, wherever that begins; nothing if there is none, or
/// too many may be.
fn ids_of(client_id: &str) -> Vec<&str> {
    let dashes: Vec<usize> = client_id.match_indices('-').map(|(at, _)| at).collect();
    if dashes.is_empty() || dashes.len() > DASHES_LIMIT {
        return Vec::new();
    }
    let serials = dashes.into_iter().map(|at| &client_id[at + 1..]);
    std::iter::once(client_id).chain(serials).filter(|id| is_id(id)).collect()
}

/// The registration topics of these.
fn visitor_access(ids: &[&str]) -> Access {
    let filters = |direction| {
        let topics = ids.iter().map(|id| Topic { direction, class: Class::Registration, id });
        topics.filter_map(|topic| Filter::new(&topic.to_string()).ok()).collect()
    };
    Access { publish: filters(Direction::Up), subscribe: filters(Direction::Down) }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::path::Path;

    use super::*;
    use crate::{domain::connector::PileKind, domain::wire::Revision, service::config::Pile};

    const CODE: &str = "3101150012000001";

    fn login(username: Option<&str>, password: Option<&[u8]>) -> Result<Identity, LoginRefused> {
        login_with(username, password, None)
    }

    fn login_with(
        username: Option<&str>,
        password: Option<&[u8]>,
        certificate: Option<&str>,
    ) -> Result<Identity, LoginRefused> {
        let code = PileCode::new(CODE).unwrap();
        let pile = |code, serial: &str| Pile {
            code,
            serial: serial.to_owned(),
            revision: Revision::V1_10,
            kind: PileKind::Dc,
            connectors: Vec::new(),
            password: Some(Secret::new("secret".to_owned())),
        };
        // The second pile has the name of the observer for its serial number.
        let other = PileCode::new("3101150012000003").unwrap();
        let piles = [pile(code, "ZD-1"), pile(other, "display")];
        let roster = Arc::new(Roster::new(Path::new("/nowhere"), "3101150012", &piles));
        let address = "127.0.0.1:1".parse().unwrap();
        let probe = Probe::new().unwrap();
        let observer = Observer {
            username: "display".to_owned(),
            password: Secret::new("screen".to_owned()),
            topics: vec![Filter::new("/U/M/#").unwrap()],
        };
        let certificate = certificate.map(|name| CertificateName::new(name.to_owned()).unwrap());
        let certificate = certificate.as_ref();
        let registration = Registration {
            kind: PileKind::Dc,
            is_open: false,
            code: Secret::new("CODE".to_owned()),
            username: "register".to_owned(),
            password: Secret::new("default".to_owned()),
        };
        let login = Login { client_id: "PART-1-ZD-1", username, password, certificate, address };
        let (reception, clock) = (Arc::new(Reception::new().0), Arc::new(Clock::passing()));
        Piles::new(roster, &[observer], Some(registration), reception, clock, probe).login(&login)
    }

    #[test]
    fn a_pile_comes_in_with_its_code_and_password_only() {
        assert_eq!(login(Some(CODE), Some(b"secret")).unwrap().name, CODE);
        for (username, password) in [
            (None, Some(&b"secret"[..])),
            (Some(CODE), None),
            (Some(CODE), Some(b"secre")),
            (Some(CODE), Some(b"secret ")),
            (Some(CODE), Some(b"")),
            (Some("3101150012000002"), Some(b"secret")),
            (Some("#"), Some(b"secret")),
            (Some("display"), Some(b"secret")),
            (Some("display"), None),
            (Some("register"), Some(b"secret")),
            (Some("register"), None),
            (Some(Probe::NAME), Some(b"secret")),
            (Some(Probe::NAME), None),
        ] {
            assert!(login(username, password).is_err(), "{username:?} {password:?}");
        }
    }

    #[test]
    fn a_certificate_lets_in_whom_it_names() {
        for (name, certificate, username, password) in [
            (CODE, CODE, None, None),
            (CODE, CODE, Some(CODE), None),
            (CODE, CODE, Some(CODE), Some(&b"secret"[..])),
            (CODE, "ZD-1", None, None),
            (CODE, "ZD-1", Some("ZD-1"), None),
            (CODE, "ZD-1", Some(CODE), Some(b"secret")),
            ("display", "display", Some("display"), None),
        ] {
            let identity = login_with(username, password, Some(certificate)).unwrap();
            assert_eq!(identity.name, name, "{certificate} {username:?} {password:?}");
        }
        for (certificate, username, password, reason) in [
            ("ZD2", None, None, "certificate of an unknown name: ZD2"),
            ("ZD2", Some(CODE), Some(&b"secret"[..]), "certificate of an unknown name: ZD2"),
            ("display", Some(CODE), Some(b"secret"), "certificate of another name: display"),
            (CODE, Some("display"), Some(b"screen"), "certificate of another name: 31"),
            (CODE, Some(CODE), Some(b"wrong"), "wrong password"),
            (CODE, Some(CODE), Some(b""), "wrong password"),
            (CODE, Some(Probe::NAME), None, "not the probe"),
        ] {
            let refused = login_with(username, password, Some(certificate)).unwrap_err();
            assert!(refused.0.starts_with(reason), "{refused}, not {reason}");
        }
    }

    #[test]
    fn an_observer_listens_within_its_topics_and_never_speaks() {
        let identity = login(Some("display"), Some(b"screen")).unwrap();
        assert_eq!((identity.name.as_str(), identity.route), ("display", Route::Router));
        assert!(identity.access.publish.is_empty());
        assert_eq!(identity.access.subscribe, [Filter::new("/U/M/#").unwrap()]);
    }

    #[test]
    fn who_registers_has_the_registration_topics_of_its_serial_only() {
        let access = login(Some("register"), Some(b"default")).unwrap().access;
        let filters = |way: &str| -> Vec<Filter> {
            let ids = ["PART-1-ZD-1", "1-ZD-1", "ZD-1", "1"];
            ids.iter().map(|id| Filter::new(&format!("/{way}/R/{id}")).unwrap()).collect()
        };
        assert_eq!((access.publish, access.subscribe), (filters("U"), filters("D")));
        let certified = |name| login_with(Some("register"), Some(b"default"), Some(name));
        for own in ["ZD-1", "PART-1-ZD-1", CODE] {
            assert!(certified(own).is_ok(), "{own}");
        }
        assert!(certified("ZD-2").is_err() && certified("display").is_err());
        assert_eq!(ids_of("PART-"), ["PART-"]);
        for wrong in ["PART", "", "A-B-C-D-E-F-G-H-I-J"] {
            assert_eq!(ids_of(wrong), [""; 0], "{wrong}");
        }
    }

    #[test]
    fn a_pile_has_its_own_topics_only() {
        let access = login(Some(CODE), Some(b"secret")).unwrap().access;
        let text = format!("{access:?}");
        assert_eq!(text.matches(CODE).count(), access.publish.len() + access.subscribe.len());
    }
}
