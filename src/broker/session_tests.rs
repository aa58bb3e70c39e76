use std::collections::BTreeMap;

use proptest::prelude::*;

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
    assert_eq!(session.on_pubrec(2), Ok(()));
    assert_eq!(next(&mut session, 0), "PubRel(2)");
    reconnect(&mut session, 0);
    for want in ["1 dup q1 a", "PubRel(2)", "3 dup q2 c", "-"] {
        assert_eq!(next(&mut session, 0), want);
    }
    assert_eq!(session.on_puback(1), Ok(()));
    assert_eq!(session.on_pubcomp(2), Ok(()));
    assert_eq!(next(&mut session, 0), "4 q1 d");
}

#[test]
fn what_was_not_given_to_the_writer_is_no_duplicate() {
    let mut session = pushed(&[message(1, "a")]);
    reconnect(&mut session, 0);
    assert_eq!(next(&mut session, 0), "1 q1 a");
}

#[test]
fn the_window_is_kept_and_acknowledgements_come_in_any_order() {
    let mut session = pushed(&["a", "b", "c", "d"].map(|text| message(2, text)));
    for want in ["1 q2 a", "2 q2 b", "3 q2 c", "-"] {
        assert_eq!(next(&mut session, 0), want);
    }
    assert_eq!(session.on_pubrec(3), Ok(()));
    assert_eq!(next(&mut session, 0), "PubRel(3)");
    assert_eq!(session.on_pubcomp(3), Ok(()));
    assert_eq!(next(&mut session, 0), "4 q2 d");
    for id in [4, 1, 2] {
        assert_eq!(session.on_pubrec(id), Ok(()));
        assert_eq!(session.on_pubcomp(id), Ok(()));
    }
    assert_eq!(session.bytes, 0);
}

#[test]
fn an_acknowledgement_of_another_kind_is_wrong() {
    let mut session = pushed(&[message(1, "a"), message(2, "b"), message(2, "c")]);
    for want in ["1 q1 a", "2 q2 b", "3 q2 c"] {
        assert_eq!(next(&mut session, 0), want);
    }
    assert_eq!(session.on_pubrec(1), Err(WrongAck));
    assert_eq!(session.on_pubcomp(1), Err(WrongAck));
    assert_eq!(session.on_puback(2), Err(WrongAck));
    assert_eq!(session.on_pubcomp(2), Err(WrongAck), "before its PUBREC");
    assert_eq!(session.on_pubrec(3), Ok(()));
    assert_eq!(session.on_puback(3), Err(WrongAck), "after its PUBREC");
    assert_eq!(session.on_pubrec(3), Ok(()), "repeated");
    assert_eq!((session.flights.len(), session.replies.len()), (3, 2));
}

#[test]
fn the_outbox_is_bounded_by_count_and_bytes() {
    let mut session = pushed(&["a"; 8].map(|text| message(1, text)));
    assert_eq!(session.push(message(1, "a")), Err(Full));
    next(&mut session, 0);
    assert_eq!(session.push(message(1, "a")), Err(Full), "in flight still counts");
    assert_eq!(session.on_puback(1), Ok(()));
    assert_eq!(session.push(message(1, "a")), Ok(()));
    let mut session = pushed(&[message(1, &"x".repeat(900))]);
    assert_eq!(session.push(message(1, &"x".repeat(100))), Err(Full));
    assert_eq!(session.push(message(1, &"x".repeat(90))), Ok(()));
}

#[test]
fn what_is_late_is_not_handed_over() {
    let late = |qos, text: &str| Message { expires: Some(Mono(10)), ..message(qos, text) };
    let mut session = pushed(&[late(1, "a"), late(2, "b"), late(2, "c"), late(1, "d")]);
    for want in ["1 q1 a", "2 q2 b", "3 q2 c"] {
        assert_eq!(next(&mut session, 9), want);
    }
    assert_eq!(session.on_pubrec(2), Ok(()));
    reconnect(&mut session, 10);
    assert_eq!(next(&mut session, 10), "PubRel(2)", "what has arrived is brought to its end");
    assert_eq!(next(&mut session, 10), "-");
    assert_eq!(session.take_expired(), 3);
}

#[test]
fn an_answer_dies_with_its_connection_and_its_id_rests() {
    let mut session = pushed(&[Message { bound: true, ..message(2, "a") }]);
    assert_eq!(next(&mut session, 0), "1 q2 a");
    reconnect(&mut session, 0);
    assert_eq!(next(&mut session, 0), "-");
    session.last_id = u16::MAX;
    for text in ["b", "c"] {
        session.push(message(2, text)).expect("room");
    }
    assert_eq!(next(&mut session, 0), "2 q2 b", "the client may still hold 1");
    assert_eq!(session.on_pubcomp(1), Ok(()));
    session.last_id = u16::MAX;
    assert_eq!(next(&mut session, 0), "1 q2 c");
}

#[test]
fn an_unknown_half_of_a_hand_shake_is_answered() {
    let mut session = pushed(&[]);
    session.on_pubrel(5);
    assert_eq!(session.on_pubrec(6), Ok(()));
    assert_eq!(session.on_puback(7), Ok(()));
    assert_eq!(session.on_pubcomp(8), Ok(()));
    for want in ["PubComp(5)", "PubRel(6)", "-"] {
        assert_eq!(next(&mut session, 0), want);
    }
}

