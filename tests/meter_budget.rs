//! What meters cost the flash: bytes and commits of a quarter of a day, times four.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "support/small_site.rs"]
mod small_site;

use bytes::Bytes;
use sitepilot::{
    domain::{
        connector::PileKind,
        event::{PileEvent, PileRequest},
        id::{ConnectionId, ConnectorNo, MeterName, PlugNo, RecordNo, RequestId},
        order::{EndKind, EndReport, StartReport},
        quantity::Energy,
        reading::{Measures, MeterEvent, Values},
        time::{ClockQuality, Mono, Now, PileTime, Wall},
        wire::{Original, Revision},
    },
    ledger::{Ledger, Options},
    site::{CURVE_MS, Input, KEEP_MS, MeterConfig, PileConfig, Site, SiteConfig},
};

const CONNECTORS: u16 = 8;
const BEGIN_MS: i64 = 1_767_225_600_000;
const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
const HOURS: u64 = 6;

/// Between two readings of a meter.
const READ_MS: u64 = 10_000;

/// An order lasts fifty minutes, and the next one begins ten minutes later.
const ORDER_MS: u64 = 3_000_000;

/// Bytes that meters may add to a day of eight connectors that charge around the clock.
const MOST_BYTES: u64 = 24_000_000;

/// Bytes of a day on which nobody charges.
const MOST_IDLE_BYTES: u64 = 3_000_000;

#[derive(Debug, Default, Clone, Copy)]
struct Cost {
    commits: u64,
    bytes: u64,
}

struct Day {
    _dir: tempfile::TempDir,
    ledger: Ledger,
    site: Site,
    begun: u64,
    commits: u64,
    energy: Vec<u64>,
    record: u32,
}

fn now(ms: u64) -> Now {
    let wall = Wall { unix_ms: BEGIN_MS + ms.cast_signed(), quality: ClockQuality::Synced };
    Now { mono: Mono(ms), wall }
}

fn meter(connector: u16) -> MeterName {
    MeterName::new(&format!("M{connector}")).unwrap()
}

fn config(meters: u16) -> SiteConfig {
    let connectors: Vec<ConnectorNo> = (1..=CONNECTORS).filter_map(ConnectorNo::new).collect();
    let of_connector = |connector: u16| MeterConfig {
        name: meter(connector),
        measures: Measures::Connector(ConnectorNo::new(connector).unwrap()),
        stale_after_ms: 30_000,
        max_power_w: 350_000,
        tolerance_permille: 30,
        tolerance: Energy::from_wh(100),
        report_interval_ms: 60_000,
    };
    SiteConfig {
        piles: [(
            small_site::pile(),
            PileConfig { revision: Revision::V1_10, kind: PileKind::Dc, connectors },
        )]
        .into(),
        uplinks: Vec::new(),
        meters: (1..=meters).map(of_connector).collect(),
        ..small_site::config(Revision::V1_10, Revision::V1_10)
    }
}

