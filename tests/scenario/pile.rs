//! What the pile does: `pile starts plug=1 card=…`.

use sitepilot::{
    domain::{
        connector::Nameplate,
        event::{PileAnswer, PileEvent, PileNotice, PileRequest},
        gauge::{Battery, Gauges},
        id::{ConnectionId, PlugNo, RequestId},
        news::Parting,
        order::{EndKind, EndReport, ProgressReport, StartReport},
        passing::{Address, Pass},
        quantity::{Energy, Money},
        reply::{PileCall, ToPile},
        time::PileTime,
        wire::ErrorCode,
    },
    protocol::charger::{connector_state, wire::v1_10 as wire},
    site::Input,
};

use super::{
    World,
    arguments::{answer_to, at, card, original, plug, record},
};
use crate::{script::Line, small_site};

impl World {
    pub(super) fn pile(&mut self, words: &[&str], line: &Line<'_>) {
        let event = match words {
            ["connects"] => {
                self.connection += 1;
                PileEvent::Connected {
                    connection: ConnectionId(self.connection),
                    address: "192.0.2.7".to_owned(),
                }
            }
            ["goes"] | ["kicked"] => PileEvent::Gone {
                connection: ConnectionId(self.connection),
                parting: if words == ["goes"] { Parting::Lost } else { Parting::Dismissed },
                reason: if words == ["goes"] { "link lost" } else { "kicked" }.to_owned(),
            },
            ["accepts"] => self.pile_answer(true),
            ["refuses"] => self.pile_answer(false),
            ["progress"] => PileEvent::Told(PileNotice::Progress(ProgressReport {
                record: record(line),
                plug: plug(line),
                state: line.number("state").and_then(connector_state),
                energy: line.number("energy").map(Energy::from_wh),
                cost: line.number("cost").map(Money::from_fen),
                gauges: gauges(line),
                original: original(35, &wire::ChargingInfoReq::default()),
            })),
            ["status"] => PileEvent::Told(PileNotice::Telemetry {
                plug: (line.text("plug") != Some("none")).then(|| plug(line)),
                status: line.number("is"),
                gauges: gauges(line),
                original: original(33, &wire::TelemetryReq::default()),
            }),
            other => self.pile_request(other, line),
        };
        self.step(Input::Pile { pile: small_site::pile(), event, known: Vec::new() });
    }

    fn pile_request(&mut self, words: &[&str], line: &Line<'_>) -> PileEvent {
        let sequence = self.sequence(line);
        let id = RequestId { connection: ConnectionId(self.connection), sequence };
        let request = match words {
            ["boots"] => PileRequest::Boot {
                nameplate: Box::new(Nameplate { firmware: "1".to_owned(), ..Default::default() }),
                original: original(1, &wire::BootNotificationReq::default()),
            },
            ["authorize"] => PileRequest::Authorize {
                card: card(line).expect("a card"),
                original: original(20, &wire::AuthorizeReq::default()),
            },
            ["tariff"] => PileRequest::Tariff,
            ["start"] => PileRequest::Start(self.start(line)),
            ["stop"] => PileRequest::End(end(line, EndKind::Stop)),
            ["order"] => PileRequest::End(end(line, EndKind::Whole)),
            ["warning"] => PileRequest::Warning {
                plug: line.number("plug").map(PlugNo),
                code: line.number("code").unwrap_or(101),
                cleared: line.text("cleared") == Some("yes"),
                original: original(51, &wire::WarningReq::default()),
            },
            ["reports", "firmware"] => PileRequest::Pass(Pass {
                original: original(7, &wire::FirmwareStatusNotificationReq::default()),
                address: Address::default(),
            }),
            other => panic!("piles do not {other:?}"),
        };
        PileEvent::Requested { id, request }
    }

    fn start(&self, line: &Line<'_>) -> StartReport {
        let token = line.text("token").map(|_| self.tokens.last().expect("a token").clone());
        StartReport {
            record: record(line),
            plug: plug(line),
            card: card(line),
            token,
            meter: line.number("meter").map(Energy::from_wh),
            at: at(line, "at"),
            original: original(18, &wire::StartTransactionReq::default()),
        }
    }

    fn pile_answer(&mut self, accepted: bool) -> PileEvent {
        let Some(ToPile::Call { call, request, .. }) = self.calls.pop() else {
            panic!("the pile was not called");
        };
        let answer = match request {
            PileCall::RemoteStart { .. } => PileAnswer::RemoteStart {
                accepted,
                original: original(144, &wire::RemoteStartTransactionConf::default()),
            },
            PileCall::RemoteStop { .. } => PileAnswer::RemoteStop { accepted },
            PileCall::Tariff(_) => PileAnswer::Tariff { accepted },
            PileCall::Pass(_) if !accepted => PileAnswer::Error(ErrorCode::Generic),
            PileCall::Pass(passed) => PileAnswer::Other(answer_to(&passed.original)),
        };
        PileEvent::Answered { call, answer }
    }
}

fn gauges(line: &Line<'_>) -> Box<Gauges> {
    Box::new(Gauges {
        output_voltage_dv: line.number("dv"),
        soc_percent: line.number("soc"),
        charged: line.number("charged").map(Energy::from_wh),
        vin: line.text("vin").map(str::to_owned),
        battery: Battery { capacity_ah: line.number("ah"), ..Battery::default() },
        ..Gauges::default()
    })
}

fn end(line: &Line<'_>, kind: EndKind) -> EndReport {
    let whole = kind == EndKind::Whole;
    EndReport {
        record: record(line),
        plug: Some(plug(line)),
        card: card(line),
        token: None,
        started: if whole { at(line, "at") } else { PileTime::Unknown },
        kind,
        meter_start: line.number("start").map(Energy::from_wh).filter(|_| whole),
        meter_stop: line.number("meter").map(Energy::from_wh),
        ended: at(line, "end"),
        cost: line.number("cost").map(Money::from_fen),
        reason: 0,
        original: match kind {
            EndKind::Whole => {
                let cost = line.text("tag").map(one_row);
                original(49, &wire::TransactionReq { cost, ..Default::default() })
            }
            EndKind::Stop => original(19, &wire::StopTransactionReq::default()),
        },
    }
}

/// A bill of one row with this tag.
fn one_row(tag: &str) -> wire::Cost {
    let row = wire::CostBill { tag: tag.to_owned(), electric: 100, ..Default::default() };
    wire::Cost { bills: vec![row], ..Default::default() }
}