/// Two sessions talk to each other; a session is symmetric but for its user.
struct Pair {
    sides: [Session; 2],
    /// What is on the way to each side.
    wires: [VecDeque<Transmit>; 2],
    /// What each side's user has received: text, QoS, DUP.
    got: [Vec<(String, u8, bool)>; 2],
    sent: [Vec<(String, u8)>; 2],
}

#[derive(Debug, Clone)]
enum Act {
    Say { from: usize, qos: u8 },
    Send { from: usize },
    Arrive { at: usize },
    Cut,
}

impl Pair {
    fn new() -> Self {
        let limits = SessionLimits { messages: 1000, bytes: 100_000, inflight: 4 };
        Self {
            sides: [Session::new(limits), Session::new(limits)],
            wires: Default::default(),
            got: Default::default(),
            sent: Default::default(),
        }
    }

    fn act(&mut self, act: &Act) {
        match *act {
            Act::Say { from, qos } => {
                let text = format!("{from}-{}", self.sent[from].len());
                self.sides[from].push(message(qos, &text)).expect("room");
                self.sent[from].push((text, qos));
            }
            Act::Send { from } => {
                let transmit = self.sides[from].transmit(Mono(0));
                self.wires[1 - from].extend(transmit);
            }
            Act::Arrive { at } => {
                if let Some(transmit) = self.wires[at].pop_front() {
                    self.arrive(at, transmit);
                }
            }
            Act::Cut => {
                self.wires = Default::default();
                for side in &mut self.sides {
                    reconnect(side, 0);
                }
            }
        }
    }

    fn arrive(&mut self, at: usize, transmit: Transmit) {
        let side = &mut self.sides[at];
        match transmit {
            Transmit::Publish { id, dup, message } => {
                if message.qos < 2 || !side.is_handed_over(id) {
                    let text = String::from_utf8_lossy(&message.payload).into_owned();
                    self.got[at].push((text, message.qos, dup));
                }
                match message.qos {
                    0 => {}
                    1 => side.reply(Reply::PubAck(id)),
                    _ => {
                        side.hand_over(id);
                        side.reply(Reply::PubRec(id));
                    }
                }
            }
            Transmit::Reply(Reply::PubAck(id)) => side.on_puback(id).expect("right"),
            Transmit::Reply(Reply::PubRec(id)) => side.on_pubrec(id).expect("right"),
            Transmit::Reply(Reply::PubRel(id)) => side.on_pubrel(id),
            Transmit::Reply(Reply::PubComp(id)) => side.on_pubcomp(id).expect("right"),
            Transmit::Reply(other) => panic!("{other:?}"),
        }
    }

    fn settle(&mut self) {
        for _ in 0..100_000 {
            for side in 0..2 {
                self.act(&Act::Send { from: side });
                self.act(&Act::Arrive { at: side });
            }
            let quiet = self.wires.iter().all(VecDeque::is_empty)
                && self.sides.iter().all(|side| {
                    side.queue.is_empty() && side.flights.is_empty() && side.replies.is_empty()
                });
            if quiet {
                return;
            }
        }
        panic!("never quiet");
    }

    fn check(&self, from: usize) {
        let got = &self.got[1 - from];
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (text, _, dup) in got {
            let count = counts.entry(text).or_default();
            assert!(*count == 0 || *dup, "{text} came again without DUP");
            *count += 1;
        }
        for (text, qos) in &self.sent[from] {
            let count = counts.get(text.as_str()).copied().unwrap_or(0);
            let good = match qos {
                0 => count <= 1,
                1 => count >= 1,
                _ => count == 1,
            };
            assert!(good, "{text} with QoS {qos} came {count} times");
        }
        for qos in 0..=2 {
            let first = |text: &String| got.iter().position(|(got, _, _)| got == text);
            let of_qos = self.sent[from].iter().filter(|(_, sent)| *sent == qos);
            let places: Vec<_> = of_qos.filter_map(|(text, _)| first(text)).collect();
            assert!(places.is_sorted(), "QoS {qos} out of order: {got:?}");
        }
        assert_eq!(self.sides[from].bytes, 0);
        assert!(self.sides[from].unreleased.is_empty());
    }
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        3 => (0_usize..2, 0_u8..3).prop_map(|(from, qos)| Act::Say { from, qos }),
        8 => (0_usize..2).prop_map(|from| Act::Send { from }),
        8 => (0_usize..2).prop_map(|at| Act::Arrive { at }),
        1 => Just(Act::Cut),
    ];
    prop::collection::vec(act, 0..300)
}

proptest! {
    #[test]
    fn however_the_link_breaks_each_message_keeps_its_promise(acts in acts()) {
        let mut pair = Pair::new();
        acts.iter().for_each(|act| pair.act(act));
        // One more cut, so that what was lost before the end is noticed.
        pair.act(&Act::Cut);
        pair.settle();
        pair.check(0);
        pair.check(1);
    }
}
