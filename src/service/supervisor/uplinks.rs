//! Starts the task of each uplink, by its kind.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use anyhow::Context as _;
use tokio::sync::watch;

use super::{rooms::Rooms, start::Shared};
use crate::{
    domain::id::UplinkName,
    protocol::charger::station,
    service::{
        config::{Charger, Config, Endpoint, Far, Uplink},
        roster::Roster,
    },
    site::{UplinkConfig, Wire},
    uplink::{self, Accounts, Counters, Link, Login, Outbox},
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
            let inbox = self.inbox.clone();
            match &uplink.far {
                Far::Charger(charger) => {
                    let settings = self.charger(uplink, charger, accounts)?;
                    let link = Link::new(settings, outbox, counters, inbox, stop.clone());
                    rooms.task("uplink", async move {
                        link.run().await;
                        Ok(())
                    });
                }
                Far::Ec(_) | Far::Jcpp(_) | Far::Peaq(_) => {}
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
            host: charger.endpoint.host.clone(),
            port: charger.endpoint.port,
            tls: tls(uplink, &charger.endpoint)?,
            default_login: Login {
                username: charger.username.clone(),
                password: charger.password.expose().to_owned(),
            },
            registration_code: charger.registration_code.expose().to_owned(),
            login_retry: charger.login_retry,
            keep_alive: charger.keep_alive,
            max_inflight: charger.max_inflight,
            accounts: accounts.clone(),
            now: Arc::new(move || clock.now()),
        })
    }
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
