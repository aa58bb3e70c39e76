//! Holds back what repeats: a fault that comes every second fills no flash memory, and is told
//! with how often it came.
//!
//! Each kind of line about one thing has a bucket of lines that fills up again slowly. What finds
//! the bucket empty is held back and counted; the newest of it is written, with the number of the
//! others, now and then while the flood lasts and once when it is over.

use std::collections::BTreeMap;

use tracing::Level;

use super::line::Line;
use crate::domain::time::Mono;

/// Fields that name the thing a line is about. Not what a stranger can make up: with that, a
/// flood would have a bucket for each of its lines.
const THINGS: [&str; 7] = ["alarm", "pile", "connector", "uplink", "meter", "bus", "room"];

/// While a flood lasts, it is told that often.
const TELL_MS: u64 = 10 * 60_000;

/// A flood is over when nothing came for so long.
const QUIET_MS: u64 = 60_000;

/// Buckets; beyond it, things share one for each kind of line. Each pile of a full site has a few.
const BUCKETS: usize = 2048;

/// How many lines of a kind there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pace {
    /// At once.
    burst: u64,
    /// Until there is room for another one.
    refill_ms: u64,
}

/// Faults tend to repeat.
const FAULTS: Pace = Pace { burst: 10, refill_ms: 2 * 60_000 };

/// Changes that an operator would tell a colleague: a pile may come and go a few times.
const CHANGES: Pace = Pace { burst: 20, refill_ms: 30_000 };

/// Each order is told of by itself, while a backlog drains thousands of them; the journal of
/// systemd takes 10 000 lines in 30 s of a service and drops the rest, whatever it says.
const ORDERS: Pace = Pace { burst: 1000, refill_ms: 100 };

impl Pace {
    /// `None`: whoever asked for such lines wants them all.
    fn of(line: &Line) -> Option<Self> {
        match line.level {
            Level::ERROR | Level::WARN => Some(FAULTS),
            Level::INFO if line.field("order").is_some() => Some(ORDERS),
            Level::INFO => Some(CHANGES),
            _ => None,
        }
    }
}

/// What a line has in common with others of its kind, by which they share a bucket.
fn kind(line: &Line, pace: Pace) -> Kind {
    let place = match &line.place {
        Some((file, number)) => format!("{file}:{number}"),
        None => line.target.clone(),
    };
    if pace == ORDERS {
        // What became of an order is one of a few fixed texts.
        return Kind { place: format!("{place} {}", line.message), thing: String::new() };
    }
    let things = THINGS.iter().filter_map(|name| line.field(name));
    Kind { place, thing: things.collect::<Vec<_>>().join(" ") }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    place: String,
    /// Empty: all of the place.
    thing: String,
}

/// The lines of one kind.
#[derive(Debug)]
struct Bucket {
    pace: Pace,
    /// Lines that may be written.
    left: u64,
    /// When the bucket was filled up last.
    filled: Mono,
    /// When the last line came.
    last: Mono,
    /// When the last line was written.
    told: Mono,
    /// Held back since, and the newest of it.
    held: u64,
    newest: Option<Line>,
}

impl Bucket {
    fn new(pace: Pace, now: Mono) -> Self {
        let (filled, last, told) = (now, now, now);
        Self { pace, left: pace.burst, filled, last, told, held: 0, newest: None }
    }

    fn fill(&mut self, now: Mono) {
        let more = now.since_ms(self.filled) / self.pace.refill_ms;
        self.left = self.left.saturating_add(more).min(self.pace.burst);
        self.filled = self.filled.plus_ms(more.saturating_mul(self.pace.refill_ms));
    }

    fn take(&mut self, line: Line, now: Mono) -> Option<Line> {
        self.fill(now);
        self.last = now;
        // In the middle of a flood nothing goes past what was held back.
        if self.left > 0 && self.held == 0 {
            self.left -= 1;
            self.told = now;
            return Some(line);
        }
        self.held = self.held.saturating_add(1);
        self.newest = Some(line);
        None
    }

