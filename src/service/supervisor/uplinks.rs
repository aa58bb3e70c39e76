//! Starts the task of each uplink, by its kind.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use anyhow::Context as _;
use tokio::sync::watch;

use super::{rooms::Rooms, start::Shared};
use crate::{
    domain::id::UplinkName,
    protocol::{charger::station, jcpp, peaq},
    service::{
        config::{Access, Charger, Config, Ec, Endpoint, Far, Pace, Secret, Uplink},
        roster::Roster,
    },
    site::{UplinkConfig, Wire},
    uplink::{
        self, Accounts, Broker, Counters, EcLink, EcSettings, Link, Login, MakeDialect, Outbox,
        QueueLink, QueueSettings, Ties,
    },
};

impl Shared<'_> {
    /// One task per uplink; they end when the answer becomes true.
    pub(super) fn start_uplinks(
        &self,
        rooms: &mut Rooms,
        accounts: &Arc<dyn Accounts>,
    ) -> anyhow::Result<watch::Sender<bool>> {
        let (stop_uplinks, stop) = watch::channel(false);
        for uplink in &self.config.uplinks {
            let (outbox, counters) = self.uplinks[&uplink.name].clone();
            let (inbox, stop) = (self.inbox.clone(), stop.clone());
            let ties = Ties { outbox, counters, inbox, stop };
            match &uplink.far {
                Far::Charger(charger) => {
                    let settings = self.charger(uplink, charger, accounts)?;
                    start(rooms, Link::new(settings, ties).run());
                }
                Far::Jcpp(jcpp) => {
                    let settings = self.queue(uplink, &jcpp.access, queue(&jcpp.settings))?;
                    start(rooms, QueueLink::new(settings, ties).run());
                }
                Far::Peaq(peaq) => {
                    let settings = self.queue(uplink, &peaq.access, gateway(&peaq.settings))?;
                    start(rooms, QueueLink::new(settings, ties).run());
                }
                Far::Ec(ec) => {
                    let settings = self.ec(uplink, ec);
                    start(rooms, EcLink::new(settings, ties).run());
                }
            }
        }
        Ok(stop_uplinks)
    }

    fn charger(
        &self,
        uplink: &Uplink,
        charger: &Charger,
        accounts: &Arc<dyn Accounts>,
    ) -> anyhow::Result<uplink::Settings> {
        let clock = self.clock.clone();
        Ok(uplink::Settings {
            name: uplink.name.clone(),
            station: self.stations[&uplink.name].subscribe(),
            broker: broker(uplink, &charger.endpoint, &charger.pace)?,
            default_login: login(&charger.username, &charger.password),
            registration_code: charger.registration_code.expose().to_owned(),
            login_retry: charger.pace.login_retry,
            accounts: accounts.clone(),
            now: Arc::new(move || clock.now()),
        })
    }

    fn ec(&self, uplink: &Uplink, ec: &Ec) -> EcSettings {
        let clock = self.clock.clone();
        EcSettings {
            name: uplink.name.clone(),
            host: ec.endpoint.host.clone(),
            port: ec.endpoint.port,
            wire: ec.settings.clone(),
            now: Arc::new(move || clock.now()),
        }
    }

    fn queue(
        &self,
        uplink: &Uplink,
        access: &Access,
        dialect: MakeDialect,
    ) -> anyhow::Result<QueueSettings> {
        let clock = self.clock.clone();
        Ok(QueueSettings {
            name: uplink.name.clone(),
            broker: broker(uplink, &access.endpoint, &access.pace)?,
            client_id: access.client_id.clone(),
            login: access.login.as_ref().map(|(username, password)| login(username, password)),
            login_retry: access.pace.login_retry,
            dialect,
            now: Arc::new(move || clock.now()),
        })
    }
}

fn queue(wire: &jcpp::Settings) -> MakeDialect {
    let wire = wire.clone();
    Arc::new(move || Box::new(jcpp::dialect::Queue::new(wire.clone())))
}

fn gateway(wire: &peaq::Settings) -> MakeDialect {
    let (wire, connections) = (wire.clone(), AtomicU32::new(0));
    Arc::new(move || {
        let number = connections.fetch_add(1, Ordering::Relaxed);
        Box::new(peaq::dialect::Gateway::new(wire.clone(), number))
    })
}

fn start(rooms: &mut Rooms, life: impl Future<Output = ()> + Send + 'static) {
    rooms.task("uplink", async move {
        life.await;
        Ok(())
    });
}

fn login(username: &str, password: &Secret) -> Login {
    Login { username: username.to_owned(), password: password.expose().to_owned() }
}

fn broker(uplink: &Uplink, endpoint: &Endpoint, pace: &Pace) -> anyhow::Result<Broker> {
    Ok(Broker {
        host: endpoint.host.clone(),
        port: endpoint.port,
        tls: tls(uplink, endpoint)?,
        keep_alive: pace.keep_alive,
        max_inflight: pace.max_inflight,
    })
}

fn tls(uplink: &Uplink, endpoint: &Endpoint) -> anyhow::Result<Option<Arc<rustls::ClientConfig>>> {
    let trust = |file: &PathBuf| {
        let shown = file.display();
        uplink::client_config(file, None)
            .with_context(|| format!("uplink {}: {shown}", uplink.name))
    };
    endpoint.ca_file.as_ref().map(trust).transpose()
}

/// What each backend of the charging-station protocol has to know of the site.
pub(super) fn stations(
    config: &Config,
    roster: &Roster,
) -> BTreeMap<UplinkName, watch::Sender<station::Settings>> {
    let uplinks = config.site_config(roster.site_piles()).uplinks.into_iter();
    let station = |uplink: UplinkConfig| match uplink.wire {
        Wire::Charger(station) => Some((uplink.name, watch::Sender::new(station))),
        Wire::Ec(_) | Wire::Jcpp(_) | Wire::Peaq(_) => None,
    };
    uplinks.filter_map(station).collect()
}

/// The queues and counters of each uplink.
pub(super) fn outboxes(config: &Config) -> BTreeMap<UplinkName, (Outbox, Arc<Counters>)> {
    let one = |uplink: &Uplink| {
        let counters = Arc::new(Counters::default());
        (uplink.name.clone(), (Outbox::new(counters.clone()), counters))
    };
    config.uplinks.iter().map(one).collect()
}
