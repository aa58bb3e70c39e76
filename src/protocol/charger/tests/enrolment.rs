//! Both sides of a registration, in both revisions.

use std::collections::BTreeMap;

use prost::Message as _;

use crate::{
    domain::{
        id::{ConnectorNo, PileCode},
        wire::Revision,
    },
    protocol::charger::{
        enrolment::{answer, application},
        registration::{Registered, registration_answer, registration_request},
        station::{ELEC_DATA_UNIT, Settings},
        wire::v1_10,
    },
};

fn settings(revision: Revision) -> Settings {
    let mut settings = Settings {
        revision,
        part_number: "PART-1".to_owned(),
        serial: "SP-1".to_owned(),
        vendor: "ACME".to_owned(),
        elec_data_unit: ELEC_DATA_UNIT,
        connectors: BTreeMap::new(),
    };
    let pile = PileCode::new("3101150012000001").unwrap();
    settings.place(pile, &[1, 2, 4].map(|no| ConnectorNo::new(no).unwrap()));
    settings
}

#[test]
fn what_one_side_asks_and_answers_the_other_understands() {
    for revision in [Revision::V1_0, Revision::V1_10] {
        let request = registration_request(&settings(revision), "CODE").unwrap();
        let asked = application(&request).unwrap();
        assert_eq!((asked.revision, asked.connectors), (revision, 3));
        assert_eq!((asked.client_id().as_str(), asked.code.as_str()), ("PART-1-SP-1", "CODE"));
        assert!(!format!("{asked:?}").contains("CODE"));
        // Revision 1.0 has no words for why not.
        let reason = if revision == Revision::V1_10 { "because" } else { "" };
        let said = Registered {
            status: 2,
            device_code: "D".to_owned(),
            username: "U".to_owned(),
            password: "P".to_owned(),
            reason: reason.to_owned(),
        };
        let answered = answer(&asked, &said, Some(1_795_000_000)).unwrap();
        assert_eq!(registration_answer(&answered), Ok(said));
        // An answer is no request, and is not answered.
        assert_eq!(application(&answered).unwrap_err().answer(revision, None), None);
    }
}

#[test]
fn connectors_are_counted_whatever_the_list_means() {
    for (numbers, types, count) in [
        (&[][..], &[][..], 1),
        (&[0], &[], 1),
        (&[1], &[0], 1),
        (&[2], &[0], 2),
        (&[1, 2], &[0, 0], 2),
        (&[2, 2], &[1, 4], 4),
        (&[1], &[1, 4], 2),
        (&[-1], &[], 1),
        (&[i32::MAX, i32::MAX], &[], 4_294_967_294),
    ] {
        let body = v1_10::DeviceRegistrationReq {
            connector_number: numbers.to_vec(),
            connector_type: types.to_vec(),
            ..Default::default()
        };
        let apdu = v1_10::Apdu {
            message_id: 0x0a,
            payload: body.encode_to_vec().into(),
            ..Default::default()
        };
        let asked = application(&apdu.encode_to_vec()).unwrap();
        assert_eq!(asked.connectors, count, "{numbers:?} {types:?}");
    }
}
