//! Who may come in at the doors: the piles of the roster, the observers of the config.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    sync::Arc,
};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

use super::{
    config::{Observer, Secret},
    roster::Roster,
};
use crate::{
    broker::{Access, CertificateName, Filter, Identity, Login, LoginRefused, Registry, Route},
    domain::id::PileCode,
    protocol::charger::topic::{Class, Topic},
};

/// The controller's own account at the doors, to see whether they answer. It may log in and
/// nothing else; its password is made up anew in every run.
#[derive(Debug, Clone)]
pub struct Probe(Secret);

/// Bytes of chance in the probe's password.
const PROBE_BYTES: usize = 16;

impl Probe {
    /// Its name; no pile code, which has no dashes.
    pub const NAME: &str = "sitepilot-probe";

    /// A new password.
    ///
    /// # Errors
    ///
    /// If the system gives no randomness.
    pub fn new() -> io::Result<Self> {
        let mut bytes = [0; PROBE_BYTES];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        Ok(Self(Secret::new(data_encoding::HEXLOWER.encode(&bytes))))
    }

    /// Its password.
    #[must_use]
    pub fn password(&self) -> &str {
        self.0.expose()
    }
}

/// The piles, each with its own topics, and who else comes in.
#[derive(Debug)]
pub struct Piles {
    roster: Arc<Roster>,
    observers: BTreeMap<String, Observer>,
    probe: Probe,
}

impl Piles {
    /// The piles of a roster and the observers of a config.
    #[must_use]
    pub fn new(roster: Arc<Roster>, observers: &[Observer], probe: Probe) -> Self {
        let by_name = |observer: &Observer| (observer.username.clone(), observer.clone());
        Self { roster, observers: observers.iter().map(by_name).collect(), probe }
    }
}

impl Piles {
    /// Who this says to be, by user name, by certificate, or by both, which must agree.
    fn name(&self, login: &Login<'_>) -> Result<String, LoginRefused> {
        let Some(certificate) = login.certificate.map(CertificateName::as_str) else {
            return login.username.map(str::to_owned).ok_or_else(|| refuse("no user name"));
        };
        let owner = match self.roster.named(certificate) {
            Some(code) => code.to_string(),
            None if self.observers.contains_key(certificate) => certificate.to_owned(),
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
        let name = self.name(login)?;
        if let Some(observer) = self.observers.get(&name) {
            let password = observer.password.expose().as_bytes();
            check_password(login, |given| Some(is_same(password, given)))?;
            return Ok(observer_identity(observer));
        }
        let code = PileCode::new(&name).map_err(|_| refuse("user name is no pile code"))?;
        check_password(login, |given| self.roster.is_password(code, given))?;
        Ok(Identity { name: code.to_string(), route: Route::Host, access: access(code) })
    }
}

fn refuse(why: &str) -> LoginRefused {
    LoginRefused(why.to_owned())
}

/// A password must be right; with a certificate there need not be one. `is_right` is `None` for
/// an account that does not exist.
fn check_password(
    login: &Login<'_>,
    is_right: impl FnOnce(&[u8]) -> Option<bool>,
) -> Result<(), LoginRefused> {
    let Some(given) = login.password else {
        return login.certificate.map(drop).ok_or_else(|| refuse("no password"));
    };
    match is_right(given) {
        Some(true) => Ok(()),
        Some(false) => Err(refuse("wrong password")),
        None => Err(refuse("unknown pile")),
    }
}

/// Compares in a time that tells neither how long the password is nor where the difference lies.
pub(super) fn is_same(wanted: &[u8], given: &[u8]) -> bool {
    Sha256::digest(wanted).ct_eq(&Sha256::digest(given)).into()
}

/// An observer listens within its topics and never speaks, not even by a will.
fn observer_identity(observer: &Observer) -> Identity {
    let access = Access { publish: Vec::new(), subscribe: observer.topics.clone() };
    Identity { name: observer.username.clone(), route: Route::Router, access }
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::{
        domain::wire::Revision,
        service::config::{Pile, PileKind},
    };

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
        let pile = Pile {
            code,
            serial: "ZD1".to_owned(),
            revision: Revision::V1_10,
            kind: PileKind::Dc,
            connectors: Vec::new(),
            password: Secret::new("secret".to_owned()),
        };
        let roster = Arc::new(Roster::of(&[pile]));
        let address = "127.0.0.1:1".parse().unwrap();
        let probe = Probe::new().unwrap();
        let observer = Observer {
            username: "display".to_owned(),
            password: Secret::new("screen".to_owned()),
            topics: vec![Filter::new("/U/M/#").unwrap()],
        };
        let certificate = certificate.map(|name| CertificateName::new(name.to_owned()).unwrap());
        let certificate = certificate.as_ref();
        let login = Login { client_id: "x", username, password, certificate, address };
        Piles::new(roster, &[observer], probe).login(&login)
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
            (CODE, "ZD1", None, None),
            (CODE, "ZD1", Some("ZD1"), None),
            (CODE, "ZD1", Some(CODE), Some(b"secret")),
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
    fn a_pile_has_its_own_topics_only() {
        let access = login(Some(CODE), Some(b"secret")).unwrap().access;
        let text = format!("{access:?}");
        assert_eq!(text.matches(CODE).count(), access.publish.len() + access.subscribe.len());
    }
}
