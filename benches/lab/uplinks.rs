//! What a second and a third uplink cost: syncs and bytes of an order, and memory of the site.

use std::{collections::VecDeque, path::Path, process::Command as Process};

use sitepilot::{
    domain::{
        event::UplinkEvent,
        id::{OrderSeq, PileCode, UplinkName},
        order::Order,
        time::{Mono, Now, Stamp},
    },
    ledger::{Ledger, Options},
    protocol::{
        charger::station::{self, ELEC_DATA_UNIT},
        ec, jcpp,
    },
    site::{
        Input, Site, SiteConfig, UplinkConfig, Wire, command::Command, entry::Entry, step::Step,
    },
};

use crate::{
    orders::{confirmed, ended, open_entry, opened, record_entry, settled, stamp, uplink},
    recording_vfs::{Counts, Recorder},
};

/// Orders before anything is measured, and orders measured.
const HISTORY: u64 = 10_000;
const MEASURED: u64 = 4_000;
/// Orders confirmed in one commit where a backlog is drained.
const DRAINED_AT_ONCE: usize = 100;
/// With this in the environment the program is one that only restores a site and fills its windows.
const CHILD: &str = "LEDGER_BENCH_UPLINKS";

/// The uplinks of a bench, the one that decides first.
fn wires(number: usize) -> Vec<(UplinkName, Wire)> {
    let station = station::Settings {
        revision: sitepilot::domain::wire::Revision::V1_10,
        part_number: "PART".to_owned(),
        serial: "SERIAL".to_owned(),
        vendor: "ACME".to_owned(),
        connectors: Default::default(),
        elec_data_unit: ELEC_DATA_UNIT,
    };
    let ec = ec::Settings {
        organisation: 1000,
        heartbeat_ms: 60_000,
        realtime_ms: 60_000,
        confirm: ec::Confirm::Tcp,
        resend_ms: 0,
        amount_includes_service: true,
    };
    let jcpp = jcpp::Settings {
        topic_prefix: "jcpp/uplink".to_owned(),
        protocol_name: "sitepilot".to_owned(),
        heartbeat_ms: 60_000,
        tags: Default::default(),
    };
    let all = [
        ("cloud", Wire::Charger(station)),
        ("parking", Wire::Ec(ec)),
        ("platform", Wire::Jcpp(jcpp)),
    ];
    all.map(|(name, wire)| (uplink(name), wire)).into_iter().take(number).collect()
}

/// How far a pile's order has come: opened, recorded, then confirmed by one uplink after the other.
struct Pile {
    order: Option<Order>,
    confirmed: usize,
}

/// Piles in closed loops, with one step of an order in flight each.
struct World {
    ledger: Ledger,
    recorder: Recorder,
    wires: Vec<(UplinkName, Wire)>,
    /// Of these uplinks, the others are down.
    up: usize,
    piles: Vec<Pile>,
    last_seq: u64,
    finished: u64,
    now_ms: u64,
}

impl World {
    fn new(dir: &Path, piles: usize, uplinks: usize) -> Self {
        let recorder = Recorder::counting();
        let options = Options { vfs: Some(recorder.name()), min_free_mb: 0, ..Options::default() };
        let (ledger, _) = Ledger::open(dir, options).unwrap();
        let wires = wires(uplinks);
        let idle = || Pile { order: None, confirmed: 0 };
        let mut world = Self {
            ledger,
            recorder,
            up: wires.len(),
            wires,
            piles: (0..200).map(|_| idle()).collect(),
            last_seq: 0,
            finished: 0,
            now_ms: 0,
        };
        world.run(HISTORY);
        world.finish();
        world.piles.truncate(piles);
        // Piles are not in step with each other.
        let steps = 2 + world.up;
        for behind in 1..steps {
            let from = world.piles.len() * behind / steps;
            let entries = (from..world.piles.len()).flat_map(|at| world.step(at)).collect();
            world.record(entries);
        }
        world.ledger.checkpoint().unwrap();
        world
    }

    fn record(&mut self, entries: Vec<Entry>) {
        self.ledger.record(&entries).unwrap();
    }

    /// The next step of a pile's order.
    fn step(&mut self, at: usize) -> Vec<Entry> {
        // Long enough that an order has a length in whole seconds.
        self.now_ms += 2_000;
        let now = stamp(self.now_ms);
        let Some(order) = self.piles[at].order.take() else {
            self.last_seq += 1;
            let order = opened(self.last_seq, u64::try_from(at).unwrap(), now);
            let entry = open_entry(&order);
            self.piles[at] = Pile { order: Some(order), confirmed: 0 };
            return vec![entry];
        };
        if order.ending.is_none() {
            let names: Vec<UplinkName> = self.wires.iter().map(|(name, _)| name.clone()).collect();
            let order = ended(&order, now, &names);
            let mut entries = vec![record_entry(&order)];
            entries.extend(self.wires[1..self.up].iter().map(|wire| frozen(&order, wire)));
            self.piles[at].order = Some(order);
            return entries;
        }
        let confirms = self.piles[at].confirmed;
        let mut entries = vec![confirmed(&order, &self.wires[confirms].0, now)];
        if confirms == 0 {
            entries.push(settled(&order, now));
        }
        self.piles[at].confirmed += 1;
        if self.piles[at].confirmed == self.up {
            self.finished += 1;
        } else {
            self.piles[at].order = Some(order);
        }
        entries
    }

