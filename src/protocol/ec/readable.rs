//! Any stretch of the stream as text, for people and for golden vectors.

use std::fmt::Write as _;

use super::{
    super::{decimal::fixed, dialect::NotOfWire, utc},
    frame::{Cutter, Frame, HEADER_BYTES, LENGTH_LIMIT, MARK},
    message::{Message, PointValue, RealTime, Record},
    points::Point,
};
use crate::domain::connector::PileKind;

/// Bytes of the body of an unknown command that are shown.
const SHOWN_BYTES: usize = 64;

/// Reads frames, of either side, and writes each as text: command, place and length in one line,
/// then one field in a line. Bytes between frames, and a frame that is cut, are told with their
/// place; so is a frame whose body is not that of its command.
///
/// # Errors
///
/// If no frame in it can be read: what is wrong with the first.
pub fn decode(bytes: &[u8]) -> Result<String, NotOfWire> {
    let mut cutter = Cutter::new(LENGTH_LIMIT);
    cutter.push(bytes);
    let mut shown = Shown::default();
    loop {
        let cut = cutter.cut();
        if cut.is_none() && cutter.is_amid() {
            // It never becomes whole; what lies behind its mark may hold frames.
            cutter.abandon();
            continue;
        }
        shown.skip(cutter.discarded());
        match cut {
            Some(frame) => shown.frame(&frame),
            None => return shown.told(bytes),
        }
    }
}

/// What has been read so far.
#[derive(Default)]
struct Shown {
    text: String,
    at: u64,
    discarded: u64,
    is_any_read: bool,
    fault: Option<NotOfWire>,
}

impl Shown {
    /// So many bytes of the stream are in no frame by now.
    fn skip(&mut self, discarded: u64) {
        let bytes = discarded - self.discarded;
        if bytes > 0 {
            // Writing to a String cannot fail.
            let _ = writeln!(self.text, "no frame at byte {}, {bytes} bytes", self.at);
        }
        self.discarded = discarded;
        self.at = self.at.saturating_add(bytes);
    }

    fn frame(&mut self, frame: &Frame) {
        let length = HEADER_BYTES + 2 + frame.body.len();
        let (command, at) = (frame.command, self.at);
        let text = &mut self.text;
        let read = Message::decode(frame);
        let name = match &read {
            Ok(Some(Message::Heartbeat)) => "heartbeat",
            Ok(Some(Message::RealTime(_))) => "real-time data",
            Ok(Some(Message::Record(_))) => "consumption record",
            Ok(None) => "unknown command",
            Err(_) => "broken",
        };
        let _ = writeln!(text, "EC {name} {command} at byte {at}, {length} bytes");
        self.is_any_read |= name != "broken";
        match read {
            Ok(Some(Message::Heartbeat)) => {}
            Ok(Some(Message::RealTime(data))) => real_time(text, &data),
            Ok(Some(Message::Record(order))) => record(text, &order),
            Ok(None) => body(text, &frame.body),
            Err(fault) => {
                let _ = writeln!(text, "    {fault}");
                let found = format!("{} in the frame at byte {at}", fault.found);
                self.fault.get_or_insert(NotOfWire { found, ..fault });
            }
        }
        self.at = at.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
    }

    fn told(self, bytes: &[u8]) -> Result<String, NotOfWire> {
        if self.is_any_read {
            return Ok(self.text);
        }
        let found = match announced(bytes) {
            Some(whole) => format!("{} bytes of one of {whole}", bytes.len()),
            None => format!("none in {} bytes", bytes.len()),
        };
        Err(self.fault.unwrap_or(NotOfWire { at: "stream", wanted: "a whole frame", found }))
    }
}

/// Length in bytes of the frame that begins these, if it has a length that there is.
fn announced(bytes: &[u8]) -> Option<usize> {
    let length = bytes.strip_prefix(&MARK)?.first_chunk()?;
    let length = usize::from(u16::from_be_bytes(*length));
    (length <= LENGTH_LIMIT).then_some(HEADER_BYTES + length)
}

fn real_time(text: &mut String, data: &RealTime) {
    let kind = match data.kind {
        PileKind::Ac => "AC",
        PileKind::Dc => "DC",
    };
    let _ = writeln!(text, "    organisation: {}", data.organisation);
    let _ = writeln!(text, "    pile: {}", data.pile);
    let _ = writeln!(text, "    gun: {}", data.gun);
    let _ = writeln!(text, "    pile type: {kind}");
    for value in &data.points {
        point(text, value);
    }
}

/// Kind and address of a point, its name and its value in its unit, or what the value means.
fn point(text: &mut String, value: &PointValue) {
    let (kind, raw) = (value.value.kind(), value.value.raw());
    let _ = write!(text, "    {}/{}", kind.number(), value.address);
    let Some(point) = Point::find(kind, value.address) else {
        let _ = writeln!(text, " unknown: {raw}");
        return;
    };
    let shown = fixed(raw, places(point.scale));
    let _ = write!(text, " {}: {shown}", point.name);
    for more in [Some(point.unit), point.meaning(raw)].into_iter().flatten() {
        let _ = if more.is_empty() { Ok(()) } else { write!(text, " {more}") };
    }
    text.push('\n');
}

