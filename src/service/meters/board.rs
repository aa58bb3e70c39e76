//! Where readings wait for the site.

use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::{
    domain::{id::MeterName, reading::MeterEvent},
    site::Input,
};

/// The last event of each meter that the site has not taken yet: the latest wins, so that there
/// are never more of them than meters. A bus never waits for the site.
#[derive(Debug, Default)]
pub struct Board {
    waiting: Mutex<BTreeMap<MeterName, MeterEvent>>,
    news: Notify,
}

impl Board {
    /// Takes an event in the place of an older one.
    pub fn put(&self, meter: MeterName, event: MeterEvent) {
        self.waiting().insert(meter, event);
        self.news.notify_one();
    }

    /// Hands the events over, each meter's in turn and as soon as the inbox has room, until nobody
    /// takes them.
    pub async fn run(&self, inbox: flume::Sender<Input>) {
        let mut last = None;
        loop {
            while let Some((meter, event)) = self.take(last.as_ref()) {
                last = Some(meter.clone());
                if inbox.send_async(Input::Meter { meter, event }).await.is_err() {
                    return;
                }
            }
            self.news.notified().await;
        }
    }

    /// The event of the meter that follows the last one; of the first, if none does. So a meter
    /// that tells something new at every turn keeps nobody waiting.
    fn take(&self, last: Option<&MeterName>) -> Option<(MeterName, MeterEvent)> {
        let mut waiting = self.waiting();
        let next = last.and_then(|last| waiting.range((Excluded(last), Unbounded)).next());
        match next.map(|(meter, _)| meter.clone()) {
            Some(meter) => waiting.remove_entry(&meter),
            None => waiting.pop_first(),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<MeterName, MeterEvent>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::domain::{reading::ReadFault, time::Mono};

    fn failed(at: u64) -> MeterEvent {
        MeterEvent::Failed { fault: ReadFault::NoAnswer, at: Mono(at) }
    }

    fn put(board: &Board, meter: &str, at: u64) {
        board.put(MeterName::new(meter).unwrap(), failed(at));
    }

    fn taken(inbox: &flume::Receiver<Input>) -> Vec<(String, u64)> {
        let events = inbox.drain().map(|input| match input {
            Input::Meter { meter, event: MeterEvent::Failed { at: Mono(at), .. } } => {
                (meter.to_string(), at)
            }
            other => panic!("{other:?}"),
        });
        events.collect()
    }

    #[test]
    fn while_the_inbox_is_full_the_latest_of_each_meter_waits() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (inbox, inputs) = flume::bounded(1);
        let board = Arc::new(Board::default());
        inbox.send(Input::Tick).unwrap();
        runtime.block_on(async {
            let mut rooms = tokio::task::JoinSet::new();
            rooms.spawn({
                let (board, inbox) = (board.clone(), inbox.clone());
                async move { board.run(inbox).await }
            });
            for at in 0..1000 {
                put(&board, "a", at);
                put(&board, "b", at);
                tokio::task::yield_now().await;
            }
            assert!(board.waiting().len() <= 2, "one for each meter");
            inputs.recv_async().await.unwrap();
            let mut seen = Vec::new();
            while !seen.contains(&("a".to_owned(), 999)) || !seen.contains(&("b".to_owned(), 999)) {
                seen.extend(taken(&inputs));
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert!(seen.len() <= 4, "one may be under way: {seen:?}");
        });
    }

    #[test]
    fn a_meter_with_news_at_every_turn_keeps_nobody_waiting() {
        let board = Board::default();
        put(&board, "b", 1);
        let mut last = None;
        let taken = (0..4).map(|at| {
            put(&board, "a", at);
            last = board.take(last.as_ref()).map(|(meter, _)| meter);
            last.as_ref().map(ToString::to_string)
        });
        let taken: Vec<String> = taken.flatten().collect();
        assert_eq!(taken, ["a", "b", "a", "a"]);
    }

    #[test]
    fn it_ends_when_nobody_takes_readings() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (inbox, inputs) = flume::bounded(1);
        drop(inputs);
        let board = Board::default();
        put(&board, "a", 1);
        runtime.block_on(board.run(inbox));
    }
}