    /// Commits with the next step of every pile, until so many orders more have gone all the way.
    fn run(&mut self, orders: u64) -> u64 {
        let from = self.finished;
        while self.finished - from < orders {
            let entries = (0..self.piles.len()).flat_map(|at| self.step(at)).collect();
            self.record(entries);
        }
        self.finished - from
    }

    /// Lets every order that runs end.
    fn finish(&mut self) {
        while self.piles.iter().any(|pile| pile.order.is_some()) {
            let busy = |world: &Self, at: &usize| world.piles[*at].order.is_some();
            let numbers: Vec<usize> = (0..self.piles.len()).filter(|at| busy(self, at)).collect();
            let entries = numbers.into_iter().flat_map(|at| self.step(at)).collect();
            self.record(entries);
        }
    }

    /// What a piece of work costs; what is in the log still has to be written to the file.
    fn measure(&mut self, work: impl FnOnce(&mut Self) -> u64) -> (Counts, u64) {
        let before = self.recorder.counts();
        let done = work(self);
        self.ledger.checkpoint().unwrap();
        (self.recorder.counts().since(before), done)
    }

    /// The last uplink has been down and gets these orders now, sent and confirmed in batches.
    fn drain(&mut self, orders: &[Order]) {
        let wire = self.wires.last().unwrap().clone();
        for batch in orders.chunks(DRAINED_AT_ONCE) {
            self.record(batch.iter().map(|order| frozen(order, &wire)).collect());
            self.now_ms += 2_000;
            let now = stamp(self.now_ms);
            self.record(batch.iter().map(|order| confirmed(order, &wire.0, now)).collect());
        }
    }
}

fn frozen(order: &Order, (name, wire): &(UplinkName, Wire)) -> Entry {
    // The order itself knows nothing of a tariff, and one in 500 charged nothing; of the right
    // length is what counts.
    let payload = wire.freeze(order).unwrap_or_else(|_| vec![0; 150].into());
    Entry::PayloadFrozen { seq: order.seq, uplink: name.clone(), payload }
}

fn costs() {
    let over = ended(&opened(1, 1, stamp(0)), stamp(2_000), &[]);
    for (name, wire) in wires(3) {
        let length = wire.freeze(&over).map_or(0, |payload| payload.len());
        println!("bytes of an order for {name}: {length}");
    }
    println!(
        "## Flash per order by the number of uplinks ({HISTORY} orders of 200 piles before)\n"
    );
    println!(
        "| piles | uplinks | commits with a step of it | syncs per order | bytes per order | ratio |"
    );
    println!("|--:|--:|--:|--:|--:|--:|");
    for (piles, orders) in [(1, 200), (200, MEASURED)] {
        let mut one = 0;
        for uplinks in 1..=3 {
            let dir = tempfile::tempdir().unwrap();
            let mut world = World::new(dir.path(), piles, uplinks);
            let (counts, done) = world.measure(|world| world.run(orders));
            let bytes = counts.bytes() / done;
            one = if uplinks == 1 { bytes } else { one };
            println!(
                "| {piles} | {uplinks} | {} | {:.3} | {bytes} | {:.2} |",
                2 + uplinks,
                counts.syncs as f64 / done as f64,
                bytes as f64 / one as f64,
            );
        }
    }
}

fn backlogs() {
    println!("\n## A backlog of the last uplink, drained {DRAINED_AT_ONCE} at a time\n");
    println!(
        "| uplinks | bytes per order while it is down | to drain it | syncs per drained order |"
    );
    println!("|--:|--:|--:|--:|");
    for uplinks in [2, 3] {
        let dir = tempfile::tempdir().unwrap();
        let mut world = World::new(dir.path(), 200, uplinks);
        world.finish();
        world.up -= 1;
        let first = world.last_seq + 1;
        let (down, recorded) = world.measure(|world| {
            let done = world.run(MEASURED);
            world.finish();
            done
        });
        let name = world.wires.last().unwrap().0.clone();
        let owed = owed(&world.ledger, &name, first);
        let number = u64::try_from(owed.len()).unwrap();
        let (counts, _) = world.measure(|world| {
            world.drain(&owed);
            0
        });
        println!(
            "| {uplinks} | {} | {} | {:.3} |",
            down.bytes() / recorded.max(number),
            counts.bytes() / number,
            counts.syncs as f64 / number as f64,
        );
    }
}

/// Orders from this one on that an uplink is owed, as they began.
fn owed(ledger: &Ledger, name: &UplinkName, first: u64) -> Vec<Order> {
    let mut all = ledger.reader().unwrap().list(&Default::default(), u16::MAX).unwrap();
    all.reverse();
    let is_owed = |order: &Order| order.delivery(name).is_some_and(|d| d.state.is_owed());
    all.into_iter().filter(|order| order.seq >= OrderSeq(first) && is_owed(order)).collect()
}

