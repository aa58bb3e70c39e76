//! Lines of a log that may come in floods: one a minute.

use crate::domain::time::Mono;

/// Between two lines: the first tells what is wrong, the later ones that it lasts.
const INTERVAL_MS: u64 = 60_000;

/// When the next line may be written, and how many were not.
#[derive(Debug, Default)]
pub(super) struct Seldom {
    next: Option<Mono>,
    withheld: u64,
}

impl Seldom {
    /// Whether a line may be written now, and how many were withheld before it.
    pub(super) fn may_speak(&mut self, now: Mono) -> Option<u64> {
        if self.next.is_some_and(|next| now < next) {
            self.withheld = self.withheld.saturating_add(1);
            return None;
        }
        self.next = Some(now.plus_ms(INTERVAL_MS));
        Some(std::mem::take(&mut self.withheld))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_line_a_minute_with_the_number_of_those_withheld() {
        let mut seldom = Seldom::default();
        let said: Vec<_> = [0, 1, 59_999, 60_000, 60_001, 500_000]
            .into_iter()
            .map(|ms| seldom.may_speak(Mono(ms)))
            .collect();
        assert_eq!(said, [Some(0), None, None, Some(2), None, Some(1)]);
    }
}
