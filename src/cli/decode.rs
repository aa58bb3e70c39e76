//! `decode`

use std::io::Read as _;

use anyhow::Context as _;
use data_encoding::{DecodeError, DecodeKind, HEXLOWER_PERMISSIVE};

use super::{Exit, Failure, table::print};
use crate::{
    domain::wire::Revision,
    protocol::{charger, ec, jcpp, outline::broken_at, peaq},
};

/// `decode`
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What the bytes are
    #[arg(long, value_enum)]
    wire: Wire,
    /// The bytes in hex; spaces and colons do not matter. `-` reads them from stdin
    #[arg(value_name = "HEX")]
    bytes: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Wire {
    /// The charging-station protocol of 2018: an APDU
    #[value(name = "charger-1.0")]
    Charger1_0,
    /// The charging-station protocol, revision 1.10: an APDU
    #[value(name = "charger-1.10")]
    Charger1_10,
    /// EC TCP: frames, also several, and what is between them
    Ec,
    /// JCPP: a message of the uplink queue
    Jcpp,
    /// peaq: an event, or the bare state of a charge point
    Peaq,
}

impl Wire {
    /// From the one whose bytes are told from others with most certainty to the one that takes
    /// most for its own.
    const ALL: [Self; 5] = [Self::Ec, Self::Charger1_0, Self::Charger1_10, Self::Jcpp, Self::Peaq];

    /// What its bytes say, or what is wrong with them.
    fn read(self, bytes: &[u8]) -> Result<String, String> {
        match self {
            Self::Charger1_0 => told(charger::readable::decode(Revision::V1_0, bytes)),
            Self::Charger1_10 => told(charger::readable::decode(Revision::V1_10, bytes)),
            Self::Ec => told(ec::readable::decode(bytes)),
            Self::Jcpp => told(jcpp::readable::decode(bytes)),
            Self::Peaq => told(peaq::readable::decode(bytes)),
        }
    }

    fn name(self) -> String {
        use clap::ValueEnum as _;
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

fn told<E: ToString>(read: Result<String, E>) -> Result<String, String> {
    read.map_err(|error| error.to_string())
}

/// Longest input, in characters: the largest message of any wire, a mebibyte, with a sign between
/// the bytes.
const MAX_INPUT: u64 = 4 << 20;

/// Most of the input that is quoted where it is wrong, in characters.
const QUOTED: usize = 16;

/// Prints a frame so that people can read it.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let text = match arguments.bytes.as_str() {
        "-" => from_stdin()?,
        text => text.to_owned(),
    };
    let bytes = bytes(&text).map_err(Failure::Usage)?;
    if bytes.is_empty() {
        let hint = "hint: a frame in hex, as an argument, or on stdin with -";
        return Err(Failure::Usage(format!("no bytes\n{hint}")));
    }
    let refused = |fault: String| anyhow::anyhow!(refusal(arguments.wire, &bytes, &fault));
    let shown = arguments.wire.read(&bytes).map_err(refused)?;
    print(&format!("{}\n", shown.trim_end()));
    Ok(Exit::Done)
}

fn from_stdin() -> Result<String, Failure> {
    let mut input = Vec::new();
    let stdin = std::io::stdin().lock();
    stdin.take(MAX_INPUT + 1).read_to_end(&mut input).context("cannot read stdin")?;
    if u64::try_from(input.len()).is_ok_and(|found| found > MAX_INPUT) {
        return Err(Failure::Usage(format!("more than {MAX_INPUT} characters on stdin")));
    }
    String::from_utf8(input).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let hint = "hint: hex is wanted, not the bytes themselves: xxd -p FRAME | sitepilot decode";
        Failure::Usage(format!("stdin is no text at byte {at}\n{hint} … -"))
    })
}

/// The bytes that a text in hex stands for.
fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let is_told = |c: &char| !c.is_whitespace() && *c != ':';
    let digits: String = text.chars().filter(is_told).collect();
    HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).map_err(|error| not_hex(&digits, error))
}

/// What is wrong with digits, which are counted without what stands between them.
fn not_hex(digits: &str, error: DecodeError) -> String {
    let hint = "hint: two of 0-9 and a-f for each byte; spaces, line ends and colons do not matter";
    if error.kind == DecodeKind::Length {
        let found = digits.chars().count();
        return format!("not hex: half a byte is left over, found {found} digits\n{hint}");
    }
    let from = digits.get(error.position..).unwrap_or(digits);
    let quoted: String = from.chars().take(QUOTED).collect();
    format!("not hex: at digit {} found {quoted:?}\n{hint}", error.position)
}

/// Why these bytes are none of the wire, where, and of which they are.
fn refusal(wire: Wire, bytes: &[u8], fault: &str) -> String {
    let mut text = format!("not of the wire {}: {fault}", wire.name());
    if let Some(at) = broken_at(bytes).filter(|_| wire != Wire::Ec) {
        let found = bytes.len();
        text.push_str(&format!("\nat byte {at} of {found}: what begins there is no field"));
    }
    // What begins like a frame of EC is a damaged one: only by chance another wire reads it.
    let is_cut = wire == Wire::Ec && bytes.starts_with(&ec::frame::MARK);
    let is_other = |other: &Wire| !is_cut && *other != wire && other.read(bytes).is_ok();
    let hint = match (Wire::ALL.into_iter().find(is_other), wire) {
        (Some(other), _) => format!("--wire {} reads these bytes", other.name()),
        (None, Wire::Ec) => {
            "a frame is 45 43, two bytes with the length of what follows, and that".to_owned()
        }
        (None, _) => "the payload of an MQTT message is wanted, without its topic".to_owned(),
    };
    text.push_str(&format!("\nhint: {hint}"));
    text
}
