#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use super::*;
use crate::{
    domain::{
        connector::PileKind,
        event::{OperatorRequest, PileRequest},
        id::{ConnectionId, ConnectorNo, RequestId},
        reply::{PileReply, ToPile},
        wire::{Original, Revision},
    },
    protocol::charger::station,
    site::{
        Lookup, PileConfig, UplinkConfig, Wire,
        command::Command,
        entry::Entry,
        restore::{Enlisted, Image, Owed},
        step::Released,
    },
};

/// A memory that keeps entries and does as it is told.
#[derive(Default)]
struct FakeMemory {
    script: Arc<Script>,
}

#[derive(Default)]
struct Script {
    /// What the next commits with entries give; then all is well.
    outcomes: Mutex<Vec<MemoryError>>,
    kept: Mutex<Vec<Entry>>,
    /// What was there before the entries.
    image: Mutex<Image>,
    /// Since the site began.
    loads: Mutex<u32>,
    commands: Mutex<Vec<Command>>,
    cuts: Mutex<u32>,
    is_full: Mutex<bool>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Memory for FakeMemory {
    fn load(&mut self) -> Result<Image, MemoryError> {
        *lock(&self.script.loads) += 1;
        let mut image = lock(&self.script.image).clone();
        for entry in lock(&self.script.kept).clone() {
            match entry {
                Entry::UplinkEnlisted { uplink, kind, since_s, .. } => {
                    image.enlisted.insert(uplink, Enlisted { kind, since_s });
                }
                Entry::RequiredChanged { uplinks, .. } => image.required = Some(uplinks),
                Entry::UplinkRetired { uplink, .. } => {
                    image.unclosed.remove(&uplink);
                    image.owed.remove(&uplink);
                    image.unsettled = 0;
                }
                _ => {}
            }
        }
        Ok(image)
    }

    fn lookup(&mut self, what: &Lookup) -> Result<Vec<crate::domain::order::Order>, MemoryError> {
        match what {
            Lookup::Record { record, .. } if record.as_str() == "sick" => {
                Err(MemoryError::Sick("the disk is gone".to_owned()))
            }
            _ => Ok(Vec::new()),
        }
    }

    fn commit(&mut self, step: Step) -> Result<Released, MemoryError> {
        step.commit_with(|entries| {
            if entries.is_empty() {
                return Ok(());
            }
            let mut outcomes = lock(&self.script.outcomes);
            if !outcomes.is_empty() {
                return Err(outcomes.remove(0));
            }
            lock(&self.script.kept).extend_from_slice(entries);
            Ok(())
        })
    }

    fn is_full(&self) -> bool {
        *lock(&self.script.is_full)
    }

    fn do_chores(&mut self, _now: Now) -> Result<Chores, MemoryError> {
        Ok(Chores::default())
    }

    fn close(&mut self) -> Result<(), MemoryError> {
        Ok(())
    }
}

struct Recorder(Arc<Script>);

impl Outside for Recorder {
    fn carry_out(&mut self, command: Command) {
        lock(&self.0.commands).push(command);
    }

    fn cut_piles(&mut self) {
        *lock(&self.0.cuts) += 1;
    }
}

fn pile() -> PileCode {
    PileCode::new("3101150012000001").unwrap()
}

fn config() -> SiteConfig {
    let connectors = vec![ConnectorNo::new(1).unwrap()];
    let revision = Revision::V1_10;
    let station = station::Settings {
        revision,
        part_number: "P".to_owned(),
        serial: "S".to_owned(),
        vendor: "V".to_owned(),
        elec_data_unit: station::ELEC_DATA_UNIT,
        connectors: BTreeMap::new(),
    };
    let uplink = UplinkConfig {
        name: UplinkName::new("cloud").unwrap(),
        wire: Wire::Charger(station),
        primary: true,
        commands: true,
        required: true,
        answer_timeout_ms: 1000,
        orders_since_s: None,
        max_orders_per_s: None,
    };
    SiteConfig {
        piles: BTreeMap::from([(pile(), PileConfig { revision, kind: PileKind::Dc, connectors })]),
        uplinks: vec![uplink],
        meters: Vec::new(),
        heartbeat_interval_s: 60,
        interrupted_grace_ms: 1000,
        undated_hold_ms: 1000,
        stop_refused: false,
    }
}

struct Rig {
    heart: Heart<FakeMemory, Recorder>,
    script: Arc<Script>,
    dir: tempfile::TempDir,
}

impl Rig {
    fn new() -> Self {
        Self::with(Image::default()).unwrap()
    }

    fn with(image: Image) -> Result<Self, HeartError> {
        let dir = tempfile::tempdir().unwrap();
        let script = Arc::new(Script { image: Mutex::new(image), ..Script::default() });
        let (_, inbox) = flume::bounded(1);
        let parts = Parts {
            memory: FakeMemory { script: script.clone() },
            outside: Recorder(script.clone()),
            config: config(),
            clock: Arc::new(Clock::passing()),
            inbox,
            pulse: Arc::new(Pulse::default()),
            data_dir: dir.path().to_owned(),
        };
        let heart = Heart::start(parts)?;
        *lock(&script.loads) = 0;
        Ok(Self { heart, script, dir })
    }

