use super::*;

const LIMITS: SessionLimits = SessionLimits { messages: 8, bytes: 1000, inflight: 3 };

fn message(qos: u8, payload: &str) -> Message {
    Message {
        topic: "t".into(),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        qos,
        retain: false,
        expires: None,
        bound: false,
    }
}

/// What is sent next, in short form.
fn next(session: &mut Session, now: u64) -> String {
    match session.transmit(Mono(now)) {
        None => "-".to_owned(),
        Some(Transmit::Reply(reply)) => format!("{reply:?}"),
        Some(Transmit::Publish { id, dup, message }) => {
            let dup = if dup { " dup" } else { "" };
            format!("{id}{dup} q{} {}", message.qos, String::from_utf8_lossy(&message.payload))
        }
    }
}

fn reconnect(session: &mut Session, now: u64) {
    session.detach();
    session.attach(Mono(now));
}

fn pushed(messages: &[Message]) -> Session {
    let mut session = Session::new(LIMITS);
    session.attach(Mono(0));
    for message in messages {
        assert_eq!(session.push(message.clone()), Ok(()));
    }
    session
}

#[test]
fn redelivers_with_the_same_id_and_dup_in_the_first_order() {
    let mut session = pushed(&[message(1, "a"), message(2, "b"), message(2, "c"), message(1, "d")]);
    for want in ["1 q1 a", "2 q2 b", "3 q2 c", "-"] {
        assert_eq!(next(&mut session, 0), want);
    }
    session.on_pubrec(2);
    assert_eq!(next(&mut session, 0), "PubRel(2)");
    reconnect(&mut session, 0);
    for want in ["1 dup q1 a", "PubRel(2)", "3 dup q2 c", "-"] {
        assert_eq!(next(&mut session, 0), want);
    }
    session.on_puback(1);
    session.on_pubcomp(2);
    assert_eq!(next(&mut session, 0), "4 q1 d");
}

#[test]
fn what_was_not_given_to_the_writer_is_no_duplicate() {
    let mut session = pushed(&[message(1, "a")]);
    reconnect(&mut session, 0);
    assert_eq!(next(&mut session, 0), "1 q1 a");
}
