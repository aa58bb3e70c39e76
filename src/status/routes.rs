//! The paths.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, Query, State},
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    dossier::DossierView,
    html,
    limited::Limited,
    meters::{MeterView, ReadingView, meters},
    metrics,
    source::{Answer, OrdersQuery, Source, Trouble, Verified},
    view::{OrderView, StatusView, piles},
};
use crate::domain::{
    event::OperatorRequest,
    id::{BusName, MeterName, OrderId, OrderSeq, PileCode, UplinkName},
    order::OrderState,
};

/// Who listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// HTTP: may look.
    Read,
    /// The control socket: may also change something.
    Control,
}

/// Orders on a page unless the caller says otherwise.
const PAGE: u32 = 100;

/// Orders on a page at most: about 5 MB of JSON.
const MAX_PAGE: u32 = 10_000;

/// Largest request body: a path.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// The ledger may be read over slow flash, and an operator's wish waits for a commit.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// Reading a whole ledger on slow flash; taking one over is a commit per batch of orders.
const LONG_TIMEOUT: Duration = Duration::from_secs(3600);

type Shared = Arc<dyn Source>;

/// The paths for this kind of listener.
pub fn router(source: Shared, access: Access) -> Router {
    let read = Router::new()
        .route("/", get(page))
        .route("/healthz", get(healthz))
        .route("/metrics", get(metrics))
        .route("/api/v1/status", get(status))
        .route("/api/v1/piles", get(all_piles))
        .route("/api/v1/meters", get(all_meters))
        .route("/api/v1/orders", get(orders))
        .route("/api/v1/orders/{id}", get(order));
    let routes = match access {
        Access::Read => read,
        Access::Control => read
            .route("/api/v1/orders/{id}/retry", post(retry))
            .route("/api/v1/piles/{code}/forget", post(forget))
            .route("/api/v1/orders/import", post(import))
            .route("/api/v1/ledger/verify", get(verify))
            .route("/api/v1/uplinks/{name}/retire", post(retire))
            .route("/api/v1/meters/{name}/read", post(read_meter))
            .route("/api/v1/meters/{name}/replaced", post(replaced))
            .route("/api/v1/buses/{name}/lend", post(lend))
            .route("/api/v1/buses/{name}/take-back", post(take_back)),
    };
    routes.layer(DefaultBodyLimit::max(MAX_BODY_BYTES)).with_state(source)
}

/// What is told instead of an answer.
struct Problem(StatusCode, String);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

impl From<Trouble> for Problem {
    fn from(trouble: Trouble) -> Self {
        let status = match trouble {
            Trouble::Refused(_) => StatusCode::CONFLICT,
            Trouble::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self(status, trouble.to_string())
    }
}

fn wrong(what: &str, found: impl std::fmt::Display) -> Problem {
    Problem(StatusCode::BAD_REQUEST, format!("{what}: {found}"))
}

async fn within<T>(limit: Duration, answer: Answer<T>) -> Result<T, Problem> {
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Problem(StatusCode::GATEWAY_TIMEOUT, "no answer in time".to_owned())),
    }
}

async fn healthz(State(source): State<Shared>) -> Response {
    let health = source.health();
    let (status, word) = match health.is_good() {
        true => (StatusCode::OK, "good"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "stuck"),
    };
    (status, Json(json!({ "health": word, "stuck": health.stuck }))).into_response()
}

async fn metrics(State(source): State<Shared>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], metrics::text(source.as_ref())).into_response()
}

async fn status(State(source): State<Shared>) -> Json<StatusView> {
    Json(StatusView::of(&source.snapshot(), &source.facts()))
}

async fn all_piles(State(source): State<Shared>) -> Response {
    Json(piles(&source.snapshot(), &source.facts())).into_response()
}

async fn all_meters(State(source): State<Shared>) -> Json<Vec<MeterView>> {
    Json(meters(&source.snapshot(), &source.facts()))
}

async fn page(State(source): State<Shared>) -> Html<String> {
    Html(html::page(&source.snapshot(), &source.facts()))
}

/// The query of a list of orders, as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    state: Option<String>,
    pile: Option<String>,
    since: Option<String>,
    limit: Option<u32>,
    after: Option<u64>,
}

impl Wanted {
    fn read(self) -> Result<OrdersQuery, Problem> {
        let state = self.state.as_deref().map(|name| {
            OrderState::from_name(name).ok_or_else(|| wrong("not a state of an order", name))
        });
        let pile = self
            .pile
            .as_deref()
            .map(|code| PileCode::new(code).map_err(|error| wrong("not a pile code", error)));
        let since_s = self.since.as_deref().map(|text| {
            let time: Result<jiff::Timestamp, _> = text.parse();
            time.map(jiff::Timestamp::as_second).map_err(|error| wrong("not a time", error))
        });
        Ok(OrdersQuery {
            state: state.transpose()?,
            pile: pile.transpose()?,
            since_s: since_s.transpose()?,
            before: self.after.map(OrderSeq),
            limit: self.limit.unwrap_or(PAGE).clamp(1, MAX_PAGE),
        })
    }
}

