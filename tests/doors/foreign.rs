//! rumqttc as pile and observer.

use rumqttc::{Client, Connection, Event, Incoming, MqttOptions, Packet, QoS};

use crate::mqtt_raw::{House, PASSWORD, name, say};

fn client(house: &House, user: &str) -> (Client, Connection) {
    let address = house.address();
    let mut options = MqttOptions::new(user, address.ip().to_string(), address.port());
    options.set_credentials(user, PASSWORD);
    Client::new(options, 100)
}

fn wait_for(connection: &mut Connection, wanted: impl Fn(&Incoming) -> bool) -> Incoming {
    for event in connection.iter() {
        if let Event::Incoming(packet) = event.expect("the connection holds")
            && wanted(&packet)
        {
            return packet;
        }
    }
    panic!("the connection ended");
}

#[test]
fn rumqttc_publishes_and_is_told_with_every_qos() {
    let house = House::open();
    let (pile, mut connection) = client(&house, "P1");
    pile.subscribe("D/P1/#", QoS::ExactlyOnce).unwrap();
    wait_for(&mut connection, |packet| matches!(packet, Packet::SubAck(_)));
    assert_eq!(house.event(), "connected P1");
    for (qos, number) in [(QoS::AtMostOnce, 0), (QoS::AtLeastOnce, 1), (QoS::ExactlyOnce, 2)] {
        pile.publish("U/P1/x", qos, false, format!("up{number}")).unwrap();
        house.doors.send(&name("P1"), say("D/P1/x", &format!("down{number}"), number)).unwrap();
        let got = wait_for(&mut connection, |packet| matches!(packet, Packet::Publish(_)));
        let Packet::Publish(got) = got else { unreachable!() };
        assert_eq!(got.payload, format!("down{number}"));
        assert_eq!(got.qos as u8, number);
        if number == 2 {
            wait_for(&mut connection, |packet| matches!(packet, Packet::PubComp(_)));
        }
        assert_eq!(house.event(), format!("P1 U/P1/x q{number} up{number}"));
    }
    pile.disconnect().unwrap();
    for event in connection.iter() {
        if event.is_err() {
            break;
        }
    }
    assert_eq!(house.event(), "gone P1: disconnected");
    house.close().unwrap();
}

#[test]
fn rumqttc_hears_of_a_wrong_password() {
    let house = House::open();
    let address = house.address();
    let mut options = MqttOptions::new("P1", address.ip().to_string(), address.port());
    options.set_credentials("P1", "wrong");
    let (_client, mut connection) = Client::new(options, 10);
    let error = connection.iter().next().unwrap().unwrap_err();
    assert!(error.to_string().contains("NotAuthorized"), "{error}");
    house.close().unwrap();
}
