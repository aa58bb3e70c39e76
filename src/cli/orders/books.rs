//! Where orders are read: from the running controller, or from a copy of a ledger.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use jiff::tz::TimeZone;
use serde_json::Value;

use super::super::{Common, Failure, client::Client};
use crate::{
    domain::id::OrderId,
    ledger::{self, Filter, LedgerError, Reader},
    service::{
        config::Paths,
        reader::{self, verified},
    },
    status::{DossierView, view::OrderView},
};

/// Which ledger is meant, and how its times are shown.
pub(super) struct Shelf {
    /// Where things are, if that is the ledger of the config.
    paths: Option<Paths>,
    /// The file, or the directory it is in.
    pub(super) ledger: PathBuf,
    pub(super) zone: TimeZone,
}

impl Shelf {
    /// The ledger of the config, or the one that was named: that needs no config.
    pub(super) fn of(common: &Common, named: Option<&Path>) -> Result<Self, Failure> {
        let paths = common.paths();
        match named {
            Some(ledger) => {
                let zone = paths.map_or_else(|_| TimeZone::system(), |paths| paths.zone);
                Ok(Self { paths: None, ledger: ledger.to_owned(), zone })
            }
            None => {
                let paths = paths?;
                let (ledger, zone) = (paths.data_dir.clone(), paths.zone.clone());
                Ok(Self { paths: Some(paths), ledger, zone })
            }
        }
    }

    /// Fails if there is no ledger.
    pub(super) fn must_be_there(&self) -> Result<(), Failure> {
        let shown = self.ledger.display();
        match ledger::is_there(&self.ledger) {
            Ok(true) => Ok(()),
            Ok(false) => {
                let hint = "hint: a controller makes it at its first start";
                Err(anyhow!("there is no ledger: {shown}\n{hint}").into())
            }
            Err(error) => {
                let hint = "hint: use sudo, or join the group sitepilot";
                Err(anyhow!("cannot look for a ledger: {shown}: {error}\n{hint}").into())
            }
        }
    }

    /// The running controller, or a copy of the ledger.
    pub(super) fn open(self) -> Result<Books, Failure> {
        if let Some(paths) = &self.paths
            && let Some(client) = Client::connect(&paths.socket)?
        {
            return Ok(Books::Controller(Box::new(client)));
        }
        self.must_be_there()?;
        let reader = ledger::open_copy(&self.ledger)
            .with_context(|| format!("the ledger is of no use: {}", self.ledger.display()))?;
        Ok(Books::Copy(Box::new(reader), self.zone))
    }
}

/// Where orders are read.
pub(super) enum Books {
    Controller(Box<Client>),
    Copy(Box<Reader>, TimeZone),
}

impl Books {
    /// One page of orders as JSON.
    pub(super) fn page(&mut self, filter: &Filter, limit: u16) -> anyhow::Result<Vec<Value>> {
        match self {
            Self::Controller(client) => match client.get(&query(filter, limit))? {
                Value::Array(orders) => Ok(orders),
                other => Err(anyhow!("not a list of orders: {other}")),
            },
            Self::Copy(reader, zone) => {
                let orders = reader.list(filter, limit)?;
                let views = orders.iter().map(|order| OrderView::of(order, zone));
                Ok(views.map(serde_json::to_value).collect::<Result<_, _>>()?)
            }
        }
    }

    pub(super) fn order(&mut self, id: OrderId) -> anyhow::Result<Value> {
        match self {
            Self::Controller(client) => client.get(&format!("/api/v1/orders/{id}")),
            Self::Copy(reader, zone) => {
                let found = reader.dossier(&id)?.ok_or_else(|| anyhow!("no such order: {id}"))?;
                let view = DossierView::of(&reader::dossier(found), zone);
                Ok(serde_json::to_value(view)?)
            }
        }
    }

    pub(super) fn verify(&mut self) -> anyhow::Result<Value> {
        match self {
            Self::Controller(client) => client.get("/api/v1/ledger/verify"),
            Self::Copy(reader, _) => Ok(serde_json::to_value(verified(&reader.verify()?))?),
        }
    }
}

fn query(filter: &Filter, limit: u16) -> String {
    let mut query = format!("/api/v1/orders?limit={limit}");
    let mut add = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            query.push_str(&format!("&{key}={value}"));
        }
    };
    add("state", filter.state.map(|state| state.name().to_owned()));
    add("pile", filter.pile.map(|pile| pile.to_string()));
    add("after", filter.after.map(|after| after.0.to_string()));
    let since = filter.since_s.and_then(|s| jiff::Timestamp::from_second(s).ok());
    add("since", since.map(|since| since.to_string()));
    query
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        Self::Other(error.into())
    }
}
