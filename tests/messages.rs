//! Every code of both revisions, from either side: what the table of the code says becomes of it,
//! `docs/protocols.md` says, and the site does.
//!
//! `SITEPILOT_BLESS=1 cargo test --test messages` writes the table into the document.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "messages/desk.rs"]
mod desk;
#[path = "support/listing.rs"]
mod listing;
#[path = "support/small_site.rs"]
mod small_site;

use desk::{Desk, Peer, SECOND, Said, minimal};
use sitepilot::{
    domain::wire::Revision::{self, V1_0, V1_10},
    protocol::charger::{
        table::{self, Fate, Row, TABLE},
        wire::v1_10::{self as wire, MessageId as Id},
    },
};
use small_site::PILE as FIRST;

/// Around the list of the document.
const MARKS: (&str, &str) =
    ("<!-- messages: written by tests/messages.rs -->\n", "<!-- end of messages -->\n");

const REVISIONS: [(Revision, Revision); 4] =
    [(V1_10, V1_10), (V1_0, V1_0), (V1_0, V1_10), (V1_10, V1_0)];

#[test]
fn every_code_of_both_revisions_is_a_row_or_the_answer_to_one() {
    let codes: Vec<u8> = TABLE.iter().map(code).collect();
    assert!(codes.is_sorted_by(|a, b| a < b), "by code, each once");
    for revision in [V1_0, V1_10] {
        for code in (0..=u8::MAX).filter(|code| table::has(revision, *code)) {
            let answers = codes.iter().any(|of| table::answer_to(revision, *of) == Some(code));
            let is_error = i32::from(code) == i32::from(Id::IdMessageError);
            assert!(codes.contains(&code) || answers || is_error, "{revision:?} {code:#04x}");
        }
    }
}

#[test]
fn the_document_says_what_the_table_says() {
    listing::check("docs/protocols.md", MARKS, &rendered());
}

fn rendered() -> String {
    let mut text = String::from(
        "| code | request | answer | from a pile | from the cloud |\n|---|---|---|---|---|\n",
    );
    for row in &TABLE {
        let name = row.id.as_str_name().trim_start_matches("ID_");
        let (pile, cloud) = (fate(row.from_pile), fate(row.from_backend));
        let (code, answer) = (code(row), answers(code(row)));
        text.push_str(&format!("| {code:#04X} | `{name}` | {answer} | {pile} | {cloud} |\n"));
    }
    text.replace("0X", "0x")
}

fn fate(fate: Fate) -> &'static str {
    match fate {
        Fate::Served => "served",
        Fate::Passed => "passed",
        Fate::Refused => "`MessageError` 1",
    }
}

fn answers(code: u8) -> String {
    let later = table::answer_to(V1_10, code).map_or("none".to_owned(), |a| format!("{a:#04X}"));
    let first = match (table::has(V1_0, code), table::answer_to(V1_0, code)) {
        (false, _) => ", 1.10 only",
        (true, None) if later != "none" => ", none in 1.0",
        (true, _) => "",
    };
    later + first
}

fn code(row: &Row) -> u8 {
    u8::try_from(i32::from(row.id)).unwrap()
}

#[test]
fn what_piles_say_becomes_what_the_table_says() {
    each_code(Peer::Pile, |row| row.from_pile);
}

#[test]
fn what_backends_say_becomes_what_the_table_says() {
    each_code(Peer::Backend, |row| row.from_backend);
}

fn each_code(from: Peer, fate: fn(&Row) -> Fate) {
    for (pile, backend) in REVISIONS {
        // Code 0 is left out on the wire, which makes the revision of the envelope unknown.
        for code in 1..=u8::MAX {
            let mut desk = Desk::new(pile, backend);
            let said = desk.converse(from, code);
            let case = format!("{code:#04x} of a {from:?}, pile {pile:?}, backend {backend:?}");
            let (own, other) = match from {
                Peer::Pile => (pile, backend),
                Peer::Backend => (backend, pile),
            };
            let row = TABLE.iter().find(|row| self::code(row) == code);
            let row = row.filter(|_| table::has(own, code));
            match row.map(fate) {
                None if code >= 0x80 => assert_eq!(said, [], "{case}: answers are not answered"),
                None | Some(Fate::Refused) => assert_refused(&said, from, &case),
                Some(Fate::Passed) if !table::has(other, code) => {
                    assert_refused(&said, from, &case);
                }
                Some(Fate::Passed) => {
                    let (to_other, to_own): (Vec<_>, Vec<_>) =
                        said.into_iter().partition(|said| said.to != from);
                    assert_eq!(to_other.len(), 1, "{case}: passed once");
                    let is_unchanged = to_other[0].body == minimal(own, from, code);
                    assert!(is_unchanged || own != other, "{case}: {to_other:?}");
                    assert_answered(&to_own, from, own, code, &case);
                }
                // The one request that is answered by a request: the tariff itself.
                Some(Fate::Served) if from == Peer::Pile && code == 0x34 => {
                    assert_eq!(said[0].to, Peer::Backend, "{case}: {said:?}");
                    assert_eq!(said[0].code, 0x34, "{case}: {said:?}");
                }
                Some(Fate::Served) => assert_answered(&said, from, own, code, &case),
            }
        }
    }
}

