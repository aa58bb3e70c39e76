#![expect(clippy::unwrap_used, reason = "tests")]

use std::{collections::BTreeSet, fs};

use proptest::prelude::*;

use super::{members::ADMITTED_LIMIT, *};
use crate::{
    domain::{connector::PileKind, id::ConnectorNo},
    service::config::Secret,
};

const SITE: &str = "3101150012";
const CODE: &str = "3101150012000001";

fn code() -> PileCode {
    PileCode::new(CODE).unwrap()
}

/// The pile of the config, with connectors 1 and 2 and a password.
fn pile(serial: &str) -> Pile {
    Pile {
        code: code(),
        serial: serial.to_owned(),
        revision: Revision::V1_10,
        kind: PileKind::Dc,
        connectors: [1, 2].into_iter().filter_map(ConnectorNo::new).collect(),
        password: Some(Secret::new("file".to_owned())),
    }
}

fn open(dir: &Path, piles: &[Pile]) -> Roster {
    Roster::new(dir, SITE, piles).remember(Mode::Open, PileKind::Dc).unwrap()
}

fn applicant(serial: &str, connectors: usize) -> Applicant {
    Applicant {
        serial: serial.to_owned(),
        revision: Revision::V1_0,
        connectors,
        connector_types: vec![1],
    }
}

/// Registers a pile; its code and password.
fn register(roster: &Roster, who: &Applicant) -> Result<(PileCode, Secret), Refusal> {
    let mut grant = roster.decide(who, Mode::Open)?;
    let password = new_password().unwrap();
    grant.member.account = Some(Account::issue(&password, Some(1)).unwrap());
    let code = grant.code;
    roster.make(&Change::Issue(Box::new(grant))).map_err(|_| Refusal::Unkept)?;
    Ok((code, password))
}

fn login(roster: &Roster, code: PileCode, password: &Secret) -> Result<Entry, &'static str> {
    roster.login(code, password.expose().as_bytes(), None)
}

fn numbers(roster: &Roster, code: PileCode) -> Vec<u16> {
    roster.piles()[&code].connectors.iter().map(|no| no.get()).collect()
}

#[test]
fn the_registration_closes_behind_the_first_login() {
    let dir = tempfile::tempdir().unwrap();
    let roster = open(dir.path(), &[pile("ZD1")]);
    let file = Secret::new("file".to_owned());
    assert_eq!(login(&roster, code(), &file), Ok(Entry::Known));
    assert_eq!(roster.may_forget(code()), Err("has not registered: there is nothing to forget"));

    let (_, first) = register(&roster, &applicant("ZD1", 2)).unwrap();
    let (_, second) = register(&roster, &applicant("ZD1", 2)).unwrap();
    assert_eq!(login(&roster, code(), &file), Err("wrong password"));
    assert_eq!(login(&roster, code(), &first), Err("wrong password"));
    assert_eq!(login(&roster, code(), &second), Ok(Entry::First));
    assert_eq!(login(&roster, code(), &second), Ok(Entry::Known));
    assert_eq!(register(&roster, &applicant("ZD1", 2)), Err(Refusal::Registered));

    roster.make(&Change::Forget(code())).unwrap();
    assert_eq!(login(&roster, code(), &second), Err("wrong password"));
    assert_eq!(login(&roster, code(), &file), Ok(Entry::Known));
    assert!(register(&roster, &applicant("ZD1", 2)).is_ok());
}

#[test]
fn an_account_is_void_while_another_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let roster = open(dir.path(), &[pile("ZD1")]);
    let (_, password) = register(&roster, &applicant("ZD1", 2)).unwrap();
    let grant = roster.decide(&applicant("ZD1", 2), Mode::Closed).unwrap();
    roster.hold(&Change::Issue(Box::new(grant))).unwrap();
    assert_eq!(login(&roster, code(), &password), Err("a new password is being issued"));
}

