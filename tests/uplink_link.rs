//! An uplink against a cloud made of the project's own doors.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use prost::Message as _;
use sitepilot::{
    broker::{
        Access, DoorEvent, Doors, DoorsConfig, Filter, Identity, Login as DoorLogin, LoginRefused,
        Outgoing, Registry, Route, To,
    },
    domain::{
        event::{UplinkAnswer, UplinkEvent},
        id::{Sequence, UplinkName},
        reply::{ToUplink, UplinkMessage, Urgency},
        time::Now,
        wire::Revision,
    },
    protocol::charger::{station, wire::v1_10},
    site::Input,
    uplink::{Account, Accounts, Broker, Counters, Link, Login, Outbox, Settings, Ties},
};
use tokio::{sync::watch, task::JoinSet, time::timeout};

const PATIENCE: Duration = Duration::from_secs(20);

/// Logins the cloud knows.
#[derive(Default)]
struct Logins(Mutex<BTreeMap<String, String>>);

impl Registry for Logins {
    fn login(&self, login: &DoorLogin<'_>) -> Result<Identity, LoginRefused> {
        let known = self.0.lock().unwrap();
        let name = login.username.unwrap_or_default();
        let is_good = known.get(name).map(String::as_bytes) == login.password;
        assert_eq!(login.client_id, "PART-SERIAL");
        let all = || vec![Filter::new("#").unwrap()];
        is_good
            .then(|| Identity {
                name: name.to_owned(),
                route: Route::Host,
                access: Access { publish: all(), subscribe: all() },
            })
            .ok_or_else(|| LoginRefused("unknown".to_owned()))
    }
}

/// Accounts in memory; what was issued.
#[derive(Default)]
struct Kept(Mutex<Vec<Account>>);

impl Accounts for Kept {
    fn find(&self, _uplink: &UplinkName) -> Option<Account> {
        self.0.lock().unwrap().last().cloned()
    }

    fn keep(&self, _uplink: &UplinkName, account: &Account) -> io::Result<()> {
        self.0.lock().unwrap().push(account.clone());
        Ok(())
    }
}

struct World {
    doors: Doors,
    cloud: flume::Receiver<DoorEvent>,
    logins: Arc<Logins>,
    kept: Arc<Kept>,
    site: flume::Receiver<Input>,
    outbox: Outbox,
    counters: Arc<Counters>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl World {
    async fn new() -> Self {
        let (sender, cloud) = flume::bounded(64);
        let logins = Arc::new(Logins::default());
        let listen = "127.0.0.1:0".parse().unwrap();
        let (doors, task) = Doors::bind(DoorsConfig::new(listen), logins.clone(), sender).unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { task.run().await.unwrap() });
        let (inbox, site) = flume::bounded(64);
        let (stop, stopped) = watch::channel(false);
        let counters = Arc::new(Counters::default());
        let outbox = Outbox::new(counters.clone());
        let kept = Arc::new(Kept::default());
        let settings = settings(doors.plain_address().unwrap().port(), kept.clone());
        let ties =
            Ties { outbox: outbox.clone(), counters: counters.clone(), inbox, stop: stopped };
        let link = Link::new(settings, ties);
        tasks.spawn(link.run());
        Self { doors, cloud, logins, kept, site, outbox, counters, stop, tasks }
    }

    fn allow(&self, name: &str, password: &str) {
        self.logins.0.lock().unwrap().insert(name.to_owned(), password.to_owned());
    }

    async fn site_hears(&self) -> UplinkEvent {
        match timeout(PATIENCE, self.site.recv_async()).await.unwrap().unwrap() {
            Input::Uplink { event, .. } => event,
            other => panic!("{other:?}"),
        }
    }

    /// The next message the cloud gets: who, topic, envelope, QoS.
    async fn cloud_hears(&self) -> (String, String, v1_10::Apdu, u8) {
        loop {
            let event = timeout(PATIENCE, self.cloud.recv_async()).await.unwrap().unwrap();
            if let DoorEvent::Published { name, topic, payload, qos, .. } = event {
                return (name.to_string(), topic, v1_10::Apdu::decode(payload).unwrap(), qos);
            }
        }
    }

    fn cloud_says(&self, to: &str, topic: &str, code: i32, sequence: u64, body: Vec<u8>) {
        let apdu = v1_10::Apdu {
            message_id: code,
            sequence_id: sequence,
            payload: body.into(),
            ..v1_10::Apdu::default()
        };
        let payload = apdu.encode_to_vec().into();
        let outgoing = Outgoing { topic: topic.to_owned(), payload, qos: 2, expires_in: None };
        self.doors.send(&To::Name(to.to_owned()), outgoing).unwrap();
    }

    /// Answers a registration, giving the account `dev`/`issued`.
    async fn register(&self) {
        let (name, topic, apdu, qos) = self.cloud_hears().await;
        assert_eq!((name.as_str(), topic.as_str(), qos), ("default", "/U/R/SERIAL", 2));
        let request = v1_10::DeviceRegistrationReq::decode(apdu.payload).unwrap();
        assert_eq!(request.registration_code, "CODE");
        self.allow("dev", "issued");
        let answer = v1_10::DeviceRegistrationConf {
            device_code: "D1".to_owned(),
            mqtt_username: "dev".to_owned(),
            mqtt_password: "issued".to_owned(),
            ..Default::default()
        };
        self.cloud_says("default", "/D/R/SERIAL", 0x8a, apdu.sequence_id, answer.encode_to_vec());
    }
}