    /// What is to be told of the flood now.
    fn tell(&mut self, now: Mono) -> Option<Line> {
        self.fill(now);
        if self.held == 0 {
            return None;
        }
        if now.since_ms(self.last) >= QUIET_MS && self.left > 0 {
            self.left -= 1;
        } else if now.since_ms(self.told) >= TELL_MS {
            // While it lasts, nothing is written beside what is told of it.
            self.left = 0;
        } else {
            return None;
        }
        self.told = now;
        self.sum_up()
    }

    fn sum_up(&mut self) -> Option<Line> {
        let line = self.newest.take()?;
        let others = std::mem::take(&mut self.held).saturating_sub(1);
        Some(summary(line, others))
    }

    fn is_idle(&self) -> bool {
        self.held == 0 && self.left == self.pace.burst
    }
}

/// The newest of what was held back, for all of it.
fn summary(mut line: Line, others: u64) -> Line {
    if others > 0 {
        line.message = format!("{} (and {others} more like it)", line.message);
        line.fields.push(("more", others.to_string()));
    }
    line
}

/// All that repeats.
#[derive(Debug, Default)]
pub(super) struct Flood {
    buckets: BTreeMap<Kind, Bucket>,
}

impl Flood {
    /// Gives the line back if it is to be written now.
    pub(super) fn take(&mut self, line: Line, now: Mono) -> Option<Line> {
        let Some(pace) = Pace::of(&line) else { return Some(line) };
        let mut kind = kind(&line, pace);
        // There are as many places as the program has; only the things are without end.
        if self.buckets.len() >= BUCKETS && !self.buckets.contains_key(&kind) {
            kind.thing.clear();
        }
        self.buckets.entry(kind).or_insert_with(|| Bucket::new(pace, now)).take(line, now)
    }

    /// What is to be told of floods now; forgets what is over.
    pub(super) fn tell(&mut self, now: Mono) -> Vec<Line> {
        let told = self.buckets.values_mut().filter_map(|bucket| bucket.tell(now)).collect();
        self.buckets.retain(|_, bucket| !bucket.is_idle());
        told
    }