/// Decimal places of a value that is written so many times its size.
const fn places(scale: u32) -> usize {
    match scale {
        1000 => 3,
        100 => 2,
        10 => 1,
        _ => 0,
    }
}

fn record(text: &mut String, record: &Record) {
    let _ = writeln!(text, "    organisation: {}", record.organisation);
    let _ = writeln!(text, "    pile: {}", record.pile);
    let _ = writeln!(text, "    gun: {}", record.gun);
    let _ = writeln!(text, "    trade number: {}", record.trade);
    for (name, unix_s) in [("start", record.start_s), ("end", record.end_s)] {
        let time = utc::rfc3339(unix_s.into()).unwrap_or_default();
        let _ = writeln!(text, "    {name}: {unix_s} {time}");
    }
    let _ = writeln!(text, "    energy: {} kWh", fixed(record.energy_wh, 3));
    let _ = writeln!(text, "    amount: {} yuan", fixed(record.amount_fen, 2));
    let _ = writeln!(text, "    service fee: {} yuan", fixed(record.service_fen, 2));
}

/// The begin of a body that nobody can read.
fn body(text: &mut String, body: &[u8]) {
    let begin = &body[..body.len().min(SHOWN_BYTES)];
    if !begin.is_empty() {
        let more = if begin.len() < body.len() { "…" } else { "" };
        let _ = writeln!(text, "    {}{more}", data_encoding::HEXLOWER.encode(begin));
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::{
        super::{message::Text, points::Value},
        *,
    };

    const HEARTBEAT: &[u8] = b"EC\x00\x02\x00\x65";

    #[test]
    fn frames_and_what_is_between_them_are_told_with_their_places() {
        let stream =
            [b"\x00", HEARTBEAT, b"xy", HEARTBEAT, b"EC\x00\x05\x00\x07abc", b"EC\x00\x09"];
        let text = decode(&stream.concat()).unwrap();
        let wanted = "no frame at byte 0, 1 bytes\n\
                      EC heartbeat 101 at byte 1, 6 bytes\n\
                      no frame at byte 7, 2 bytes\n\
                      EC heartbeat 101 at byte 9, 6 bytes\n\
                      EC unknown command 7 at byte 15, 9 bytes\n    616263\n\
                      no frame at byte 24, 4 bytes\n";
        assert_eq!(text, wanted);
    }

    #[test]
    fn a_record_and_real_time_data_are_told_in_their_units() {
        let pile = Text::new("pile", "3101150012000001").unwrap();
        let record = Message::Record(Record {
            organisation: 1000,
            pile: pile.clone(),
            gun: 2,
            trade: Text::new("trade", "T1").unwrap(),
            start_s: 1_795_000_000,
            end_s: 1_795_003_600,
            energy_wh: 12_040,
            amount_fen: 2470,
            service_fen: 1203,
        });
        let text = decode(&record.encode().unwrap()).unwrap();
        let wanted = "EC consumption record 1005 at byte 0, 53 bytes\n    organisation: 1000\n    \
                      pile: 3101150012000001\n    gun: 2\n    trade number: T1\n    \
                      start: 1795000000 2026-11-18T11:06:40Z\n    \
                      end: 1795003600 2026-11-18T12:06:40Z\n    energy: 12.040 kWh\n    \
                      amount: 24.70 yuan\n    service fee: 12.03 yuan\n";
        assert_eq!(text, wanted);
        let value = |address, value| PointValue { address, value };
        let points = vec![
            value(1, Value::Measured(3)),
            value(3, Value::Measured(4001)),
            value(99, Value::Single(1)),
        ];
        let data = RealTime { organisation: 1000, pile, gun: 2, kind: PileKind::Dc, points };
        let text = decode(&Message::RealTime(data).encode().unwrap()).unwrap();
        let wanted = "    pile type: DC\n    3/1 charger_state: 3 charging\n    \
                      3/3 output_voltage: 400.1 V\n    1/99 unknown: 1\n";
        assert!(text.ends_with(wanted), "{text}");
    }

    #[test]
    fn a_frame_within_one_that_is_cut_is_found() {
        let text = decode(&[&b"EC\x00\x40"[..], HEARTBEAT].concat()).unwrap();
        let wanted = "no frame at byte 0, 4 bytes\nEC heartbeat 101 at byte 4, 6 bytes\n";
        assert_eq!(text, wanted);
    }

    #[test]
    fn bytes_without_a_frame_are_an_error_with_its_place() {
        assert_eq!(
            decode(b"EC\x00\x02\x00").unwrap_err().to_string(),
            "stream: wanted a whole frame, found 5 bytes of one of 6"
        );
        let too_long = decode(b"EC\xff\xff\x00\x65").unwrap_err().to_string();
        assert!(too_long.ends_with("found none in 6 bytes"), "{too_long}");
        let broken = decode(b"EC\x00\x04\x03\xed\x00\x01").unwrap_err().to_string();
        assert!(broken.ends_with("in the frame at byte 0"), "{broken}");
        let beside = decode(&[&b"EC\x00\x04\x03\xed\x00\x01"[..], HEARTBEAT].concat()).unwrap();
        assert!(beside.contains("EC broken 1005 at byte 0, 8 bytes"), "{beside}");
    }
}