fn settings(port: u16, accounts: Arc<Kept>) -> Settings {
    Settings {
        name: UplinkName::new("cloud").unwrap(),
        station: watch::channel(station::Settings {
            revision: Revision::V1_10,
            part_number: "PART".to_owned(),
            serial: "SERIAL".to_owned(),
            vendor: "ACME".to_owned(),
            elec_data_unit: station::ELEC_DATA_UNIT,
            connectors: BTreeMap::new(),
        })
        .1,
        broker: Broker {
            host: "127.0.0.1".to_owned(),
            port,
            tls: None,
            keep_alive: Duration::from_secs(5),
            max_inflight: 20,
        },
        default_login: Login { username: "default".to_owned(), password: "secret".to_owned() },
        registration_code: "CODE".to_owned(),
        login_retry: Duration::from_millis(200),
        accounts,
        now: Arc::new(Now::default),
    }
}

fn heartbeat(sequence: u64) -> ToUplink {
    let sequence = Sequence(sequence);
    ToUplink { sequence, message: UplinkMessage::Heartbeat, urgency: Urgency::Live }
}

#[tokio::test]
async fn registers_once_then_carries_both_ways_and_reconnects_with_the_issued_account() {
    let world = World::new().await;
    world.allow("default", "secret");
    // The first attempt may have come before the account was allowed.
    world.register().await;
    loop {
        match world.site_hears().await {
            UplinkEvent::LoginRefused { .. } => {}
            event => break assert_eq!(event, UplinkEvent::Connected),
        }
    }
    world.outbox.push(heartbeat(7)).unwrap();
    let (name, topic, apdu, qos) = world.cloud_hears().await;
    assert_eq!((name.as_str(), topic.as_str(), qos), ("dev", "/U/C/D1", 2));
    assert_eq!((apdu.message_id, apdu.sequence_id), (0x02, 7));

    // Deeper levels of the command topic are the site's too.
    world.cloud_says("dev", "/D/C/D1/more", 0x82, 7, Vec::new());
    let UplinkEvent::Answered { sequence, answer, .. } = world.site_hears().await else { panic!() };
    assert_eq!((sequence, answer), (Sequence(7), UplinkAnswer::Heartbeat));

    assert_eq!(world.doors.kick("dev"), 1);
    assert!(matches!(world.site_hears().await, UplinkEvent::Disconnected { .. }));
    assert!(world.outbox.push(heartbeat(8)).is_err(), "nothing is taken while the link is down");
    assert_eq!(world.site_hears().await, UplinkEvent::Connected);
    assert_eq!(world.kept.0.lock().unwrap().len(), 1, "registered once");
}

#[tokio::test]
async fn a_refused_login_is_told_and_tried_again_without_a_new_registration() {
    let world = World::new().await;
    let login = Login { username: "dev".to_owned(), password: "issued".to_owned() };
    world.kept.0.lock().unwrap().push(Account { device: "D1".to_owned(), login });
    world.allow("default", "secret");
    for _ in 0..2 {
        assert!(matches!(world.site_hears().await, UplinkEvent::LoginRefused { .. }));
    }
    world.allow("dev", "issued");
    loop {
        match world.site_hears().await {
            UplinkEvent::LoginRefused { .. } => {}
            event => break assert_eq!(event, UplinkEvent::Connected),
        }
    }
    assert_eq!(world.kept.0.lock().unwrap().len(), 1, "no new account was asked for");
    assert!(world.counters.counts().login_refused >= 2);
}

#[tokio::test]
async fn what_cannot_be_read_is_answered_and_disturbs_nothing() {
    let mut world = World::new().await;
    let login = Login { username: "dev".to_owned(), password: "issued".to_owned() };
    world.allow("dev", "issued");
    world.kept.0.lock().unwrap().push(Account { device: "D1".to_owned(), login });
    loop {
        match world.site_hears().await {
            UplinkEvent::LoginRefused { .. } => {}
            event => break assert_eq!(event, UplinkEvent::Connected),
        }
    }
    world.cloud_says("dev", "/D/C/D1", 0x10, 42, vec![0xff; 30]);
    let (_, _, apdu, _) = world.cloud_hears().await;
    assert_eq!((apdu.message_id, apdu.sequence_id), (0xff, 42));
    assert_eq!(world.counters.counts().undecodable, 1);
    world.outbox.push(heartbeat(1)).unwrap();
    assert_eq!(world.cloud_hears().await.2.message_id, 0x02);

    // Asked to stop, it takes its leave with a DISCONNECT.
    world.stop.send(true).unwrap();
    let reason = loop {
        let event = timeout(PATIENCE, world.cloud.recv_async()).await.unwrap().unwrap();
        if let DoorEvent::Gone { reason, .. } = event {
            break reason;
        }
    };
    assert_eq!(reason, sitepilot::broker::GoneReason::Disconnected);
    world.doors.shutdown().await;
    while let Some(ended) = world.tasks.join_next().await {
        ended.unwrap();
    }
}