impl Day {
    fn new(meters: u16) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { min_free_mb: 0, ..Options::default() };
        let (mut ledger, _) = Ledger::open(dir.path(), options).unwrap();
        let (site, step) = Site::restore(ledger.load().unwrap(), config(meters), now(0));
        drop(ledger.commit(step).unwrap());
        let begun = ledger.stats(BEGIN_MS).unwrap().written_bytes.expect("the kernel counts them");
        let energy = vec![1_000_000; usize::from(CONNECTORS)];
        let mut day = Self { _dir: dir, ledger, site, begun, commits: 0, energy, record: 0 };
        let (connection, address) = (ConnectionId(1), String::new());
        day.pile(PileEvent::Connected { connection, address }, 0);
        let boot = PileRequest::Boot { nameplate: Box::default(), original: original() };
        day.ask(boot, 0);
        day
    }

    fn step(&mut self, input: Input, ms: u64) {
        let step = self.site.step(input, now(ms));
        self.commits += u64::from(!step.entries().is_empty());
        drop(self.ledger.commit(step).unwrap());
    }

    fn pile(&mut self, event: PileEvent, ms: u64) {
        self.step(Input::Pile { pile: small_site::pile(), event, known: Vec::new() }, ms);
    }

    fn ask(&mut self, request: PileRequest, ms: u64) {
        let id = RequestId { connection: ConnectionId(1), sequence: ms };
        self.pile(PileEvent::Requested { id, request }, ms);
    }

    fn read(&mut self, connector: u16, ms: u64) {
        let energy = Energy::from_wh(self.energy[usize::from(connector) - 1]);
        let values = Values { energy_import: Some(energy), ..Values::default() };
        let event = MeterEvent::Read { values, at: Mono(ms) };
        self.step(Input::Meter { meter: meter(connector), event }, ms);
    }

    fn start(&mut self, plug: u16, ms: u64) {
        self.record += 1;
        let report = StartReport {
            record: RecordNo::new(&format!("{plug}-{}", ms / HOUR_MS)).unwrap(),
            plug: PlugNo(plug),
            card: None,
            token: None,
            meter: Some(Energy::from_wh(0)),
            at: PileTime::Known(now(ms).wall.unix_s()),
            original: original(),
        };
        self.ask(PileRequest::Start(report), ms);
    }

    fn stop(&mut self, plug: u16, ms: u64) {
        let report = EndReport {
            record: RecordNo::new(&format!("{plug}-{}", ms / HOUR_MS)).unwrap(),
            plug: Some(PlugNo(plug)),
            card: None,
            token: None,
            started: PileTime::Unknown,
            kind: EndKind::Stop,
            meter_start: None,
            meter_stop: Some(Energy::from_wh(50_000)),
            ended: PileTime::Known(now(ms).wall.unix_s()),
            cost: None,
            reason: 1,
            original: original(),
        };
        self.ask(PileRequest::End(report), ms);
    }

    /// Every connector is read, charges if it shall, and draws a little in any case.
    fn play(mut self, meters: u16, charges: bool) -> Cost {
        for ms in (0..HOURS * HOUR_MS).step_by(1_000) {
            let connector = u16::try_from(ms / 1_000 % (READ_MS / 1_000) + 1).unwrap();
            if connector > CONNECTORS {
                continue;
            }
            let since = (ms / 1_000 * 1_000) % HOUR_MS;
            let is_first = since < READ_MS;
            let is_last = (ORDER_MS..ORDER_MS + READ_MS).contains(&since);
            if charges && is_first {
                self.start(connector, ms);
            }
            if charges && is_last {
                self.stop(connector, ms);
            }
            let wh = if charges && since < ORDER_MS { 170 } else { 1 };
            self.energy[usize::from(connector) - 1] += wh;
            if connector <= meters {
                self.read(connector, ms);
            }
        }
        self.ledger.checkpoint().unwrap();
        let written = self.ledger.stats(BEGIN_MS).unwrap().written_bytes.unwrap();
        let a_day = DAY_MS / (HOURS * HOUR_MS);
        Cost { commits: self.commits * a_day, bytes: (written - self.begun) * a_day }
    }
}

#[test]
fn meters_write_no_more_than_their_budget() {
    let without = Day::new(0).play(0, true);
    let with = Day::new(CONNECTORS).play(CONNECTORS, true);
    let idle = Day::new(CONNECTORS).play(CONNECTORS, false);
    let (commits, bytes) = (with.commits - without.commits, with.bytes - without.bytes);
    println!("a day of {CONNECTORS} connectors, without meters: {without:?}, with: {with:?}");
    println!("meters add {commits} commits, {bytes} bytes; idle: {idle:?}");
    // Start and stop go with the order; what the stop waited for is not written.
    let connectors = u64::from(CONNECTORS);
    let orders = connectors * DAY_MS / HOUR_MS;
    let between = orders * (ORDER_MS / CURVE_MS);
    assert!(commits <= between + orders, "{commits} commits, {between} samples");
    assert!(commits >= between - orders, "the samples were taken");
    assert!(bytes <= MOST_BYTES, "{bytes} bytes");
    let once_an_hour = connectors * (DAY_MS / KEEP_MS);
    assert!(idle.commits <= once_an_hour + connectors, "{} commits", idle.commits);
    assert!(idle.commits >= once_an_hour / 2, "readings were kept");
    assert!(idle.bytes <= MOST_IDLE_BYTES, "{} bytes", idle.bytes);
}

fn original() -> Original {
    Original { revision: Revision::V1_10, code: 18, body: Bytes::from_static(&[0; 80]) }
}
