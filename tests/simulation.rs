//! A site in a world that goes wrong: random reports, outages, power cuts and clock jumps against
//! a real ledger in virtual time; then everything heals and has to come to rest.
//!
//! `SITEPILOT_ROUNDS=5000 cargo test --release --test simulation -- --nocapture` plays more.

#![allow(missing_docs)]

#[path = "support/proto.rs"]
mod proto;
#[path = "support/scratch.rs"]
mod scratch;
#[path = "scenario/script.rs"]
mod script;
#[path = "scenario/show.rs"]
mod show;
#[path = "support/small_site.rs"]
mod small_site;
#[path = "scenario/spoken.rs"]
mod spoken;
#[path = "scenario/world.rs"]
mod world;

use sitepilot::domain::{
    order::{DeliveryState, Ending, Order},
    quantity::Energy,
    reading::Metering,
    reply::PileReply,
    time::Stamp,
};
use world::World;

const ROUNDS: u64 = 60;
const ACTS: u32 = 120;

/// An order as the pile keeps it.
#[derive(Debug, Clone)]
struct Kept {
    record: u32,
    plug: u16,
    started: u32,
    from: u32,
    to: u32,
    ended: Option<u32>,
    is_answered: bool,
}

/// The uplinks of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Uplinks {
    /// A cloud that decides and answers.
    Cloud,
    /// Beside it a server that answers nothing; its outages are its own.
    CloudAndServer,
    /// The same, and the server is taken out of the config and put back with the date of long ago.
    CloudAndGuest,
}

struct Player {
    world: World,
    uplinks: Uplinks,
    is_served: bool,
    /// The server is in the config.
    is_listed: bool,
    rng: fastrand::Rng,
    orders: Vec<Kept>,
    clock: u32,
    meter: u32,
    /// What the meter of the first connector really shows, in Wh.
    flown: u64,
    by_meter: u32,
    is_connected: bool,
    is_linked: bool,
    cuts: u32,
}

impl Player {
    fn new(seed: u64, uplinks: Uplinks) -> Self {
        let mut world = World::new();
        if uplinks != Uplinks::Cloud {
            world.run("uplink server joins kind=ec resend=10m rate=20");
        }
        world.run("meter M1 measures 11 max=100000000");
        world.run("power cut");
        Self {
            world,
            uplinks,
            is_served: false,
            is_listed: uplinks != Uplinks::Cloud,
            rng: fastrand::Rng::with_seed(seed),
            orders: Vec::new(),
            clock: 10,
            meter: 100_000,
            flown: 7_000_000,
            by_meter: 0,
            is_connected: false,
            is_linked: false,
            cuts: 0,
        }
    }

    fn say(&mut self, line: &str) {
        self.world.replies.clear();
        self.world.run(line);
        self.world.check();
    }

    /// The pile's clock is the site's.
    fn wait(&mut self, seconds: u32) {
        self.clock += seconds;
        self.say(&format!("wait {seconds}s"));
    }

    fn running(&self, plug: u16) -> Option<usize> {
        self.orders.iter().position(|order| order.plug == plug && order.ended.is_none())
    }

    fn act(&mut self) {
        let passed_s = self.rng.u32(1..20);
        self.wait(passed_s);
        let plug = self.rng.u16(1..=2);
        match self.rng.u8(0..29) {
            0..=3 => self.start(plug),
            4..=6 => self.progress(plug),
            7..=9 => self.stop(plug),
            10 => self.report_again(),
            11 => self.leave(),
            12..=13 => self.come(),
            14 => self.link_down(),
            15..=16 => self.link_up(),
            17 => self.power_cut(),
            18 => {
                self.clock += 86_400;
                self.say("clock jumps 1d");
            }
            19 => self.wait(35),
            20..=23 => self.read_meter(),
            24 => self.mistake_meter(),
            25 => self.replace_meter(),
            26 => self.wait(2),
            // Longer than an interrupted order waits for its pile.
            27 if self.rng.u8(0..3) == 0 => self.wait(3_700),
            _ => self.cloud(),
        }
        if self.uplinks == Uplinks::CloudAndGuest && self.rng.u8(0..15) == 0 {
            self.server_leaves_or_returns();
        }
        if self.is_listed {
            self.server();
        }
    }

    /// The server comes and goes, and its transport carries what it has got, in any order.
    fn server(&mut self) {
        match self.rng.u8(0..10) {
            0 => self.server_up(),
            1 if std::mem::take(&mut self.is_served) => self.say("server goes"),
            2..=5 if self.open_at_server() > 0 => {
                let which = ["oldest", "newest"][self.rng.usize(0..2)];
                self.say(&format!("server delivered which={which}"));
            }
            _ => {}
        }
    }

