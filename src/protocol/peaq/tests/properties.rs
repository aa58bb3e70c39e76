//! What holds for any message and any bytes.

use proptest::{collection::vec, prelude::*};
use prost::Message;

use super::{EVENTS, REQUESTS, encoded, gateway, image};
use crate::{
    domain::{
        event::UplinkEvent,
        gauge::Gauges,
        id::Sequence,
        reply::{UplinkMessage, UplinkReply},
        time::Now,
        wire::ErrorCode,
    },
    protocol::{
        arbitrary::{Maker, proto::Proto},
        dialect::{Dialect, Heard},
        peaq::{
            readable, told,
            wire::{events::Event, gateway::ChargePointState},
        },
    },
};

fn proto() -> Proto {
    let mut proto = Proto::of(include_str!("../../../../proto/peaq_gateway.proto"));
    let events = Proto::of(include_str!("../../../../proto/peaq_event.proto"));
    proto.messages.extend(events.messages);
    proto
}

proptest! {
    #[test]
    fn any_message_is_written_as_it_was_read(choices in vec(any::<u8>(), 0..200)) {
        let proto = proto();
        let bytes = Maker::new(&proto, &choices).message("Event");
        let event = Event::decode(bytes.as_slice()).unwrap();
        prop_assert_eq!(event.encode_to_vec(), bytes);
        let bytes = Maker::new(&proto, &choices).message("ChargePointState");
        let state = ChargePointState::decode(bytes.as_slice()).unwrap();
        prop_assert_eq!(state.encode_to_vec(), bytes);
    }

    #[test]
    fn any_event_is_asked_answered_or_refused(choices in vec(any::<u8>(), 0..60)) {
        let bytes = Maker::new(&proto(), &choices).message("Event");
        let mut gateway = gateway();
        let (code, text) = (ErrorCode::Generic, "no".to_owned());
        match gateway.decode(REQUESTS, &bytes, Now::default()) {
            Ok(Heard::Event(event)) => {
                let UplinkEvent::Requested { sequence, .. } = *event else { panic!("{event:?}") };
                let answer = UplinkMessage::Answer(UplinkReply::Error { code, text });
                let told = encoded(&mut gateway, sequence, answer);
                prop_assert_eq!(told.len(), 1);
            }
            Ok(Heard::Answer(answer)) => {
                prop_assert_eq!(&*answer.topic, EVENTS);
                let answer = answer.payload.clone();
                prop_assert!(readable::decode(&answer).unwrap().contains("error: true"));
            }
            Err(error) => prop_assert_eq!(error.wanted, "a request"),
        }
        let answer = UplinkReply::Error { code: ErrorCode::Generic, text: String::new() };
        let stray = encoded(&mut gateway, Sequence(0), UplinkMessage::Answer(answer));
        prop_assert!(stray.is_empty());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(text) = readable::decode(&bytes) {
            prop_assert!(text.starts_with("peaq event ") || text.starts_with("peaq state of "));
        }
    }

    #[test]
    fn what_is_offered_is_the_nearest_float(ca in any::<i32>(), dv in any::<i32>()) {
        let gauges = Gauges { output_current_ca: Some(ca), output_voltage_dv: Some(dv), ..image().gauges };
        let offered = told::offered(&gauges).unwrap();
        // Twice rounded, the second time to fewer than half as many bits.
        let near = |float: f32, exact: f64| (f64::from(float) - exact).abs() <= exact.abs() / 1e7;
        prop_assert!(near(offered.current_offered, f64::from(ca) / 100.0));
        prop_assert!(near(offered.voltage_offered, f64::from(dv) / 10.0));
    }
}
