//! What the audience of a demo sees.

use std::{io::IsTerminal, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::story::Act;
use crate::{
    domain::{reading::Quality, time::Mono},
    site::snapshot::{MeterStatus, Snapshot, UplinkStatus},
};

/// A live view on a terminal; lines of events elsewhere.
pub struct View {
    bars: Option<(MultiProgress, ProgressBar, ProgressBar, ProgressBar)>,
}

impl View {
    /// A view of a demo of this length.
    #[must_use]
    pub fn new(length: Duration) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { bars: None };
        }
        let bars = MultiProgress::new();
        let time =
            bars.add(ProgressBar::new(u64::try_from(length.as_millis()).unwrap_or(u64::MAX)));
        time.set_style(style("{bar:40.cyan} {percent:>3} %  {msg}"));
        let orders = bars.add(ProgressBar::new(0));
        orders.set_style(style("{bar:40.green} {pos}/{len} orders settled  {msg}"));
        let meters = bars.add(ProgressBar::new(0));
        meters.set_style(style("{msg}"));
        Self { bars: Some((bars, time, orders, meters)) }
    }

    /// Something happened.
    pub fn event(&self, at: Mono, text: &str) {
        let line = format!("{:>5}.{} s  {text}", at.0 / 1000, at.0 % 1000 / 100);
        match &self.bars {
            // A terminal that went away does not stop the demo.
            Some((bars, ..)) => drop(bars.println(line)),
            None => eprintln!("{line}"),
        }
    }

    /// The site as it is now.
    pub fn show(&self, at: Mono, snapshot: &Snapshot) {
        let Some((_, time, orders, meters)) = &self.bars else { return };
        meters.set_message(meter_line(snapshot));
        time.set_position(at.0);
        time.set_message(format!(
            "{}  piles {}/{}  charging {}",
            of_uplinks(snapshot, |uplink| format!("{:<8}", uplink.state)),
            snapshot.piles.iter().filter(|pile| pile.is_connected).count(),
            snapshot.piles.len(),
            snapshot.open.len(),
        ));
        let ended = snapshot.orders.saturating_sub(u64::try_from(snapshot.open.len()).unwrap_or(0));
        orders.set_length(ended);
        orders.set_position(ended.saturating_sub(snapshot.unsettled));
        let owed = |uplink: &UplinkStatus| {
            let eta = uplink.eta_s.map(|s| format!(", {s} s to go")).unwrap_or_default();
            format!("is owed {}{eta}", uplink.backlog)
        };
        orders.set_message(of_uplinks(snapshot, owed));
    }

    /// The demo is over.
    pub fn finish(&self) {
        if let Some((_, time, orders, meters)) = &self.bars {
            time.finish();
            orders.finish();
            meters.finish();
        }
    }
}

/// Every uplink with what is said of it.
fn of_uplinks(snapshot: &Snapshot, said: impl Fn(&UplinkStatus) -> String) -> String {
    let one = |uplink: &UplinkStatus| format!("{} {}", uplink.name, said(uplink));
    snapshot.uplinks.iter().map(one).collect::<Vec<_>>().join("   ")
}

/// Every meter with its power, or with what is thought of it.
fn meter_line(snapshot: &Snapshot) -> String {
    let one = |meter: &MeterStatus| match (meter.quality, meter.values.power_w) {
        (Quality::Good, Some(power_w)) => format!("{} {} kW", meter.name, power_w / 1_000),
        (quality, _) => format!("{} {}", meter.name, quality.name()),
    };
    snapshot.meters.iter().map(one).collect::<Vec<_>>().join("   ")
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸ ")
}

/// An act in words; `None`: too frequent to tell.
#[must_use]
pub fn words(act: &Act) -> Option<String> {
    let pile = |index: &usize| char::from(b'A' + u8::try_from(*index).unwrap_or(25));
    Some(match act {
        Act::Card { .. } | Act::Stop { .. } => return None,
        Act::Cut { in_replay: false } => "the link to the cloud breaks".to_owned(),
        Act::Cut { in_replay: true } => {
            "the link to the cloud breaks again, in mid-replay".to_owned()
        }
        Act::Heal => "the link to the cloud is back".to_owned(),
        Act::Repeat { pile: index } => format!("pile {} sends an order again", pile(index)),
        Act::Dispute { pile: index } => {
            format!("pile {} sends an order again, with other figures", pile(index))
        }
        Act::Silence => "the meter of connector 2 of pile A falls silent".to_owned(),
        Act::Speech => "that meter would answer again".to_owned(),
        Act::CutRegulator => "the link to the regulator breaks".to_owned(),
        Act::HealRegulator => "the link to the regulator is back".to_owned(),
        Act::Hang => "the regulator's server hangs, while its system goes on to accept".to_owned(),
        Act::Restart => {
            "the regulator's server is restarted, without what it had not read".to_owned()
        }
        Act::PowerCut { pile: index } => {
            format!("pile {} loses power in mid-order, and its memory", pile(index))
        }
    })
}