#[test]
fn what_cannot_be_written_has_not_happened() {
    let dir = tempfile::tempdir().unwrap();
    let mut roster = open(dir.path(), &[pile("ZD1")]);
    let (_, password) = register(&roster, &applicant("ZD1", 2)).unwrap();
    let good = std::mem::replace(&mut roster.file, dir.path().join("no/piles.toml"));
    assert_eq!(register(&roster, &applicant("ZD1", 2)), Err(Refusal::Unkept));
    assert_eq!(register(&roster, &applicant("NEW", 1)), Err(Refusal::Unkept));
    assert!(roster.make(&Change::Forget(code())).is_err());
    assert_eq!(roster.codes(), [code()]);
    assert_eq!(login(&roster, code(), &password), Ok(Entry::First));
    assert!(roster.is_unsaved());
    roster.file = good;
    roster.make(&Change::Nothing).unwrap();
    assert!(!roster.is_unsaved());
    let roster = open(dir.path(), &[pile("ZD1")]);
    assert_eq!(login(&roster, code(), &password), Ok(Entry::Known));
}

#[test]
fn an_account_is_of_a_serial() {
    let dir = tempfile::tempdir().unwrap();
    let (_, password) = register(&open(dir.path(), &[pile("ZD1")]), &applicant("ZD1", 2)).unwrap();
    // Another pile in its place: the account is void, and the serial may register.
    let replaced = open(dir.path(), &[pile("ZD9")]);
    assert_eq!(login(&replaced, code(), &password), Err("wrong password"));
    assert_eq!(register(&replaced, &applicant("ZD9", 2)).unwrap().0, code());
    // Taken out of the config: its code stays taken, and the account comes back with it.
    let (_, password) = register(&replaced, &applicant("ZD9", 2)).unwrap();
    let without = open(dir.path(), &[]);
    assert_eq!(login(&without, code(), &password), Err("unknown pile"));
    let (other, _) = register(&without, &applicant(CODE, 1)).unwrap();
    assert_ne!(other, code());
    let again = open(dir.path(), &[pile("ZD9")]);
    assert_eq!(login(&again, code(), &password), Ok(Entry::First));
}

#[test]
fn admitted_piles_have_codes_and_connectors_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let roster = open(dir.path(), &[pile("ZD1")]);
    assert_eq!(roster.decide(&applicant("NEW", 1), Mode::Closed), Err(Refusal::Unknown));
    let (made, _) = register(&roster, &applicant("NEW", 2)).unwrap();
    let (own, _) = register(&roster, &applicant("SERIAL0123456789", 1)).unwrap();
    let (third, _) = register(&roster, &applicant("THIRD", 1)).unwrap();
    assert!(made.as_str().starts_with(SITE) && third.as_str().starts_with(SITE) && made != third);
    assert_eq!(own.as_str(), "SERIAL0123456789");
    let all = [made, own, third].map(|code| numbers(&roster, code));
    assert_eq!(all, [vec![3, 4], vec![5], vec![6]]);
    let long = "x".repeat(65);
    for (serial, connectors) in
        [("", 1), ("a/b", 1), ("a\nb", 1), (&long, 1), ("x", 17), (CODE, 1), (made.as_str(), 1)]
    {
        let refused = roster.decide(&applicant(serial, connectors), Mode::Open);
        assert_eq!(refused, Err(Refusal::Unusable), "{serial:?} {connectors}");
    }
    // Numbers of the config that go away are not given again.
    drop(roster);
    let roster = open(dir.path(), &[]);
    let (fourth, _) = register(&roster, &applicant("FOURTH", 1)).unwrap();
    assert_eq!(numbers(&roster, fourth), [7]);
    // The code is the same should the file be lost.
    fs::remove_file(dir.path().join("piles.toml")).unwrap();
    let roster = open(dir.path(), &[]);
    assert_eq!(register(&roster, &applicant("NEW", 2)).unwrap().0, made);
}

