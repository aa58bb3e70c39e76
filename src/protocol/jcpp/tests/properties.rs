//! What holds for any message and any bytes.

use proptest::{collection::vec, prelude::*};
use prost::Message;

use super::{image, news, settings};
use crate::{
    domain::{
        gauge::{Battery, Gauges},
        id::{PlugNo, Sequence},
        news::Happening,
        reply::{ToUplink, UplinkMessage, Urgency},
        time::Now,
    },
    protocol::{
        arbitrary::{Maker, proto::Proto},
        dialect::Dialect,
        jcpp::{dialect::Queue, readable, wire::UplinkQueueMessage},
    },
};

prop_compose! {
    fn gauges()(
        numbers in vec(prop::option::of(any::<i32>()), 12),
        soc_percent in any::<Option<u8>>(),
        charging_s in any::<Option<u32>>(),
        texts in vec(prop::option::of(".{0,20}"), 3),
        made in any::<Option<(u16, u8, u8)>>(),
    ) -> Gauges {
        Gauges {
            output_voltage_dv: numbers[0],
            output_current_ca: numbers[1],
            soc_percent,
            charging_s,
            vin: texts[0].clone(),
            battery: Battery {
                capacity_ah: numbers[2],
                rated_voltage_cv: numbers[3],
                cell_max_voltage_cv: numbers[4],
                max_current_ca: numbers[5],
                max_voltage_cv: numbers[6],
                max_temperature_dc: numbers[7],
                demand_voltage_cv: numbers[8],
                voltage_cv: numbers[9],
                highest_cell: numbers[10].zip(numbers[11]),
                serial: texts[1].clone(),
                vendor: texts[2].clone(),
                made,
                ..Battery::default()
            },
            ..Gauges::default()
        }
    }
}

proptest! {
    #[test]
    fn any_message_is_written_as_it_was_read(choices in vec(any::<u8>(), 0..300)) {
        let proto = Proto::of(include_str!("../../../../proto/jcpp.proto"));
        let bytes = Maker::new(&proto, &choices).message("UplinkQueueMessage");
        let message = UplinkQueueMessage::decode(bytes.as_slice()).unwrap();
        prop_assert_eq!(message.encode_to_vec(), bytes);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        if let Err(error) = readable::decode(&bytes) {
            prop_assert_eq!(error.at, "UplinkQueueMessage");
        }
    }

    #[test]
    fn whatever_a_pile_measures_can_be_told(gauges in gauges(), plug in 0..120_u16) {
        let mut image = image();
        (image.gauges, image.plug) = (gauges, PlugNo(plug));
        for what in [Happening::Progress(Box::new(image.clone())), Happening::Battery(Box::new(image))] {
            let message = UplinkMessage::News(Box::new(news(what)));
            let message = ToUplink { sequence: Sequence(1), message, urgency: Urgency::Live };
            let told = Queue::new(settings()).encode(&message, Now::default());
            prop_assert_eq!(told.is_err(), plug > 99);
            for publication in told.unwrap_or_default() {
                prop_assert!(readable::decode(&publication.payload).is_ok());
            }
        }
    }
}
