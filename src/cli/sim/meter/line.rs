//! What the lines on stdin of `sim meter` do.

use crate::{
    domain::{quantity::Energy, time::Mono},
    peers::meter::{Fault, Lasting, Load, Meters, Slave, Step, pty::Socket},
};

/// Obeys a line and says what it did; `None`: it is not understood. A line goes to the first
/// meter, or to that of `@ADDRESS` before it.
pub(super) fn direct(
    meters: &Meters,
    addresses: &[u8],
    socket: Option<&Socket>,
    words: &[&str],
) -> Option<String> {
    let (address, words) = match words {
        [at, rest @ ..] if at.starts_with('@') => (at[1..].parse().ok()?, rest),
        _ => (*addresses.first()?, words),
    };
    match (words, socket) {
        (["unplug"], Some(socket)) => {
            socket.unplug();
            return Some("unplugged".to_owned());
        }
        (["plug"], Some(socket)) => {
            socket.plug_in();
            return Some(format!("port {}", socket.path().display()));
        }
        _ => {}
    }
    let done = meters.with(address, |slave, now| obey(slave, now, words))??;
    Some(format!("{address}: {done}"))
}

fn obey(slave: &mut Slave, now: Mono, words: &[&str]) -> Option<String> {
    match words {
        ["load", steps @ ..] => {
            slave.set_load(&load(steps)?, now);
            Some(format!("load {}", steps.join(" ")))
        }
        ["energy", wh] => {
            slave.set_energy(Energy::from_wh(wh.parse().ok()?), now);
            Some(format!("energy {wh} Wh"))
        }
        ["replace"] => {
            slave.replace(now);
            Some("another meter: its energy is 0".to_owned())
        }
        ["values"] => {
            let values = slave.values(now);
            let wh = |energy: Option<Energy>| energy.map_or(0, Energy::wh);
            let power_w = values.power_w.unwrap_or(0);
            let (import, export) = (wh(values.energy_import), wh(values.energy_export));
            Some(format!("import {import} Wh, export {export} Wh, {power_w} W"))
        }
        ["well"] => {
            slave.be_well();
            Some("well".to_owned())
        }
        [fault, rest @ ..] => {
            let (faults, lasting) = ordered(fault, rest, now)?;
            faults.into_iter().for_each(|fault| slave.fail(fault, lasting));
            Some(words.join(" "))
        }
        [] => None,
    }
}

/// A power, or powers with the ms that each lasts, again and again.
fn load(words: &[&str]) -> Option<Load> {
    if let [power_w] = words {
        return power_w.parse().ok().map(Load::constant);
    }
    let steps: Option<Vec<Step>> = words
        .chunks(2)
        .map(|step| match step {
            [power_w, for_ms] => {
                Some(Step { for_ms: for_ms.parse().ok()?, power_w: power_w.parse().ok()? })
            }
            _ => None,
        })
        .collect();
    steps.filter(|steps| !steps.is_empty()).map(|steps| Load::steps(&steps))
}

/// The faults a line orders, and for how long.
fn ordered(fault: &str, rest: &[&str], now: Mono) -> Option<(Vec<Fault>, Lasting)> {
    let (parameter, rest) = match (fault, rest) {
        ("late" | "split" | "babble" | "exception" | "count", [first, rest @ ..]) => (*first, rest),
        _ => ("", rest),
    };
    let faults = match fault {
        "silent" => return Some((vec![Fault::Silent], lasting_until(rest, now)?)),
        "late" => vec![Fault::Late { ms: parameter.parse().ok()? }],
        "split" => vec![Fault::Split { ms: parameter.parse().ok()? }],
        "babble" => vec![Fault::Babble { ms: parameter.parse().ok()? }],
        "exception" => vec![Fault::Exception(parameter.parse().ok()?)],
        "count" => vec![Fault::WrongCount { by: parameter.parse().ok()? }],
        "half" => vec![Fault::Half],
        "flip" => vec![Fault::Flip],
        "wrong" => vec![Fault::WrongAddress],
        "function" => vec![Fault::WrongFunction],
        "noise" => vec![Fault::NoiseBefore(Vec::new()), Fault::NoiseAfter(Vec::new())],
        "twice" => vec![Fault::Twice],
        "echo" => vec![Fault::Echo],
        "stuck" => vec![Fault::Stuck],
        _ => return None,
    };
    Some((faults, lasting(rest)?))
}

/// For so many answers; without a number for ever.
fn lasting(words: &[&str]) -> Option<Lasting> {
    match words {
        [] => Some(Lasting::ForEver),
        [answers] => answers.parse().ok().map(Lasting::Answers),
        _ => None,
    }
}

/// For so many ms; without a number for ever.
fn lasting_until(words: &[&str], now: Mono) -> Option<Lasting> {
    match words {
        [] => Some(Lasting::ForEver),
        [ms] => ms.parse().ok().map(|ms| Lasting::Until(now.plus_ms(ms))),
        _ => None,
    }
}