    fn server_leaves_or_returns(&mut self) {
        self.is_listed = !self.is_listed;
        let rate = self.rng.u8(5..50);
        self.say(&match self.is_listed {
            true => format!("uplink server joins kind=ec resend=10m rate={rate} since=-86400"),
            false => "uplink server leaves".to_owned(),
        });
        self.power_cut();
    }

    fn server_up(&mut self) {
        if !self.is_served {
            self.is_served = true;
            self.say("server connects");
        }
    }

    fn open_at_server(&self) -> usize {
        self.world.open_at("server", "order")
    }

    fn start(&mut self, plug: u16) {
        if !self.is_connected {
            return;
        }
        if let Some(at) = self.running(plug) {
            let line = start_line(&self.orders[at]);
            return self.say(&line);
        }
        // A pile whose memory was cleared begins at 1 again, at another time.
        let record = if self.rng.u8(0..10) == 0 {
            1
        } else {
            u32::try_from(self.orders.len()).expect("few") + 1
        };
        let order = Kept {
            record,
            plug,
            started: self.clock,
            from: self.meter,
            to: self.meter,
            ended: None,
            is_answered: false,
        };
        if self.rng.u8(0..4) != 0 {
            self.read_meter();
        }
        let line = start_line(&order);
        self.orders.push(order);
        self.say(&line);
    }

    fn read_meter(&mut self) {
        let (kwh, wh) = (self.flown / 1000, self.flown % 1000);
        self.say(&format!("meter M1: {kwh}.{wh:03} kWh"));
    }

    /// It does not answer, or shows less than it did, or what no installation can carry.
    fn mistake_meter(&mut self) {
        let line = match self.rng.u8(0..4) {
            0 => "meter M1: silent".to_owned(),
            1 => "meter M1: unusable".to_owned(),
            2 => format!("meter M1: {} kWh", self.flown / 2000),
            _ => "meter M1: 9999999999 kWh".to_owned(),
        };
        self.say(&line);
    }

    fn replace_meter(&mut self) {
        self.flown = self.rng.u64(0..1000);
        if self.rng.bool() {
            self.read_meter();
        }
        self.say("meter M1 replaced");
    }

    /// What a pile counts flows through the meter of its connector, a little more of it.
    fn flows(&mut self, plug: u16, most: std::ops::Range<u32>) {
        let wh = 10 * self.rng.u32(most);
        self.meter += wh;
        if plug == 1 {
            self.flown += u64::from(wh + wh / 50);
        }
    }

    fn progress(&mut self, plug: u16) {
        let Some(at) = self.running(plug) else { return };
        self.flows(plug, 1..50);
        self.orders[at].to = self.meter;
        if self.is_connected {
            let order = &self.orders[at];
            let line = format!(
                "pile progress record={} plug={plug} energy={}",
                order.record,
                order.to - order.from
            );
            self.say(&line);
        }
    }

    fn stop(&mut self, plug: u16) {
        let Some(at) = self.running(plug) else { return };
        self.flows(plug, 0..50);
        self.orders[at].to = self.meter;
        self.orders[at].ended = Some(self.clock);
        if !self.is_connected {
            return;
        }
        let order = self.orders[at].clone();
        let line = format!(
            "pile stop record={} plug={plug} meter={} end={} cost={}",
            order.record,
            order.to,
            self.clock,
            (order.to - order.from) / 10
        );
        self.say(&line);
        self.wait_for_answer(at, &line);
    }

    /// A report that waits for a reading: whatever comes, it is answered in two seconds, unless
    /// the pile or the controller goes before that.
    fn wait_for_answer(&mut self, at: usize, line: &str) {
        if self.is_answered() {
            return self.note_answer(at);
        }
        match self.rng.u8(0..8) {
            0 => {
                self.say(line);
                self.wait(2);
            }
            1 => {
                self.mistake_meter();
                self.wait(2);
            }
            2 => self.wait(2),
            3 => return self.leave(),
            4 => return self.power_cut(),
            _ => self.read_meter(),
        }
        if !self.is_answered() {
            self.wait(2);
        }
        self.note_answer(at);
    }

    /// A pile that missed an answer, or believes so, reports the whole order.
    fn report_again(&mut self) {
        let ended: Vec<usize> =
            (0..self.orders.len()).filter(|at| self.orders[*at].ended.is_some()).collect();
        if ended.is_empty() || !self.is_connected {
            return;
        }
        let at = ended[self.rng.usize(0..ended.len())];
        self.report(at);
    }