    /// The answers piles have got since the last time.
    fn answers(&self) -> Vec<PileReply> {
        let commands = std::mem::take(&mut *lock(&self.script.commands));
        let answer = |command| match command {
            Command::Pile { message: ToPile::Answer { reply, .. }, .. } => Some(reply),
            _ => None,
        };
        commands.into_iter().filter_map(answer).collect()
    }

    fn aside(&self) -> usize {
        std::fs::read_dir(self.dir.path().join("set-aside")).map_or(0, Iterator::count)
    }
}

fn connected() -> Input {
    let event = PileEvent::Connected { connection: ConnectionId(1), address: String::new() };
    Input::Pile { pile: pile(), event, known: Vec::new() }
}

fn asks(request: PileRequest) -> Input {
    let id = RequestId { connection: ConnectionId(1), sequence: 9 };
    Input::Pile { pile: pile(), event: PileEvent::Requested { id, request }, known: Vec::new() }
}

fn original() -> Original {
    Original { revision: Revision::V1_10, code: 1, body: bytes::Bytes::new() }
}

fn boots() -> Input {
    asks(PileRequest::Boot { nameplate: Box::default(), original: original() })
}

fn whole_order(record: &str) -> Input {
    use crate::domain::{
        id::{PlugNo, RecordNo},
        order::{EndKind, EndReport},
        quantity::{Energy, Money},
        time::PileTime,
    };
    asks(PileRequest::End(EndReport {
        record: RecordNo::new(record).unwrap(),
        plug: Some(PlugNo(1)),
        card: None,
        token: None,
        started: PileTime::from_unix_s(1_767_225_600),
        kind: EndKind::Whole,
        meter_start: Some(Energy::from_wh(1000)),
        meter_stop: Some(Energy::from_wh(3000)),
        ended: PileTime::from_unix_s(1_767_229_200),
        cost: Some(Money::from_fen(200)),
        reason: 0,
        original: original(),
    }))
}

#[test]
fn an_order_is_answered_once_it_is_committed() {
    let mut rig = Rig::new();
    rig.heart.turn(vec![connected(), boots(), whole_order("1")]).unwrap();
    let answers = rig.answers();
    assert!(matches!(answers[..], [PileReply::Boot { .. }, PileReply::Transaction { .. }]));
    let kept = lock(&rig.script.kept);
    assert!(kept.iter().any(|entry| matches!(entry, Entry::OrderRecorded(_))), "{kept:?}");
}

#[test]
fn a_full_store_answers_nothing_restores_memory_and_makes_piles_come_again() {
    let mut rig = Rig::new();
    rig.heart.turn(vec![connected(), boots()]).unwrap();
    rig.answers();
    lock(&rig.script.outcomes).push(MemoryError::Full);
    *lock(&rig.script.is_full) = true;
    rig.heart.turn(vec![whole_order("1")]).unwrap();
    assert_eq!(rig.answers(), [], "nothing is promised");
    assert_eq!((*lock(&rig.script.loads), *lock(&rig.script.cuts)), (1, 1));
    assert!(rig.heart.site.snapshot(Now::default()).is_storage_full);

    // What the cut connection said before it went is not heard; after the new boot all is well.
    rig.heart.turn(vec![whole_order("1")]).unwrap();
    assert_eq!(rig.answers(), []);
    rig.heart.turn(vec![connected(), boots(), whole_order("1")]).unwrap();
    assert!(matches!(rig.answers().last(), Some(PileReply::Transaction { .. })));
    *lock(&rig.script.is_full) = false;
    rig.heart.turn(vec![whole_order("2")]).unwrap();
    assert!(!rig.heart.site.snapshot(Now::default()).is_storage_full);
}

#[test]
fn a_pile_that_was_admitted_is_known_to_the_restored_site() {
    let mut rig = Rig::new();
    let admitted = PileCode::new("3101150012000002").unwrap();
    let connectors = vec![ConnectorNo::new(7).unwrap()];
    let config = PileConfig { revision: Revision::V1_0, kind: PileKind::Dc, connectors };
    rig.heart.turn(vec![Input::PileAdmitted { pile: admitted, config }]).unwrap();
    let has_it = |rig: &Rig| {
        let piles = rig.heart.site.snapshot(Now::default()).piles;
        piles.iter().any(|pile| pile.code == admitted && pile.connectors[0].connector.get() == 7)
    };
    assert!(has_it(&rig));
    lock(&rig.script.outcomes).push(MemoryError::Full);
    rig.heart.turn(vec![connected(), boots(), whole_order("1")]).unwrap();
    assert_eq!(*lock(&rig.script.loads), 1, "restored");
    assert!(has_it(&rig));
    let stations = &rig.heart.parts.config.uplinks[0].wire.station().unwrap().connectors;
    assert_eq!(stations.values().collect::<Vec<_>>(), [&(admitted, 1)]);
}

#[test]
fn an_uplink_that_is_up_is_told_again_to_the_restored_site() {
    let mut rig = Rig::new();
    let uplink = UplinkName::new("cloud").unwrap();
    rig.heart
        .turn(vec![connected(), boots(), Input::Uplink { uplink, event: UplinkEvent::Connected }])
        .unwrap();
    lock(&rig.script.outcomes).push(MemoryError::Full);
    rig.heart.turn(vec![whole_order("1")]).unwrap();
    assert_eq!(rig.heart.site.snapshot(Now::default()).uplinks[0].state, "booting");
}

#[test]
fn an_uplink_that_is_retired_is_out_of_the_counts_at_once() {
    let old = UplinkName::new("old").unwrap();
    let owed = Owed { orders: 3, oldest_unix_ms: Some(0) };
    let image = Image {
        unsettled: 3,
        owed: BTreeMap::from([(old.clone(), owed)]),
        unclosed: [old.clone()].into(),
        ..Image::default()
    };
    let mut rig = Rig::with(image).unwrap();
    let before = rig.heart.site.snapshot(Now::default());
    assert_eq!((before.unsettled, before.uplinks[1].backlog), (3, 3));
    assert_eq!(before.uplinks[1].state, "removed");
    let alarms: Vec<&str> = before.alarms.iter().map(|(kind, _)| kind.name()).collect();
    assert!(alarms.contains(&"uplink_removed"), "{alarms:?}");

    let request = OperatorRequest::RetireUplink { uplink: old };
    rig.heart.turn(vec![Input::Operator { ticket: 1, request, known: Vec::new() }]).unwrap();
    let after = rig.heart.site.snapshot(Now::default());
    assert_eq!((after.unsettled, after.uplinks.len()), (0, 1));
    assert!(after.alarms.iter().all(|(kind, _)| kind.name() != "uplink_removed"));
    assert_eq!(*lock(&rig.script.cuts), 0, "no pile is sent away for it");
}

#[test]
fn a_name_that_belongs_to_an_uplink_of_another_wire_is_refused_at_the_start() {
    let name = UplinkName::new("cloud").unwrap();
    let enlisted = Enlisted { kind: "ec".to_owned(), since_s: None };
    let image = Image { enlisted: BTreeMap::from([(name, enlisted)]), ..Image::default() };
    let error = Rig::with(image).err().unwrap();
    assert!(matches!(error, HeartError::Clashes(_)));
    let text = error.to_string();
    assert!(text.contains("uplink cloud is of kind charger") && text.contains("hint:"), "{text}");
}

#[test]
fn a_contradiction_is_set_aside_and_a_sick_store_ends_the_program() {
    let mut rig = Rig::new();
    rig.heart.turn(vec![connected(), boots()]).unwrap();
    lock(&rig.script.outcomes).push(MemoryError::Contradiction("twice".to_owned()));
    rig.heart.turn(vec![whole_order("1")]).unwrap();
    assert_eq!(rig.aside(), 1);
    rig.heart.turn(vec![connected(), boots()]).unwrap();
    lock(&rig.script.outcomes).push(MemoryError::Sick("bad sector".to_owned()));
    let error = rig.heart.turn(vec![whole_order("2")]).unwrap_err();
    assert!(error.to_string().contains("bad sector"), "{error}");
    assert!(rig.heart.turn(vec![connected(), boots(), whole_order("sick")]).is_err());
}

#[test]
fn a_store_that_stays_full_ends_the_program_instead_of_turning_for_ever() {
    let mut rig = Rig::new();
    rig.heart.turn(vec![connected(), boots()]).unwrap();
    lock(&rig.script.outcomes).extend(vec![MemoryError::Full; 100]);
    let turns = (0..).map(|_| rig.heart.turn(vec![connected(), boots(), whole_order("1")]));
    let failed = turns.take(10).position(|turn| turn.is_err());
    assert!(failed.is_some_and(|turns| turns < 3), "{failed:?}");
}

#[test]
fn a_panic_in_a_step_sets_the_input_aside_and_spares_the_rest() {
    let mut rig = Rig::new();
    rig.heart.turn(vec![connected(), boots()]).unwrap();
    rig.answers();
    rig.heart.decide = |site, input, now| {
        let is_bad = format!("{input:?}").contains("RecordNo(\"bad\")");
        assert!(!is_bad, "as ordered by the test");
        site.step(input, now)
    };
    let batch = vec![whole_order("1"), whole_order("bad"), connected(), boots(), whole_order("2")];
    rig.heart.turn(batch).unwrap();
    let answers = rig.answers();
    let transactions =
        answers.iter().filter(|reply| matches!(reply, PileReply::Transaction { .. })).count();
    assert_eq!(transactions, 2, "before and after the bad one: {answers:?}");
    assert_eq!((rig.aside(), rig.heart.parts.pulse.panics()), (1, 1));
    assert_eq!((*lock(&rig.script.loads), *lock(&rig.script.cuts)), (1, 1));
}
