//! The settings of a line that are tried.

use crate::{protocol::modbus::Parity, serial::Port};

/// Speeds that meters leave the factory with, the most common first.
const COMMON: [u32; 6] = [9600, 19_200, 2400, 4800, 38_400, 115_200];

/// A slave with two stop bits understands, and is understood, with one.
const PARITIES: [Parity; 3] = [Parity::None, Parity::Even, Parity::Odd];

/// The configured setting, and then the others; a network has one.
pub(super) fn of(configured: &Port, speeds: &[u32]) -> Vec<Port> {
    let mut candidates = vec![configured.clone()];
    let Port::Serial { path, rs485, .. } = configured else { return candidates };
    let speeds = if speeds.is_empty() { &COMMON[..] } else { speeds };
    for baud in speeds {
        for parity in PARITIES {
            let (path, rs485) = (path.clone(), *rs485);
            let port = Port::Serial { path, baud: *baud, parity, stop_bits: 1, rs485 };
            if !candidates.contains(&port) {
                candidates.push(port);
            }
        }
    }
    candidates
}

/// As it is written on a plate: 9600 8E1.
pub(super) fn written(port: &Port) -> String {
    match port {
        Port::Serial { baud, parity, stop_bits, .. } => {
            let parity = match parity {
                Parity::None => 'N',
                Parity::Even => 'E',
                Parity::Odd => 'O',
            };
            format!("{baud} 8{parity}{stop_bits}")
        }
        Port::Tcp { address, .. } => address.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serial::Framing;

    fn line(baud: u32, parity: Parity) -> Port {
        Port::Serial { path: "/dev/x".into(), baud, parity, stop_bits: 1, rs485: None }
    }

    #[test]
    fn the_configured_setting_comes_first_and_each_comes_once() {
        let all = of(&line(19_200, Parity::Even), &[]);
        assert_eq!((all.len(), &all[0]), (18, &line(19_200, Parity::Even)));
        assert_eq!(all[1], line(9600, Parity::None));
        let some = of(&line(19_200, Parity::Even), &[300]);
        let written: Vec<_> = some.iter().map(written).collect();
        assert_eq!(written, ["19200 8E1", "300 8N1", "300 8E1", "300 8O1"]);
        let network = Port::Tcp { address: "h:502".to_owned(), framing: Framing::Tcp };
        assert_eq!(of(&network, &[300]), vec![network]);
    }
}
