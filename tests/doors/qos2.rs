//! QoS 2 on a link that is cut: at every single packet of both hand-shakes, in four ways, once
//! and twice, with one message and with several at once, with the session kept and with a new
//! one; then all of it mixed by seeds. Each message comes exactly once inside its session.

use std::collections::BTreeMap;

use sitepilot::broker::DoorEvent;

use crate::mqtt_raw::{House, name, say};
use crate::qos2_client::{Broken, Client, Cut, Order, STEPS};

/// Packets of one hand-shake: PUBLISH, PUBREC, PUBREL, PUBCOMP.
const PACKETS: usize = 4;

/// Which side publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

const WAYS: [Way; 2] = [Way::Up, Way::Down];

/// One try: so many messages one way, and the cuts it meets, one after the other.
#[derive(Debug, Clone, Copy)]
struct Round<'a> {
    way: Way,
    count: usize,
    order: Order,
    cuts: &'a [(usize, Cut)],
}

/// Every packet of that many hand-shakes, cut in every way.
fn every_cut(count: usize) -> impl Iterator<Item = (usize, Cut)> {
    (0..count * PACKETS).flat_map(|at| Cut::ALL.map(|how| (at, how)))
}

fn open() -> House {
    House::with(10_000, |_| {})
}

/// Numbers the clients, so that each has a session of its own, and counts.
struct Rounds<'a> {
    house: &'a House,
    played: usize,
    cuts: usize,
}

impl<'a> Rounds<'a> {
    fn new(house: &'a House) -> Self {
        Self { house, played: 0, cuts: 0 }
    }

    /// Plays a round up to its last cut; the client then has no link.
    fn play(&mut self, round: Round<'_>) -> (Client<'a>, Vec<String>) {
        self.played += 1;
        let mut client = Client::new(self.house, format!("P{}", self.played));
        client.connect(false);
        let messages: Vec<_> = (0..round.count).map(|index| format!("m{index}")).collect();
        for message in &messages {
            publish(self.house, &mut client, round.way, message);
        }
        for (index, (at, how)) in round.cuts.iter().enumerate() {
            if index > 0 {
                client.connect(true);
            }
            client.set_fuse(*at, *how);
            if exchange(&mut client, round).is_err() {
                self.cuts += 1;
            } else {
                // After the first cut there may be fewer packets left.
                assert!(index > 0, "not cut: {round:?}");
                client.drop_fuse();
                client.cut(*how);
            }
        }
        (client, messages)
    }

    /// Plays a round, heals the link, and looks at what came.
    fn keep(&mut self, round: Round<'_>) {
        let (mut client, messages) = self.play(round);
        client.connect(true);
        exchange(&mut client, round).expect("nothing cuts any more");
        let got = came(self.house, &client, round.way);
        assert_eq!(counted(&got), counted(&messages), "{round:?}");
        assert!(client.hear().expect("nothing cuts any more").is_empty(), "{round:?}");
    }

    /// Plays a round, then begins a new session: what was under way comes at most once, and what
    /// is published anew, with packet ids used before, exactly once.
    fn forget(&mut self, round: Round<'_>) {
        let (mut client, messages) = self.play(round);
        client.connect_anew();
        publish(self.house, &mut client, round.way, "fresh");
        let rest = Round { count: client.got.len() + 1, ..round };
        exchange(&mut client, rest).expect("nothing cuts any more");
        let counts = counted(&came(self.house, &client, round.way));
        assert_eq!(counts.get("fresh"), Some(&1), "{round:?}");
        for message in &messages {
            let count = counts.get(message).copied().unwrap_or(0);
            let least = usize::from(client.acknowledged.contains(message));
            assert!((least..=1).contains(&count), "{message} came {count} times: {round:?}");
        }
    }
}

fn publish(house: &House, client: &mut Client<'_>, way: Way, payload: &str) {
    match way {
        Way::Up => drop(client.say(payload.to_owned())),
        Way::Down => {
            let topic = format!("D/{}/x", client.name());
            house.doors.send(&name(client.name()), say(&topic, payload, 2)).unwrap();
        }
    }
}

fn exchange(client: &mut Client<'_>, round: Round<'_>) -> Result<(), Broken> {
    match round.way {
        Way::Up => client.speak(round.order),
        Way::Down => client.listen(round.count, round.order),
    }
}

/// What has come at the other end.
fn came(house: &House, client: &Client<'_>, way: Way) -> Vec<String> {
    let heard = heard(house, client.name());
    match way {
        Way::Up => heard,
        Way::Down => client.got.clone(),
    }
}

/// Payloads the site has got of a client; empties the inbox.
fn heard(house: &House, who: &str) -> Vec<String> {
    let payload = |event| match event {
        DoorEvent::Published { name, payload, .. } if &*name == who => {
            Some(String::from_utf8(payload.to_vec()).unwrap())
        }
        _ => None,
    };
    house.events.drain().filter_map(payload).collect()
}

fn counted(payloads: &[String]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for payload in payloads {
        *counts.entry(payload.clone()).or_default() += 1;
    }
    counts
}

#[test]
fn cut_once_at_every_packet() {
    let house = open();
    let mut rounds = Rounds::new(&house);
    for (way, order) in WAYS.into_iter().flat_map(|way| Order::ALL.map(|order| (way, order))) {
        for count in [1, 3] {
            for cut in every_cut(count) {
                rounds.keep(Round { way, count, order, cuts: &[cut] });
            }
        }
    }
    println!("{} rounds with one cut", rounds.played);
    // Ways, orders, packets of one and of three hand-shakes, cuts.
    assert_eq!((rounds.played, rounds.cuts), (2 * 2 * (4 + 12) * 4, 256));
    house.close().unwrap();
}