#[test]
fn numbers_of_a_config_are_kept_from_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let roster = open(dir.path(), &[pile("ZD1")]);
    assert!(roster.is_unsaved(), "connectors 1 and 2 are to be remembered");
    roster.make(&Change::Nothing).unwrap();
    let (code, _) = register(&open(dir.path(), &[]), &applicant("NEW", 1)).unwrap();
    assert_eq!(numbers(&open(dir.path(), &[]), code), [3]);
    let closed = Roster::new(dir.path(), SITE, &[]).remember(Mode::Closed, PileKind::Dc).unwrap();
    assert!(!closed.is_unsaved());
}

#[test]
fn there_is_an_end_to_it() {
    let roster = Roster::new(Path::new("/nowhere"), SITE, &[]);
    let mut members = roster.members();
    for number in 0..ADMITTED_LIMIT {
        let grant = members.decide(&applicant(&format!("N{number}"), 1), Mode::Open).unwrap();
        members.apply(&Change::Issue(Box::new(grant)));
    }
    assert_eq!(members.decide(&applicant("ONE MORE", 1), Mode::Open), Err(Refusal::NoRoom));
    assert!(members.decide(&applicant("N7", 1), Mode::Open).is_ok(), "known already");
    members.piles.clear();
    members.highest = 9998;
    assert_eq!(members.decide(&applicant("X", 2), Mode::Open), Err(Refusal::NoRoom));
    assert!(members.decide(&applicant("X", 1), Mode::Open).is_ok());
}

#[test]
fn a_damaged_file_is_a_fault_with_a_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("piles.toml");
    let account = "salt = \"00\"\nhash = \"00\"\nlogged_in = false";
    for (text, wanted) in [
        ("pile = 7".to_owned(), "cannot be read"),
        ("colour = 7".to_owned(), "cannot be read"),
        (format!("[pile.short]\nserial = \"A\"\n[pile.short.account]\n{account}"), "has 1 bytes"),
        ("[pile.short]\nserial = \"A\"".to_owned(), "pile code must have 16 characters"),
        (
            format!(
                "[pile.{CODE}]\nserial = \"A\"\n[pile.{CODE}.admitted]\nrevision = \"2\"\n\
                 connectors = [1]\nconnector_types = []"
            ),
            "is not a revision: 2",
        ),
        (
            format!(
                "[pile.{CODE}]\nserial = \"A\"\n[pile.{CODE}.admitted]\nrevision = \"1.0\"\n\
                 connectors = [0]\nconnector_types = []"
            ),
            "is not a connector: 0",
        ),
    ] {
        fs::write(&path, &text).unwrap();
        let faults =
            Roster::new(dir.path(), SITE, &[]).remember(Mode::Open, PileKind::Dc).unwrap_err();
        let told = faults.to_string();
        assert!(told.contains(wanted) && told.contains("piles.toml.old"), "{text}: {told}");
    }
}

/// Something that happens.
#[derive(Debug, Clone)]
enum Deed {
    Register { serial: usize, connectors: usize },
    Login { serial: usize, age: usize },
    Forget { serial: usize },
    FullDisk { serial: usize },
    Restart,
}

fn deed() -> impl Strategy<Value = Deed> {
    let serial = 0..SERIALS.len();
    prop_oneof![
        4 => (serial.clone(), 1..4_usize)
            .prop_map(|(serial, connectors)| Deed::Register { serial, connectors }),
        3 => (serial.clone(), 0..3_usize).prop_map(|(serial, age)| Deed::Login { serial, age }),
        1 => serial.clone().prop_map(|serial| Deed::Forget { serial }),
        1 => serial.prop_map(|serial| Deed::FullDisk { serial }),
        1 => Just(Deed::Restart),
    ]
}

/// The last one is another's code, and never admitted.
const SERIALS: [&str; 5] = ["ZD1", "NEW", "NEW-2", "SERIAL0123456789", CODE];

