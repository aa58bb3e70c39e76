//! `orders`: through the running controller, or from a copy of a stopped one's file.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow};
use serde_json::{Value, json};

use super::{
    Common, Exit, Failure,
    client::Client,
    dossier,
    table::{self, cell, print},
};
use crate::{
    domain::{
        id::{OrderId, OrderSeq, PileCode},
        order::OrderState,
    },
    ledger::{self, Filter, LedgerError, Reader},
    service::{
        config::Paths,
        reader::{self, verified},
    },
    status::{DossierView, view::OrderView},
};

/// `orders`
#[derive(Debug, clap::Subcommand)]
pub(super) enum Orders {
    /// Newest first
    List(List),
    /// One order with all that is known of it
    Show {
        /// Its id
        #[arg(value_parser = order_id)]
        id: OrderId,
    },
    /// All orders, newest first
    Export {
        /// How
        #[arg(long, value_enum)]
        format: Format,
        #[command(flatten)]
        which: Which,
    },
    /// Send an order again that a backend has refused
    Retry {
        /// Its id
        #[arg(value_parser = order_id)]
        id: OrderId,
    },
    /// Take over the orders of another ledger, such as one that was set aside
    Import {
        /// The file
        file: PathBuf,
    },
    /// Check the journal's chain, and the orders against it
    Verify,
}

/// Which orders, and how many.
#[derive(Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    which: Which,
    /// At most that many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    limit: u16,
}

/// Which orders.
#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// authorised, charging, stopping, interrupted, recorded or settled
    #[arg(long, value_parser = order_state)]
    state: Option<OrderState>,
    /// Code of a pile
    #[arg(long, value_parser = pile_code)]
    pile: Option<PileCode>,
    /// Begun at or after, such as 2026-11-20 or 2026-11-20T08:00:00+08:00
    #[arg(long)]
    since: Option<String>,
}

/// How orders are exported.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum Format {
    /// Comma separated, with a heading
    Csv,
    /// One JSON document a line
    Jsonl,
}

fn order_id(text: &str) -> Result<OrderId, String> {
    OrderId::new(text).map_err(|error| error.to_string())
}

fn pile_code(text: &str) -> Result<PileCode, String> {
    PileCode::new(text).map_err(|error| error.to_string())
}

fn order_state(text: &str) -> Result<OrderState, String> {
    let hint = "authorised, charging, stopping, interrupted, recorded or settled";
    OrderState::from_name(text).ok_or_else(|| format!("not a state of an order\nhint: {hint}"))
}

/// Orders on one page of the controller.
const PAGE: u16 = 1000;

impl Which {
    fn filter(&self, paths: &Paths) -> Result<Filter, Failure> {
        let since_s = self.since.as_deref().map(|text| {
            let time: Result<jiff::Timestamp, _> = text.parse();
            let time = time.or_else(|_| {
                let day: jiff::civil::Date = text.parse()?;
                Ok(day.to_zoned(paths.zone.clone())?.timestamp())
            });
            time.map(jiff::Timestamp::as_second).map_err(|_: jiff::Error| {
                let hint = "such as 2026-11-20 or 2026-11-20T08:00:00+08:00";
                Failure::Usage(format!("not a time: {text}\nhint: {hint}"))
            })
        });
        Ok(Filter {
            state: self.state,
            pile: self.pile,
            since_s: since_s.transpose()?,
            after: None,
        })
    }
}

/// `orders`
pub(super) fn run(common: &Common, command: &Orders) -> Result<Exit, Failure> {
    match command {
        Orders::List(list) => show_list(common, list),
        Orders::Show { id } => show(common, *id),
        Orders::Export { format, which } => export(common, *format, which),
        Orders::Retry { id } => {
            let done = common.running()?.post(&format!("/api/v1/orders/{id}/retry"), None)?;
            eprintln!("{id}: {}", cell(&done["done"]));
            Ok(Exit::Done)
        }
        Orders::Import { file } => import(common, file),
        Orders::Verify => verify(common),
    }
}

/// Where orders are read.
enum Books {
    Controller(Box<Client>),
    Copy(Box<Reader>, Paths),
}

impl Books {
    fn open(common: &Common) -> Result<Self, Failure> {
        let paths = common.paths()?;
        if let Some(client) = Client::connect(&paths.socket)? {
            return Ok(Self::Controller(Box::new(client)));
        }
        let dir = paths.data_dir.display();
        if !ledger::is_there(&paths.data_dir) {
            let hint = "hint: a controller makes it at its first start";
            return Err(anyhow!("no controller runs, and there is no ledger: {dir}\n{hint}").into());
        }
        let reader = ledger::open_copy(&paths.data_dir)
            .with_context(|| format!("no controller runs, and its ledger is of no use: {dir}"))?;
        Ok(Self::Copy(Box::new(reader), paths))
    }