async fn orders(
    State(source): State<Shared>,
    wanted: Result<Query<Wanted>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Vec<OrderView>>, Problem> {
    let Query(wanted) = wanted.map_err(|error| wrong("not a query", error.body_text()))?;
    let orders = within(ANSWER_TIMEOUT, source.orders(wanted.read()?)).await?;
    let zone = source.facts().zone;
    Ok(Json(orders.iter().map(|order| OrderView::of(order, &zone)).collect()))
}

fn order_id(text: &str) -> Result<OrderId, Problem> {
    OrderId::new(text).map_err(|error| wrong("not an order id", error))
}

async fn order(
    State(source): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<DossierView>, Problem> {
    let id = order_id(&id)?;
    match within(ANSWER_TIMEOUT, source.order(id)).await? {
        Some(dossier) => Ok(Json(DossierView::of(&dossier, &source.facts().zone))),
        None => Err(Problem(StatusCode::NOT_FOUND, format!("no such order: {id}"))),
    }
}

type Done = Json<BTreeMap<&'static str, serde_json::Value>>;

fn done(key: &'static str, value: impl Into<serde_json::Value>) -> Done {
    Json(BTreeMap::from([(key, value.into())]))
}

async fn retry(State(source): State<Shared>, Path(id): Path<String>) -> Result<Done, Problem> {
    let request = OperatorRequest::Retry { order: order_id(&id)? };
    Ok(done("done", within(ANSWER_TIMEOUT, source.operate(request)).await?))
}

async fn retire(State(source): State<Shared>, Path(name): Path<String>) -> Result<Done, Problem> {
    let uplink = UplinkName::new(&name).map_err(|error| wrong("not an uplink", error))?;
    let request = OperatorRequest::RetireUplink { uplink };
    Ok(done("done", within(ANSWER_TIMEOUT, source.operate(request)).await?))
}

async fn forget(State(source): State<Shared>, Path(code): Path<String>) -> Result<Done, Problem> {
    let pile = PileCode::new(&code).map_err(|error| wrong("not a pile code", error))?;
    Ok(done("done", within(ANSWER_TIMEOUT, source.forget(pile)).await?))
}

fn meter_name(text: &str) -> Result<MeterName, Problem> {
    MeterName::new(text).map_err(|error| wrong("not a meter", error))
}

fn bus_name(text: &str) -> Result<BusName, Problem> {
    BusName::new(text).map_err(|error| wrong("not a bus", error))
}

async fn read_meter(
    State(source): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<ReadingView>, Problem> {
    Ok(Json(within(ANSWER_TIMEOUT, source.read_meter(meter_name(&name)?)).await?))
}

async fn replaced(State(source): State<Shared>, Path(name): Path<String>) -> Result<Done, Problem> {
    let request = OperatorRequest::MeterReplaced { meter: meter_name(&name)? };
    Ok(done("done", within(ANSWER_TIMEOUT, source.operate(request)).await?))
}

/// For how long a bus is wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lending {
    for_ms: u32,
}

/// A bus is lent for a minute at most, and then asked for again: no reading is missing for long
/// because a scan has died.
const MAX_LENDING_MS: u32 = 60_000;

async fn lend(
    State(source): State<Shared>,
    Path(name): Path<String>,
    Json(lending): Json<Lending>,
) -> Result<Done, Problem> {
    if !(1..=MAX_LENDING_MS).contains(&lending.for_ms) {
        return Err(wrong("not a time to lend a bus for", lending.for_ms));
    }
    let lent = source.lend(bus_name(&name)?, lending.for_ms);
    Ok(done("done", within(ANSWER_TIMEOUT, lent).await?))
}

async fn take_back(
    State(source): State<Shared>,
    Path(name): Path<String>,
) -> Result<Done, Problem> {
    Ok(done("done", within(ANSWER_TIMEOUT, source.take_back(bus_name(&name)?)).await?))
}

/// Another ledger to take orders from.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OtherLedger {
    file: PathBuf,
}

async fn verify(State(source): State<Shared>) -> Result<Json<Verified>, Problem> {
    Ok(Json(within(LONG_TIMEOUT, source.verify()).await?))
}

async fn import(
    State(source): State<Shared>,
    Json(other): Json<OtherLedger>,
) -> Result<Done, Problem> {
    Ok(done("imported", within(LONG_TIMEOUT, source.import(other.file)).await?))
}

/// The paths, ready to be served.
pub type Pages = Router;

/// Serves on a listener for ever.
///
/// # Errors
///
/// If the listener breaks.
pub async fn serve<L>(listener: L, pages: Pages) -> std::io::Result<()>
where
    L: axum::serve::Listener,
    L::Addr: std::fmt::Debug,
{
    axum::serve(Limited::new(listener), pages).await
}
