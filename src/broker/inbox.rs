//! A fair share of the site's inbox.
//!
//! A connection may have as many publishes waiting as an eighth of the places that are still
//! free, and always one. So one that floods holds a ninth of the inbox, ten hold half of it, and
//! whoever comes then still finds places: the more wait, the smaller is everybody's share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The part of the free places that one connection may hold.
const SHARE: usize = 8;

/// All places of the inbox.
#[derive(Debug)]
pub(super) struct Places {
    capacity: usize,
    taken: Arc<AtomicUsize>,
}

/// Publishes of one connection that wait for the site.
#[derive(Debug, Default)]
pub(super) struct Waiting(Arc<AtomicUsize>);

/// A publish's place in the inbox; given back when its last copy is dropped. Whoever takes the
/// publish out keeps it until the site has taken it over.
#[derive(Debug, Clone)]
pub struct InboxPlace {
    _held: Arc<Held>,
}

#[derive(Debug)]
struct Held([Arc<AtomicUsize>; 2]);

impl Drop for Held {
    fn drop(&mut self) {
        for count in &self.0 {
            count.fetch_sub(1, Relaxed);
        }
    }
}

impl Places {
    pub fn new(capacity: usize) -> Self {
        Self { capacity, taken: Arc::default() }
    }

    /// A place for one publish more of a connection, if it is within its share. Called by one
    /// thread at a time.
    pub fn take(&self, own: &Waiting) -> Option<InboxPlace> {
        let free = self.capacity.saturating_sub(self.taken.load(Relaxed));
        if free == 0 || own.0.load(Relaxed) >= (free / SHARE).max(1) {
            return None;
        }
        let counts = [Arc::clone(&self.taken), Arc::clone(&own.0)];
        for count in &counts {
            count.fetch_add(1, Relaxed);
        }
        Some(InboxPlace { _held: Arc::new(Held(counts)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets so many connections take what they get of 1024 places, in turns; what each of them
    /// holds, and what is left for others.
    fn press(connections: usize) -> (Vec<usize>, usize) {
        let places = Places::new(1024);
        let waiting: Vec<_> = (0..connections).map(|_| Waiting::default()).collect();
        let mut held = vec![Vec::new(); connections];
        let mut goes_on = true;
        while goes_on {
            goes_on = false;
            for (own, held) in waiting.iter().zip(&mut held) {
                let place = places.take(own);
                goes_on |= place.is_some();
                held.extend(place);
            }
        }
        let counts: Vec<_> = held.iter().map(Vec::len).collect();
        let left = 1024 - counts.iter().sum::<usize>();
        (counts, left)
    }

    #[test]
    fn whoever_floods_leaves_room_for_others() {
        assert_eq!(press(1), (vec![113], 911));
        let (ten, left) = press(10);
        assert!(ten.iter().all(|held| (56..=57).contains(held)) && left > 450, "{ten:?} {left}");
        let (many, left) = press(250);
        assert!(many.iter().all(|held| (3..=5).contains(held)) && left > 0, "{many:?} {left}");
        let (more, left) = press(2_000);
        assert_eq!((more.iter().max(), left), (Some(&1), 0));
    }

    #[test]
    fn a_place_is_given_back_with_its_last_copy() {
        let (places, waiting) = (Places::new(8), Waiting::default());
        let place = places.take(&waiting).expect("a place");
        let copy = place.clone();
        drop(place);
        assert!(places.take(&waiting).is_none());
        drop(copy);
        assert!(places.take(&waiting).is_some());
        assert!(Places::new(0).take(&waiting).is_none());
    }
}