    /// What was held back until the program ends.
    pub(super) fn end(&mut self) -> Vec<Line> {
        self.buckets.values_mut().filter_map(Bucket::sum_up).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1000;
    const DAY: u64 = 86_400 * SECOND;

    fn line(level: Level, pile: &str, message: &str) -> Line {
        let mut line = Line::own(level, 0, message.to_owned());
        line.place = Some(("gate.rs".to_owned(), 7));
        if !pile.is_empty() {
            line.add("pile", pile.to_owned());
        }
        line
    }

    /// What is written of lines that come at these moments, looked after each second until `end`.
    fn written(times: impl IntoIterator<Item = u64>, end: u64, level: Level) -> Vec<(u64, Line)> {
        let (mut flood, mut all) = (Flood::default(), Vec::new());
        let mut times = times.into_iter().peekable();
        for second in (0..=end).step_by(1000) {
            while let Some(ms) = times.next_if(|ms| *ms <= second) {
                let taken = flood.take(line(level, "1", &ms.to_string()), Mono(ms));
                all.extend(taken.map(|line| (ms, line)));
            }
            all.extend(flood.tell(Mono(second)).into_iter().map(|line| (second, line)));
        }
        assert_eq!(flood.end(), []);
        all
    }

    #[test]
    fn a_burst_passes_and_the_rest_is_told_with_its_number_when_it_is_over() {
        let all = written((0..500).map(|n| n * 10), 200 * SECOND, Level::WARN);
        let (burst, rest) = all.split_at(10);
        assert!(burst.iter().zip(0..).all(|((at, _), n)| *at == n * 10), "{burst:?}");
        let [(at, last)] = rest else { panic!("{rest:?}") };
        // A place is free again after two minutes.
        assert_eq!(*at, 120 * SECOND);
        assert_eq!(last.message, "4990 (and 489 more like it)");
        assert_eq!(last.field("more"), Some("489"));
        assert_eq!(last.field("pile"), Some("1"), "it keeps the fields of the newest");
    }

    #[test]
    fn a_flood_that_lasts_is_told_of_every_ten_minutes() {
        let all = written((0..7200).map(|s| s * SECOND), 7320 * SECOND, Level::ERROR);
        let told: Vec<_> = all[10..].iter().map(|(at, _)| at / SECOND).collect();
        // The last one before it was at 9 s, the last of all ends the flood.
        let wanted: Vec<u64> = (0..12).map(|n| 609 + 600 * n).collect();
        assert_eq!(told, wanted);
        let more: u64 =
            all.iter().filter_map(|(_, line)| line.field("more")?.parse::<u64>().ok()).sum();
        assert_eq!(more + 10 + 12, 7200, "each one is written or counted");
    }

    #[test]
    fn a_day_of_whatever_repeats_is_a_few_hundred_lines() {
        for (every_ms, at_most) in [(100, 160), (SECOND, 160), (70 * SECOND, 900)] {
            let times = (0..DAY / every_ms).map(|n| n * every_ms);
            let all = written(times, DAY + TELL_MS, Level::WARN);
            assert!(all.len() <= at_most, "every {every_ms} ms: {}", all.len());
        }
        // What comes seldom is all there.
        let seldom = written((0..96).map(|n| n * 900 * SECOND), DAY, Level::WARN);
        assert!(seldom.iter().all(|(_, line)| line.field("more").is_none()) && seldom.len() == 96);
    }

    #[test]
    fn a_restless_pile_hides_no_other_and_nothing_else_of_itself() {
        let mut flood = Flood::default();
        for ms in 0..10_000 {
            let _ = flood.take(line(Level::INFO, "1", "pile gone"), Mono(ms));
        }
        let mut passes = |line: Line| flood.take(line, Mono(10_000)).is_some();
        assert!(!passes(line(Level::INFO, "1", "pile gone")));
        assert!(passes(line(Level::INFO, "2", "pile gone")));
        let mut other = line(Level::INFO, "1", "pile connected");
        other.place = Some(("gate.rs".to_owned(), 8));
        assert!(passes(other));
    }

    #[test]
    fn orders_are_told_of_one_by_one_and_a_backlog_that_drains_is_cut_short() {
        let order = |number: u64, message: &str| {
            let mut line = line(Level::INFO, "1", message);
            line.add("order", format!("{number:032}"));
            line
        };
        let mut flood = Flood::default();
        let busy = (0..900).map(|n| n * SECOND / 10);
        let told = busy.filter(|ms| flood.take(order(*ms, "order settled"), Mono(*ms)).is_some());
        assert_eq!(told.count(), 900);
        let drain = (0..30 * SECOND).map(|ms| 100 * SECOND + ms);
        let told = drain.filter(|ms| flood.take(order(*ms, "order settled"), Mono(*ms)).is_some());
        assert!((1000..2000).contains(&told.count()));
        let other = order(1, "order started");
        assert_eq!(flood.take(other.clone(), Mono(130 * SECOND)), Some(other));
    }

    #[test]
    fn what_was_asked_for_in_detail_is_not_held_back() {
        let mut flood = Flood::default();
        let told =
            (0..9999).filter(|ms| flood.take(line(Level::DEBUG, "1", ""), Mono(*ms)).is_some());
        assert_eq!(told.count(), 9999);
    }

    #[test]
    fn memory_is_bounded_and_what_is_over_is_forgotten() {
        let mut flood = Flood::default();
        for number in 0..10 * BUCKETS {
            let _ = flood.take(line(Level::WARN, &number.to_string(), ""), Mono(0));
        }
        assert_eq!(flood.buckets.len(), BUCKETS + 1);
        // The shared bucket holds the rest back, and says so.
        assert_eq!(flood.tell(Mono(TELL_MS)).len(), 1);
        let _ = flood.tell(Mono(DAY));
        assert!(flood.buckets.is_empty());
    }
}