fn assert_refused(said: &[Said], to: Peer, case: &str) {
    assert_eq!(said.len(), 1, "{case}: {said:?}");
    let error: wire::MessageError = prost::Message::decode(said[0].body.clone()).unwrap();
    assert_eq!((said[0].to, said[0].code), (to, 0xFF), "{case}: {said:?}");
    assert!(said[0].is_to_request, "{case}: {said:?}");
    assert_eq!(error.error, 1, "{case}: {said:?}");
}

fn assert_answered(said: &[Said], to: Peer, revision: Revision, code: u8, case: &str) {
    let answers: Vec<_> = said.iter().filter(|said| said.to == to && said.is_to_request).collect();
    let codes: Vec<u8> = answers.iter().map(|said| said.code).collect();
    let wanted: Vec<u8> = table::answer_to(revision, code).into_iter().collect();
    assert_eq!(codes, wanted, "{case}: {said:?}");
}

/// Which pile a message of the backend went to, or the number of the error in its place.
fn place(said: &[Said]) -> Result<&str, i32> {
    assert_eq!(said.len(), 1, "{said:?}");
    match said[0].to {
        Peer::Pile => Ok(said[0].pile.as_ref().unwrap().as_str()),
        Peer::Backend => {
            assert_eq!(said[0].code, 0xFF);
            let error: wire::MessageError = prost::Message::decode(said[0].body.clone()).unwrap();
            Err(error.error)
        }
    }
}

#[test]
fn of_several_piles_the_one_that_is_named_is_asked() {
    let mut desk = Desk::new(V1_10, V1_10);
    desk.second_pile();
    let mut sequence = 0;
    let mut asked = |evse: &str, connector: &str| {
        sequence += 1;
        let wanted = wire::ChangeAvailabilityReq {
            evse_id: evse.to_owned(),
            connector_id: connector.to_owned(),
            ..Default::default()
        };
        place(&desk.wants(0x0E, sequence, &wanted)).map(str::to_owned)
    };
    assert_eq!(asked("", "11").as_deref(), Ok(FIRST));
    assert_eq!(asked("", "22").as_deref(), Ok(SECOND));
    assert_eq!(asked(SECOND, "").as_deref(), Ok(SECOND));
    assert_eq!(asked(SECOND, "22").as_deref(), Ok(SECOND));
    assert_eq!(asked(FIRST, "22"), Err(1), "two piles at once");
    assert_eq!(asked("", ""), Err(1), "none of the piles");
    assert_eq!(asked("", "23"), Err(0), "no connector of this site");
    assert_eq!(asked("3101150012000009", ""), Err(0), "no pile of this site");
}

#[test]
fn a_reservation_is_cancelled_where_it_was_made() {
    let mut desk = Desk::new(V1_10, V1_10);
    desk.second_pile();
    let cancel = wire::CancelReservationReq { id: 9 };
    assert_eq!(place(&desk.wants(0x16, 1, &cancel)), Err(1), "nobody has it");
    let reserve =
        wire::ReserveNowReq { id: 9, connector_id: "21".to_owned(), ..Default::default() };
    assert_eq!(place(&desk.wants(0x15, 2, &reserve)), Ok(SECOND));
    assert_eq!(place(&desk.wants(0x16, 3, &cancel)), Ok(SECOND));
}

#[test]
fn one_pile_is_not_asked_without_end() {
    let mut desk = Desk::new(V1_10, V1_10);
    desk.second_pile();
    let at = |connector: &str| wire::ChangeAvailabilityReq {
        connector_id: connector.to_owned(),
        ..Default::default()
    };
    for sequence in 0..16 {
        assert_eq!(place(&desk.wants(0x0E, sequence, &at("11"))), Ok(FIRST));
    }
    assert_eq!(place(&desk.wants(0x0E, 16, &at("11"))), Err(2), "too much waits");
    assert_eq!(place(&desk.wants(0x0E, 17, &at("21"))), Ok(SECOND), "others are not held up");
}