    fn report(&mut self, at: usize) {
        let order = self.orders[at].clone();
        let line = format!(
            "pile order record={} plug={} at={} start={} meter={} end={} cost={}",
            order.record,
            order.plug,
            order.started,
            order.from,
            order.to,
            order.ended.expect("ended"),
            (order.to - order.from) / 10
        );
        self.say(&line);
        self.wait_for_answer(at, &line);
    }

    fn is_answered(&self) -> bool {
        self.world
            .replies
            .iter()
            .any(|reply| matches!(reply, PileReply::Stop { .. } | PileReply::Transaction { .. }))
    }

    fn note_answer(&mut self, at: usize) {
        assert!(self.is_answered(), "an ended order is answered");
        self.orders[at].is_answered = true;
    }

    fn leave(&mut self) {
        if std::mem::take(&mut self.is_connected) {
            self.say("pile goes");
        }
    }

    fn come(&mut self) {
        if !self.is_connected {
            self.is_connected = true;
            self.say("pile connects");
            self.say("pile boots");
        }
    }

    fn link_down(&mut self) {
        if std::mem::take(&mut self.is_linked) {
            self.say("cloud goes");
        }
    }

    fn link_up(&mut self) {
        if !self.is_linked {
            self.is_linked = true;
            self.say("cloud connects");
            self.say("cloud confirms boot");
        }
    }

    fn power_cut(&mut self) {
        self.cuts += 1;
        self.is_connected = false;
        self.is_linked = false;
        self.is_served = false;
        self.say("power cut");
        self.check_books();
    }

    fn cloud(&mut self) {
        let kind = ["start", "stop", "order"][self.rng.usize(0..3)];
        if !self.is_linked || self.world.open_questions(kind) == 0 {
            return;
        }
        let line = match self.rng.u8(0..8) {
            0 => format!("cloud errors {kind} code=2"),
            1 => format!("cloud confirms {kind} id=wrong"),
            2 => format!("cloud confirms {kind} which=newest"),
            _ => format!("cloud confirms {kind} tx=T{}", self.rng.u32(1..1000)),
        };
        self.say(&line);
    }

    /// Both have it; but the server is not sent what it is known to drop.
    fn check_at_server(&self, order: &Order) {
        let states: Vec<_> =
            order.deliveries.iter().map(|at| (at.uplink.as_str(), at.state)).collect();
        let ending = order.ending.as_ref().expect("ended");
        let is_dropped = ending.energy.wh() == 0 || ending.ended_s <= order.started_s;
        let server = if is_dropped { DeliveryState::Retired } else { DeliveryState::Confirmed };
        assert_eq!(states, [("cloud", DeliveryState::Confirmed), ("server", server)]);
        assert_eq!(self.world.has_left("server", order), !is_dropped);
    }

    /// Every answered order is in the ledger, once, with the pile's figures.
    fn check_books(&self) {
        let ledger = self.world.ended();
        for kept in self.orders.iter().filter(|order| order.is_answered) {
            let same: Vec<_> = ledger.iter().filter(|order| is_same(order, kept)).collect();
            assert_eq!(same.len(), 1, "{kept:?} is on record once");
            let ending = same[0].ending.as_ref().expect("ended");
            let billed = same[0].metering.as_ref().and_then(Metering::billed);
            if let Some((start, stop)) = billed {
                check_bill(ending, start.energy, stop.energy);
            } else if !same[0].flags.estimated {
                check_bill(ending, wh(kept.from), wh(kept.to));
            }
        }
        check_no_energy_twice(&ledger);
    }

    fn heal(&mut self) {
        self.come();
        for plug in 1..=2 {
            self.stop(plug);
        }
        for at in 0..self.orders.len() {
            // While a report waits for a reading, the pile or the power may go once more.
            for _ in 0..100 {
                if self.orders[at].is_answered {
                    break;
                }
                self.come();
                self.report(at);
            }
        }
        if self.uplinks == Uplinks::CloudAndGuest && !self.is_listed {
            self.server_leaves_or_returns();
        }
        self.link_up();
        if self.is_listed {
            self.server_up();
        }
        for _ in 0..200 {
            while self.open_at_server() > 0 {
                self.say("server delivered");
            }
            for kind in ["start", "stop", "order"] {
                while self.world.open_questions(kind) > 0 {
                    self.say(&format!("cloud confirms {kind}"));
                }
            }
            let owed: u64 = self.world.snapshot().uplinks.iter().map(|at| at.backlog).sum();
            if self.world.unsettled() + owed == 0 {
                return;
            }
            self.wait(61);
        }
        panic!("{} orders never settle, or somebody never gets all", self.world.unsettled());
    }

