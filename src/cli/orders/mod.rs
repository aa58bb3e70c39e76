//! `orders`: through the running controller, or from a copy of a ledger.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{
    Common, Exit, Failure, dossier,
    table::{self, cell, print},
};
use crate::{
    domain::{
        id::{OrderId, OrderSeq, PileCode},
        order::OrderState,
    },
    ledger::Filter,
};

mod books;
mod summary;

use books::Shelf;

/// `orders`
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Read this ledger instead, on a copy: a file, a backup, or the data directory of a card
    #[arg(long, global = true, value_name = "PATH")]
    ledger: Option<PathBuf>,
    #[command(subcommand)]
    command: Orders,
}

/// `orders`
#[derive(Debug, clap::Subcommand)]
enum Orders {
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
    /// How many orders there are, and how many are not settled
    Summary,
}

/// Which orders, and how many.
#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    which: Which,
    /// At most that many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    limit: u16,
}

/// Which orders.
#[derive(Debug, clap::Args)]
struct Which {
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
enum Format {
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
    fn filter(&self, zone: &TimeZone) -> Result<Filter, Failure> {
        let since_s = self.since.as_deref().map(|text| {
            let time: Result<jiff::Timestamp, _> = text.parse();
            let time = time.or_else(|_| {
                let day: jiff::civil::Date = text.parse()?;
                Ok(day.to_zoned(zone.clone())?.timestamp())
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
pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<Exit, Failure> {
    let Arguments { ledger, command } = arguments;
    let shelf = || Shelf::of(common, ledger.as_deref());
    match command {
        Orders::List(list) => show_list(common, shelf()?, list),
        Orders::Show { id } => show(common, shelf()?, *id),
        Orders::Export { format, which } => export(shelf()?, *format, which),
        Orders::Verify => verify(common, shelf()?),
        Orders::Summary => summary::run(common, &shelf()?),
        Orders::Retry { .. } | Orders::Import { .. } if ledger.is_some() => {
            let hint = "without --ledger this is asked of the running controller";
            Err(Failure::Usage(format!("a ledger that is named is only read\nhint: {hint}")))
        }
        Orders::Retry { id } => {
            let done = common.running()?.post(&format!("/api/v1/orders/{id}/retry"), None)?;
            eprintln!("{id}: {}", cell(&done["done"]));
            Ok(Exit::Done)
        }
        Orders::Import { file } => import(common, file),
    }
}

fn show_list(common: &Common, shelf: Shelf, list: &List) -> Result<Exit, Failure> {
    let filter = list.which.filter(&shelf.zone)?;
    let orders = shelf.open()?.page(&filter, list.limit)?;
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

fn show(common: &Common, shelf: Shelf, id: OrderId) -> Result<Exit, Failure> {
    let order = shelf.open()?.order(id)?;
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

fn export(shelf: Shelf, format: Format, which: &Which) -> Result<Exit, Failure> {
    let mut filter = which.filter(&shelf.zone)?;
    let mut books = shelf.open()?;
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

fn verify(common: &Common, shelf: Shelf) -> Result<Exit, Failure> {
    let verdict = shelf.open()?.verify()?;
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
