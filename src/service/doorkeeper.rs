//! Raises an alarm while somebody tries the doors again and again. One wrong password is a line in
//! the log and a counter; this is for what does not stop.

use std::{collections::VecDeque, time::Duration};

use crate::{
    broker::{Doors, DoorsCounters},
    site::{Input, alarm::DoorsTrouble},
};

/// Between looks at the counters.
const INTERVAL: Duration = Duration::from_secs(60);

/// Looks that are compared: ten minutes.
const LOOKS: usize = 10;

/// Refused logins in that time that are no mistake any more: a pile whose password was mistyped
/// comes every few seconds.
const MANY_LOGINS: u64 = 20;

/// What was counted at one look.
#[derive(Debug, Clone, Copy)]
struct Look {
    logins: u64,
    floods: u64,
}

/// Compares looks.
#[derive(Debug, Default)]
struct Doorkeeper {
    looks: VecDeque<Look>,
    stands: Vec<DoorsTrouble>,
}

impl Doorkeeper {
    /// What has begun or ended since the last look.
    fn look(&mut self, counters: &DoorsCounters) -> Vec<Input> {
        let now = Look {
            logins: counters.refused_logins + counters.throttled_logins,
            floods: counters.floods,
        };
        let first = self.looks.front().copied().unwrap_or(now);
        if self.looks.len() >= LOOKS {
            self.looks.pop_front();
        }
        self.looks.push_back(now);
        let (logins, floods) = (now.logins - first.logins, now.floods - first.floods);
        let logins_text = format!("{logins} logins of piles refused in ten minutes; see the log");
        let flood_text = "a client sends more than it may and is slowed down; see the log";
        [
            self.change(DoorsTrouble::Logins, logins >= MANY_LOGINS, logins_text),
            self.change(DoorsTrouble::Flood, floods > 0, flood_text.to_owned()),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn change(&mut self, trouble: DoorsTrouble, is_there: bool, text: String) -> Option<Input> {
        let stood = self.stands.contains(&trouble);
        self.stands.retain(|standing| *standing != trouble);
        self.stands.extend(is_there.then_some(trouble));
        (is_there != stood).then(|| Input::Doors { trouble, text: is_there.then_some(text) })
    }
}

/// Looks at the doors until the site has ended.
pub async fn watch(doors: Doors, inbox: flume::Sender<Input>) {
    let mut keeper = Doorkeeper::default();
    loop {
        for input in keeper.look(&doors.counters()) {
            if inbox.send_async(input).await.is_err() {
                return;
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(
        keeper: &mut Doorkeeper,
        refused_logins: u64,
        floods: u64,
    ) -> Vec<(DoorsTrouble, bool)> {
        let counters = DoorsCounters { refused_logins, floods, ..DoorsCounters::default() };
        let begun = |input: Input| match input {
            Input::Doors { trouble, text } => (trouble, text.is_some()),
            other => panic!("not of the doors: {other:?}"),
        };
        keeper.look(&counters).into_iter().map(begun).collect()
    }

    #[test]
    fn an_alarm_stands_while_logins_fail_all_the_time() {
        let mut keeper = Doorkeeper::default();
        assert_eq!(told(&mut keeper, 1_000, 3), [], "what was before the first look is history");
        assert_eq!(told(&mut keeper, 1_019, 3), []);
        assert_eq!(told(&mut keeper, 1_020, 3), [(DoorsTrouble::Logins, true)]);
        assert_eq!(told(&mut keeper, 1_400, 4), [(DoorsTrouble::Flood, true)]);
        let ends: Vec<_> = (0..20).flat_map(|_| told(&mut keeper, 1_400, 4)).collect();
        assert_eq!(ends, [(DoorsTrouble::Logins, false), (DoorsTrouble::Flood, false)]);
    }
}