    /// One page of orders as JSON.
    fn page(&mut self, filter: &Filter, limit: u16) -> anyhow::Result<Vec<Value>> {
        match self {
            Self::Controller(client) => match client.get(&query(filter, limit))? {
                Value::Array(orders) => Ok(orders),
                other => Err(anyhow!("not a list of orders: {other}")),
            },
            Self::Copy(reader, paths) => {
                let orders = reader.list(filter, limit)?;
                let views = orders.iter().map(|order| OrderView::of(order, &paths.zone));
                Ok(views.map(serde_json::to_value).collect::<Result<_, _>>()?)
            }
        }
    }

    fn order(&mut self, id: OrderId) -> anyhow::Result<Value> {
        match self {
            Self::Controller(client) => client.get(&format!("/api/v1/orders/{id}")),
            Self::Copy(reader, paths) => {
                let found = reader.dossier(&id)?.ok_or_else(|| anyhow!("no such order: {id}"))?;
                let view = DossierView::of(&reader::dossier(found), &paths.zone);
                Ok(serde_json::to_value(view)?)
            }
        }
    }

    fn verify(&mut self) -> anyhow::Result<Value> {
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

fn show_list(common: &Common, list: &List) -> Result<Exit, Failure> {
    let filter = list.which.filter(&common.paths()?)?;
    let orders = Books::open(common)?.page(&filter, list.limit)?;
    if common.json {
        table::json(&orders);
        return Ok(Exit::Done);
    }
    dossier::list(&orders);
    if orders.len() == usize::from(list.limit) {
        eprintln!("not more than {} are shown; --limit N shows more", list.limit);
    }
    Ok(Exit::Done)
}

fn show(common: &Common, id: OrderId) -> Result<Exit, Failure> {
    let order = Books::open(common)?.order(id)?;
    if common.json {
        table::json(&order);
    } else {
        dossier::whole(&order);
    }
    Ok(Exit::Done)
}

/// Columns of an export, by their JSON names.
const COLUMNS: [&str; 22] = [
    "id",
    "pile",
    "connector",
    "record",
    "transaction_id",
    "state",
    "flags",
    "started_at",
    "ended_at",
    "energy_wh",
    "cost_fen",
    "offline",
    "card",
    "deliveries",
    "meter_start_wh",
    "meter_stop_wh",
    "reason",
    "metering.meter",
    "metering.start_wh",
    "metering.stop_wh",
    "metering.pile_start_wh",
    "metering.pile_stop_wh",
];

fn export(common: &Common, format: Format, which: &Which) -> Result<Exit, Failure> {
    let mut filter = which.filter(&common.paths()?)?;
    let mut books = Books::open(common)?;
    if matches!(format, Format::Csv) {
        print(&format!("{}\n", COLUMNS.join(",")));
    }
    loop {
        let mut page: VecDeque<_> = books.page(&filter, PAGE)?.into();
        let Some(last) = page.back().and_then(|order| order["position"].as_u64()) else {
            return Ok(Exit::Done);
        };
        filter.after = Some(OrderSeq(last));
        while let Some(order) = page.pop_front() {
            print(&match format {
                Format::Csv => csv(&order),
                Format::Jsonl => format!("{order}\n"),
            });
        }
    }
}

fn csv(order: &Value) -> String {
    let value = |key: &str| match key.split_once('.') {
        Some((group, key)) => &order[group][key],
        None => &order[key],
    };
    let text = |key: &str| match (key, value(key)) {
        ("flags", flags) => {
            let words = flags.as_array().into_iter().flatten().filter_map(Value::as_str);
            words.collect::<Vec<_>>().join(" ")
        }
        ("deliveries", deliveries) => {
            let each = deliveries.as_array().into_iter().flatten();
            let each = each.map(|d| format!("{}={}", cell(&d["uplink"]), cell(&d["state"])));
            each.collect::<Vec<_>>().join(" ")
        }
        (_, Value::Null) => String::new(),
        (_, value) => cell(value),
    };
    let quoted = COLUMNS.map(|key| {
        let text = text(key);
        // A spreadsheet would take these for formulas.
        let text = if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text };
        let must_quote = text.contains([',', '"', '\n', '\r']);
        if must_quote { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
    });
    format!("{}\n", quoted.join(","))
}

fn import(common: &Common, file: &Path) -> Result<Exit, Failure> {
    let shown = file.display();
    let file = file.canonicalize().with_context(|| format!("cannot read {shown}"))?;
    let mut client = common.running()?;
    let done = client.post("/api/v1/orders/import", Some(&json!({ "file": file })))?;
    if common.json {
        table::json(&done);
    } else {
        eprintln!("orders taken over: {}", cell(&done["imported"]));
    }
    Ok(Exit::Done)
}

fn verify(common: &Common) -> Result<Exit, Failure> {
    let verdict = Books::open(common)?.verify()?;
    if common.json {
        table::json(&verdict);
    } else {
        let keys = ["rows", "orders", "anchor", "head"];
        for key in keys {
            print(&format!("{key:8}{}\n", cell(&verdict[key])));
        }
    }
    match verdict["bad"].as_str() {
        None => Ok(Exit::Done),
        Some(bad) => {
            eprintln!("the journal does not hold: {bad}");
            Ok(Exit::Failed)
        }
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        Self::Other(error.into())
    }
}