    fn check_rest(&mut self) {
        self.check_books();
        let ledger = self.world.ended();
        assert_eq!(ledger.len(), self.orders.len(), "the ledger has the pile's orders, no others");
        for order in &ledger {
            let settled = self.world.settled.get(&order.seq).copied().unwrap_or(0);
            assert_eq!(settled, 1, "order #{} settles once", order.seq.0);
            if self.is_listed {
                self.check_at_server(order);
            }
            let billed = order.metering.as_ref().and_then(Metering::billed);
            if !order.flags.estimated && billed.is_some() {
                self.by_meter += 1;
            }
        }
    }
}

/// Plays worlds of a kind; gives orders, power cuts and orders billed by the meter.
fn play(rounds: u64, uplinks: Uplinks) -> (usize, u32, u32) {
    let (mut orders, mut cuts, mut by_meter) = (0, 0, 0);
    for seed in 0..rounds {
        let outcome = std::panic::catch_unwind(|| {
            let mut player = Player::new(seed, uplinks);
            for _ in 0..ACTS {
                player.act();
            }
            player.heal();
            player.check_rest();
            (player.orders.len(), player.cuts, player.by_meter)
        });
        let (settled, happened, metered) = outcome.unwrap_or_else(|_| panic!("seed {seed} fails"));
        orders += settled;
        cuts += happened;
        by_meter += metered;
    }
    (orders, cuts, by_meter)
}

fn rounds() -> u64 {
    std::env::var("SITEPILOT_ROUNDS").map_or(ROUNDS, |n| n.parse().expect("a number"))
}

fn wh(wh: u32) -> Energy {
    Energy::from_wh(wh.into())
}

/// All figures are the meter's, or all are the pile's.
fn check_bill(ending: &Ending, start: Energy, stop: Energy) {
    let (start, stop) = (start.rounded_10_wh(), stop.rounded_10_wh());
    assert_eq!((ending.meter_start, ending.meter_stop), (Some(start), Some(stop)));
    assert_eq!(Some(ending.energy), stop.since(start));
}

/// What the meter counted is in one order at most.
fn check_no_energy_twice(orders: &[Order]) {
    let billed = orders.iter().filter_map(|order| order.metering.as_ref()?.billed());
    let place = |at: Stamp| (at.boot, at.mono);
    let mut spans: Vec<_> = billed.map(|(start, stop)| (place(start.at), place(stop.at))).collect();
    spans.sort_unstable();
    assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{spans:?}");
}

fn start_line(order: &Kept) -> String {
    format!(
        "pile start record={} plug={} meter={} at={}",
        order.record, order.plug, order.from, order.started
    )
}

fn is_same(order: &sitepilot::domain::order::Order, kept: &Kept) -> bool {
    order.key.record.as_str() == kept.record.to_string()
        && order.meter_start.map(|meter| meter.wh()) == Some(u64::from(kept.from))
        && order.key.started.0 == 1_767_225_600 + i64::from(kept.started)
}

#[test]
fn whatever_happens_every_answered_order_settles_once() {
    let rounds = rounds();
    let (orders, cuts, by_meter) = play(rounds, Uplinks::Cloud);
    assert!(orders > 0 && cuts > 0 && by_meter > 0, "something happened");
    println!("{rounds} rounds, {orders} orders settled once, {cuts} power cuts");
    println!("{by_meter} orders were billed by the meter");
}

/// The world of the cloud and the server: whatever either misses, both have every order in the end.
/// That all copies of an order are the same is checked at each sending.
#[test]
fn two_uplinks_with_outages_of_their_own_get_every_order() {
    let rounds = rounds() / 2;
    let (orders, cuts, _) = play(rounds, Uplinks::CloudAndServer);
    assert!(orders > 0 && cuts > 0, "something happened");
    println!("{rounds} rounds, {orders} orders at both uplinks, {cuts} power cuts");
}

/// The server is missing from the config now and then; what was recorded meanwhile it gets by its
/// date, once.
#[test]
fn an_uplink_that_leaves_and_comes_back_gets_every_order() {
    let rounds = rounds() / 4;
    let (orders, cuts, _) = play(rounds, Uplinks::CloudAndGuest);
    assert!(orders > 0 && cuts > 0, "something happened");
    println!("{rounds} rounds, {orders} orders at both uplinks, {cuts} power cuts");
}