#[test]
fn cut_twice_at_every_pair_of_packets() {
    let house = open();
    let mut rounds = Rounds::new(&house);
    for way in WAYS {
        for count in [1, 2] {
            for first in every_cut(count) {
                for second in every_cut(count) {
                    let order = Order::Reversed;
                    rounds.keep(Round { way, count, order, cuts: &[first, second] });
                }
            }
        }
    }
    println!("{} rounds with two cuts at the most, {} cuts", rounds.played, rounds.cuts);
    assert_eq!(rounds.played, 2 * (16 * 16 + 32 * 32));
    assert!(rounds.cuts > rounds.played * 3 / 2);
    house.close().unwrap();
}

#[test]
fn cut_at_every_packet_and_begun_anew() {
    let house = open();
    let mut rounds = Rounds::new(&house);
    for way in WAYS {
        for count in [1, 3] {
            for cut in every_cut(count) {
                let order = Order::Straight;
                rounds.forget(Round { way, count, order, cuts: &[cut] });
            }
        }
    }
    println!("{} rounds with a cut and a new session", rounds.played);
    assert_eq!((rounds.played, rounds.cuts), (2 * (4 + 12) * 4, 128));
    house.close().unwrap();
}

/// A message, and what may become of it.
struct Asked {
    payload: String,
    way: Way,
    /// Its session has ended.
    is_left: bool,
}

/// Both directions at once, in any order, with everything that a link and a client may do.
struct Mix<'a> {
    house: &'a House,
    client: Client<'a>,
    random: fastrand::Rng,
    asked: Vec<Asked>,
    /// Answers the client has not given yet.
    owed: Vec<Vec<u8>>,
    cuts: usize,
}

impl<'a> Mix<'a> {
    fn new(house: &'a House, seed: u64) -> Self {
        let mut client = Client::new(house, format!("P{seed}"));
        client.connect(false);
        let random = fastrand::Rng::with_seed(seed);
        Self { house, client, random, asked: Vec::new(), owed: Vec::new(), cuts: 0 }
    }

    fn step(&mut self) {
        match self.random.u8(0..16) {
            0..=1 => self.publish(Way::Up),
            2..=3 => self.publish(Way::Down),
            4..=6 => self.push_one(),
            7..=10 => self.hear(),
            11..=14 => self.answer_one(),
            _ => self.cut(),
        }
    }

    fn publish(&mut self, way: Way) {
        let payload = format!("m{}", self.asked.len());
        publish(self.house, &mut self.client, way, &payload);
        self.asked.push(Asked { payload, way, is_left: false });
    }

    /// Also what was sent before: PUBLISH with DUP, PUBREL again.
    fn push_one(&mut self) {
        if let Some(id) = self.random.choice(self.client.under_way()) {
            self.client.push(id).expect("no fuse");
        }
    }

    fn hear(&mut self) {
        self.owed.extend(self.client.hear().expect("no fuse"));
    }

    /// In any order, and some of them twice.
    fn answer_one(&mut self) {
        if self.owed.is_empty() {
            return;
        }
        let index = self.random.usize(..self.owed.len());
        let answer = if self.random.u8(..4) == 0 {
            self.owed[index].clone()
        } else {
            self.owed.remove(index)
        };
        self.client.answer(&answer).expect("no fuse");
    }

    fn cut(&mut self) {
        self.cuts += 1;
        let how = self.random.choice(Cut::ALL).expect("there are some");
        self.client.cut(how);
        self.owed.clear();
        if self.random.u8(..5) > 0 {
            self.client.connect(true);
            return;
        }
        self.client.connect_anew();
        self.asked.iter_mut().for_each(|asked| asked.is_left = true);
    }

    /// From now on the link holds and everybody answers.
    fn heal(&mut self) {
        self.client.cut(Cut::After);
        self.client.connect(true);
        for _ in 0..STEPS {
            let answers = self.client.hear().expect("no fuse");
            if answers.is_empty() && self.client.is_idle() && self.has_all_downward() {
                return;
            }
            for answer in answers {
                self.client.answer(&answer).expect("no fuse");
            }
            for id in self.client.under_way() {
                self.client.push(id).expect("no fuse");
            }
        }
        panic!("never quiet");
    }

    fn has_all_downward(&self) -> bool {
        let got = counted(&self.client.got);
        let mut due = self.asked.iter().filter(|a| a.way == Way::Down && !a.is_left);
        due.all(|asked| got.contains_key(&asked.payload))
    }

    fn check(&self) {
        let up = counted(&heard(self.house, self.client.name()));
        let down = counted(&self.client.got);
        for Asked { payload, way, is_left } in &self.asked {
            let counts = if *way == Way::Up { &up } else { &down };
            let count = counts.get(payload).copied().unwrap_or(0);
            let is_due = !is_left || self.client.acknowledged.contains(payload);
            assert!((usize::from(is_due)..=1).contains(&count), "{payload} came {count} times");
        }
    }
}

#[test]
fn mixed_by_seeds() {
    let house = open();
    let (mut messages, mut cuts) = (0, 0);
    for seed in 1..=300 {
        let mut mix = Mix::new(&house, seed);
        for _ in 0..80 {
            mix.step();
        }
        mix.heal();
        mix.check();
        messages += mix.asked.len();
        cuts += mix.cuts;
    }
    println!("300 seeds: {messages} messages, {cuts} cuts");
    assert!(messages > 5000 && cuts > 1000, "{messages} {cuts}");
    house.close().unwrap();
}