/// A ledger with so many orders that only the first uplink has.
fn lagging(dir: &Path, uplinks: usize, orders: u64) {
    let options = Options { min_free_mb: 0, ..Options::default() };
    let (mut ledger, _) = Ledger::open(dir, options).unwrap();
    let names: Vec<UplinkName> = wires(uplinks).into_iter().map(|(name, _)| name).collect();
    let numbers: Vec<u64> = (1..=orders).collect();
    for batch in numbers.chunks(500) {
        let entries = batch.iter().flat_map(|seq| {
            let (begin, end) = (stamp(seq * 2000), stamp(seq * 2000 + 1000));
            let over = ended(&opened(*seq, seq % 200, begin), end, &names);
            [record_entry(&over), confirmed(&over, &names[0], end), settled(&over, end)]
        });
        ledger.record(&entries.collect::<Vec<_>>()).unwrap();
    }
    ledger.checkpoint().unwrap();
}

fn memory() {
    println!(
        "\n## Resident memory of ledger and site, the windows of all but the first uplink full\n"
    );
    println!("| uplinks | orders that each of the others lacks | MB | more than with one |");
    println!("|--:|--:|--:|--:|");
    let mut one = 0;
    for (uplinks, orders) in [(1, 20_000), (2, 5_000), (2, 20_000), (3, 5_000), (3, 20_000)] {
        let dir = tempfile::tempdir().unwrap();
        lagging(dir.path(), uplinks, orders);
        let output = Process::new(std::env::current_exe().unwrap())
            .env(CHILD, format!("{uplinks} {}", dir.path().display()))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let kib: u64 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
        one = if uplinks == 1 { kib } else { one };
        let lacks = if uplinks == 1 { 0 } else { orders };
        let mb = |kib: u64| kib as f64 * 1024.0 / 1e6;
        println!("| {uplinks} | {lacks} | {:.1} | {:.1} |", mb(kib), mb(kib) - mb(one));
    }
}

fn config(wires: Vec<(UplinkName, Wire)>) -> SiteConfig {
    let uplinks = wires.into_iter().map(|(name, wire)| UplinkConfig {
        primary: name.as_str() == "cloud",
        required: name.as_str() == "cloud",
        name,
        wire,
        commands: false,
        answer_timeout_ms: 3_000,
        orders_since_s: None,
        max_orders_per_s: None,
    });
    SiteConfig {
        piles: std::collections::BTreeMap::<PileCode, _>::new(),
        uplinks: uplinks.collect(),
        meters: Vec::new(),
        heartbeat_interval_s: 30,
        interrupted_grace_ms: 3_600_000,
        undated_hold_ms: 0,
        stop_refused: false,
    }
}

/// Restores a site, brings all uplinks but the first up, and lets them send until their windows are
/// full; says how much memory that took.
fn child(task: &str) {
    let (uplinks, dir) = task.split_once(' ').unwrap();
    let options = Options { min_free_mb: 0, ..Options::default() };
    let (mut ledger, _) = Ledger::open(Path::new(dir), options).unwrap();
    let reader = ledger.reader().unwrap();
    let wires = wires(uplinks.parse().unwrap());
    let Stamp { wall, .. } = stamp(1_000_000_000);
    let mut now = Now { mono: Mono(1), wall };
    let image = ledger.load().unwrap();
    let others: Vec<UplinkName> = wires[1..].iter().map(|(name, _)| name.clone()).collect();
    let (mut site, step) = Site::restore(image, config(wires), now);
    let mut sent = 0_usize;
    let mut inputs: VecDeque<Input> = VecDeque::new();
    let mut take = |ledger: &mut Ledger, step: Step, inputs: &mut VecDeque<Input>| {
        for command in ledger.commit(step).unwrap() {
            match command {
                Command::Load(query) => {
                    let (orders, total) = reader.query(&query).unwrap();
                    inputs.push_back(Input::Loaded { query, orders, total });
                }
                Command::Uplink { .. } => sent += 1,
                _ => {}
            }
        }
    };
    take(&mut ledger, step, &mut inputs);
    site.refresh(&ledger.load().unwrap());
    for uplink in &others {
        let event = UplinkEvent::Connected;
        inputs.push_back(Input::Uplink { uplink: uplink.clone(), event });
    }
    // Windows are full long before.
    for _ in 0..100 {
        now.mono = now.mono.plus_ms(1_000);
        while let Some(input) = inputs.pop_front() {
            let step = site.step(input, now);
            take(&mut ledger, step, &mut inputs);
        }
        let step = site.step(Input::Tick, now);
        take(&mut ledger, step, &mut inputs);
    }
    assert!(sent >= others.len() * 1024, "{sent} messages for {} uplinks", others.len());
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    println!("{}", line.trim().trim_end_matches(" kB"));
}

/// What a second and a third uplink cost.
pub fn uplinks() {
    costs();
    backlogs();
    memory();
}

/// Does what another process of this bench wants measured; `false` if none does.
pub fn is_child() -> bool {
    let task = std::env::var(CHILD);
    task.as_deref().map(child).is_ok()
}
