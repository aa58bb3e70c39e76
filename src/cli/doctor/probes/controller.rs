//! What the running controller says.

use std::{path::Path, time::Duration};

use serde_json::Value;

use super::super::facts::{Answer, Controller, Known, Unknown};
use crate::cli::client::Client;

/// A controller that makes progress answers in milliseconds, a busy small board in seconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// What it says, and its metrics as a text.
#[derive(Debug)]
pub(in crate::cli::doctor) struct Heard {
    pub(in crate::cli::doctor) controller: Controller,
    pub(in crate::cli::doctor) metrics: Known<String>,
}

pub(in crate::cli::doctor) fn ask(socket: &Path) -> Known<Heard> {
    let client = Client::connect_for(socket, PATIENCE).map_err(|error| Unknown(told(&error)))?;
    let Some(mut client) = client else {
        let metrics = Err(Unknown("the controller does not run".to_owned()));
        return Ok(Heard { controller: Controller::Absent, metrics });
    };
    Ok(listen(&mut client).unwrap_or_else(|error| Heard {
        controller: Controller::Silent(told(&error)),
        metrics: Err(Unknown(told(&error))),
    }))
}

fn listen(client: &mut Client) -> anyhow::Result<Heard> {
    let status = client.get("/api/v1/status")?;
    let health: Value = serde_json::from_str(&client.page("/healthz")?)?;
    let stuck = health["stuck"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let answer = Answer { status, stuck: stuck.map(ToOwned::to_owned).collect() };
    let metrics = client.page("/metrics").map_err(|error| Unknown(told(&error)));
    Ok(Heard { controller: Controller::Answers(Box::new(answer)), metrics })
}

/// An error without the hint that it has for those who sit before it.
fn told(error: &anyhow::Error) -> String {
    format!("{error:#}").lines().next().unwrap_or_default().to_owned()
}
