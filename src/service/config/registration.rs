//! `[broker.registration]`

use super::{
    fault::Faults,
    observer::{Observer, check_name},
    pile,
    reader::Section,
    secret::{self, Secret},
};
use crate::domain::connector::PileKind;

/// How piles get their accounts.
#[derive(Debug, Clone)]
pub struct Registration {
    /// Serial numbers that are not in the config are admitted too.
    pub is_open: bool,
    /// What admitted piles give; nothing that they say at their registration tells.
    pub kind: PileKind,
    /// What a registration is allowed with.
    pub code: Secret,
    /// Name of the account that piles register with.
    pub username: String,
    /// Its password.
    pub password: Secret,
}

pub(super) fn read(
    mut section: Section<'_>,
    observers: &[Observer],
    faults: &mut Faults<'_>,
) -> Option<Registration> {
    let is_open = section.flag("open", faults).is_some_and(|at| at.value);
    let kind = pile::kind(&mut section, faults);
    let code = secret::read(&mut section, "code_file", "code_credential", faults);
    let username = section.text("username", faults);
    let hint = "the account piles register with, such as \"register\"";
    let username = section.required("username", username, faults, hint);
    if let Some(at) = &username {
        check_name(at, faults);
        if observers.iter().any(|observer| observer.username == at.value) {
            let text = format!("is the name of an observer too: {}", at.value);
            faults.add(&at.place, text, "each has its own");
        }
    }
    let password = secret::read(&mut section, "password_file", "password_credential", faults);
    section.finish(faults);
    Some(Registration {
        is_open,
        kind: kind?,
        code: code?,
        username: username?.value,
        password: password?,
    })
}
