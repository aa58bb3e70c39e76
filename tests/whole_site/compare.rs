//! What a pile said of an order against what the backend got: all fields that both revisions have.

use std::fmt::Debug;

use sitepilot::{
    domain::wire::Revision,
    peers::{
        apdu::wire,
        backend::{Booked, Report},
        pile::Reports,
    },
    protocol::charger::wire::v1_0,
};

/// Compares every message the backend got of an order with the one its pile says, in the words of
/// the poorer revision.
pub fn check(said: &Reports, booked: &Booked, poorer: Revision) {
    for report in booked.reports.values() {
        match report {
            Report::Start(got) => {
                same::<_, v1_0::StartTransactionReq>(start(&said.start), start(got), poorer);
            }
            Report::Stop(got) => {
                same::<_, v1_0::StopTransactionReq>(stop(&said.stop), stop(got), poorer);
            }
            Report::Transaction(got) => {
                let mut said = transaction(&said.transaction);
                if got.charge_start_time == 0 {
                    // Made from a stop, which does not say when power flowed.
                    (said.charge_start_time, said.charge_stop_time) = (0, 0);
                }
                same::<_, v1_0::TransactionReq>(said, transaction(got), poorer);
            }
        }
    }
}

fn same<New, Old>(said: New, got: New, poorer: Revision)
where
    New: Debug + PartialEq,
    Old: Debug + PartialEq + for<'a> From<&'a New>,
{
    match poorer {
        Revision::V1_0 => assert_eq!(Old::from(&got), Old::from(&said)),
        Revision::V1_10 => assert_eq!(got, said),
    }
}

/// Without what the site says in its own name: ids, and whether it was on line.
fn start(said: &wire::StartTransactionReq) -> wire::StartTransactionReq {
    wire::StartTransactionReq {
        record_id: String::new(),
        transaction_id: String::new(),
        connector_id: String::new(),
        evse_id: String::new(),
        offline: false,
        ..said.clone()
    }
}

fn stop(said: &wire::StopTransactionReq) -> wire::StopTransactionReq {
    wire::StopTransactionReq {
        record_id: String::new(),
        transaction_id: String::new(),
        connector_id: String::new(),
        evse_id: String::new(),
        ..said.clone()
    }
}

fn transaction(said: &wire::TransactionReq) -> wire::TransactionReq {
    wire::TransactionReq {
        record_id: String::new(),
        transaction_id: String::new(),
        connector_id: String::new(),
        evse_id: String::new(),
        ..said.clone()
    }
}