/// What must be so of one serial number.
#[derive(Debug, Default, Clone)]
struct Known {
    code: Option<PileCode>,
    /// Newest first.
    passwords: Vec<Secret>,
    is_used: bool,
    is_issued: bool,
    connectors: Vec<u16>,
}

fn check(roster: &Roster, known: &[Known]) {
    let mut seen = BTreeSet::new();
    for known in known {
        let Some(code) = known.code else { continue };
        let now = numbers(roster, code);
        assert!(now.starts_with(&known.connectors), "{now:?} after {:?}", known.connectors);
        assert!(now.iter().all(|no| seen.insert(*no)), "given twice: {now:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn one_password_is_right_and_numbers_are_given_once(
        deeds in proptest::collection::vec(deed(), 1..24)
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut roster = open(dir.path(), &[pile("ZD1")]);
        let mut all = vec![Known::default(); SERIALS.len()];
        for deed in deeds {
            match deed {
                Deed::Register { serial, connectors } => {
                    let done = register(&roster, &applicant(SERIALS[serial], connectors));
                    let known = &mut all[serial];
                    let may = SERIALS[serial] != CODE && !(known.is_issued && known.is_used);
                    prop_assert_eq!(done.is_ok(), may);
                    if let Ok((code, password)) = done {
                        prop_assert_eq!(*known.code.get_or_insert(code), code, "stable");
                        known.passwords.insert(0, password);
                        (known.is_issued, known.is_used) = (true, false);
                        known.connectors = numbers(&roster, code);
                    }
                }
                Deed::Login { serial, age } => {
                    let known = &mut all[serial];
                    let (Some(code), Some(password)) = (known.code, known.passwords.get(age))
                    else { continue };
                    let is_right = age == 0 && known.is_issued;
                    prop_assert_eq!(login(&roster, code, password).is_ok(), is_right);
                    known.is_used |= is_right;
                }
                Deed::Forget { serial } => {
                    let Some(code) = all[serial].code else { continue };
                    prop_assert_eq!(roster.may_forget(code).is_ok(), all[serial].is_issued);
                    roster.make(&Change::Forget(code)).unwrap();
                    (all[serial].is_issued, all[serial].is_used) = (false, false);
                }
                Deed::FullDisk { serial } => {
                    let good = std::mem::replace(&mut roster.file, dir.path().join("no/x"));
                    prop_assert!(register(&roster, &applicant(SERIALS[serial], 1)).is_err());
                    roster.file = good;
                }
                Deed::Restart => {
                    roster.make(&Change::Nothing).unwrap();
                    let before = roster.piles();
                    roster = open(dir.path(), &[pile("ZD1")]);
                    prop_assert_eq!(roster.piles(), before);
                }
            }
            check(&roster, &all);
        }
    }
}

#[test]
fn a_pile_is_spoken_to_as_it_spoke_last() {
    let dir = tempfile::tempdir().unwrap();
    let roster = open(dir.path(), &[pile("ZD1")]);
    assert_eq!(roster.revision_of(code()), Some(Revision::V1_10), "as the config says");
    assert_eq!(roster.heard(code(), Revision::V1_10), None);
    // It turns away from the config, which is said once, and comes back.
    assert_eq!(roster.heard(code(), Revision::V1_0), Some(Revision::V1_10));
    assert_eq!(roster.heard(code(), Revision::V1_0), None);
    assert_eq!(roster.revision_of(code()), Some(Revision::V1_0));
    assert_eq!(roster.heard(code(), Revision::V1_10), None);
    assert_eq!(roster.revision_of(code()), Some(Revision::V1_10));
    let stranger = PileCode::new("3101150012009999").unwrap();
    assert_eq!(roster.heard(stranger, Revision::V1_0), None);
    assert_eq!(roster.revision_of(stranger), None);
}
