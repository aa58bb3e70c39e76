//! What happens in a demo: the same story for the same seed.

use super::{
    bus::{METERED_PILE, SILENT_PLUG},
    cast::CAST,
};
use crate::domain::time::Mono;

/// Piles of the demo, with two connectors each.
const PILES: usize = CAST.len();

/// Connectors of each pile.
pub const PLUGS: u16 = 2;

/// The pile whose power fails in mid-order, and its connector that then charges alone.
const CUT_PILE: usize = PILES - 1;

/// Time at the end in which nothing new happens, so that everything can settle.
const QUIET_MS: u64 = 9_000;

/// How long a meter is silent: longer than its last reading is trusted.
const SILENCE_MS: u64 = 6_000;

/// After that long the silent meter is read again, however rarely the bus asked it meanwhile.
const HEARD_AGAIN_MS: u64 = 10_000;

/// How long the link to the regulator is broken.
const REGULATOR_CUT_MS: u64 = 3_500;

/// How long the regulator's server hangs.
const HANG_MS: u64 = 3_000;

/// The order that runs when the meter falls silent began so long before, and ends so long after:
/// its meter has a reading at the start and none at the end.
const BEFORE_SILENCE_MS: u64 = 2_000;
const INTO_SILENCE_MS: u64 = 4_500;

/// Shortest demo whose story has room for everything.
pub const SHORTEST_S: u64 = 20;

/// Longest demo: an hour.
pub const LONGEST_S: u64 = 3_600;

/// Something that happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// A card is held before a connector.
    Card {
        /// Index of the pile.
        pile: usize,
        /// The pile's own number of the connector.
        plug: u16,
        /// The card.
        card: String,
    },
    /// The user stops charging.
    Stop {
        /// Index of the pile.
        pile: usize,
        /// The pile's own number of the connector.
        plug: u16,
    },
    /// The link to the cloud breaks.
    Cut {
        /// In the middle of a replay.
        in_replay: bool,
    },
    /// The link to the cloud is back.
    Heal,
    /// A pile sends an order again that was answered.
    Repeat {
        /// Index of the pile.
        pile: usize,
    },
    /// A pile sends an order again with other figures.
    Dispute {
        /// Index of the pile.
        pile: usize,
    },
    /// A pile's power fails in mid-order, and its memory with it.
    PowerCut {
        /// Index of the pile.
        pile: usize,
    },
    /// The meter of a connector falls silent.
    Silence,
    /// It answers again.
    Speech,
    /// The link to the regulator breaks.
    CutRegulator,
    /// It is back.
    HealRegulator,
    /// The regulator's server hangs: its system accepts what nobody reads.
    Hang,
    /// It is restarted, and what it had not read is gone.
    Restart,
}

/// The acts in the order of their time.
#[must_use]
pub fn story(seed: u64, seconds: u64) -> Vec<(Mono, Act)> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let end_ms = seconds.clamp(SHORTEST_S, LONGEST_S) * 1000 - QUIET_MS;
    let mut acts = Vec::new();
    for pile in 0..PILES {
        for plug in 1..=PLUGS {
            sessions(&mut acts, &mut rng, (pile, plug), end_ms);
        }
    }
    outages(&mut acts, &mut rng, end_ms);
    acts.push((Mono(end_ms * 7 / 10), Act::Repeat { pile: 0 }));
    acts.push((Mono(end_ms * 8 / 10), Act::Dispute { pile: 1 }));
    acts.push((Mono(end_ms / 2), Act::PowerCut { pile: CUT_PILE }));
    acts.push((Mono(silent_from(end_ms)), Act::Silence));
    acts.push((Mono(silent_from(end_ms) + SILENCE_MS), Act::Speech));
    // Not when the cloud is away, or not only then: each has outages of its own.
    let (cut_ms, hang_ms) = (end_ms * 3 / 10, end_ms * 13 / 20);
    acts.push((Mono(cut_ms), Act::CutRegulator));
    acts.push((Mono(cut_ms + REGULATOR_CUT_MS), Act::HealRegulator));
    acts.push((Mono(hang_ms), Act::Hang));
    acts.push((Mono(hang_ms + HANG_MS), Act::Restart));
    acts.sort_by_key(|(at, _)| *at);
    acts
}

/// When a meter falls silent.
fn silent_from(end_ms: u64) -> u64 {
    (end_ms / 2).max(5_000)
}

fn sessions(
    acts: &mut Vec<(Mono, Act)>,
    rng: &mut fastrand::Rng,
    (pile, plug): (usize, u16),
    end_ms: u64,
) {
    let cut_ms = end_ms / 2;
    let mut at = 2_000 + rng.u64(0..1_500);
    // The first time round every card is used, while the cloud is there to accept it.
    let mut card = Some(own_card(pile, plug));
    loop {
        let charge = rng.u64(1_500..5_000);
        // When the power fails, one connector charges and the other is free: one order is lost
        // out of the pile's memory, no more.
        let around_cut = pile == CUT_PILE && at < cut_ms + 2_500 && at + charge + 3_500 > cut_ms;
        if around_cut {
            if plug == 1 {
                let card = own_card(pile, plug);
                acts.push((Mono(cut_ms - 2_500), Act::Card { pile, plug, card }));
            }
            at = cut_ms + 3_000 + rng.u64(0..1_000);
            continue;
        }
        // One order runs into the silence. None begins in it: it would take the first reading
        // after it for its start, and what flows in between is little at a real pile, but half
        // the order in a demo.
        let silent = silent_from(end_ms);
        let again = silent + SILENCE_MS + HEARD_AGAIN_MS;
        let is_silent = (pile, plug) == (METERED_PILE, SILENT_PLUG);
        if is_silent && at < again && at + charge + BEFORE_SILENCE_MS + 1_500 > silent {
            let card = card.take().unwrap_or_else(|| any_card(rng));
            acts.push((Mono(silent - BEFORE_SILENCE_MS), Act::Card { pile, plug, card }));
            acts.push((Mono(silent + INTO_SILENCE_MS), Act::Stop { pile, plug }));
            at = again + rng.u64(0..1_000);
            continue;
        }
        if at + charge >= end_ms {
            return;
        }
        let card = card.take().unwrap_or_else(|| any_card(rng));
        acts.push((Mono(at), Act::Card { pile, plug, card }));
        acts.push((Mono(at + charge), Act::Stop { pile, plug }));
        at += charge + rng.u64(600..1_800);
    }
}

fn own_card(pile: usize, plug: u16) -> String {
    format!("88{:02}", pile * usize::from(PLUGS) + usize::from(plug))
}

fn any_card(rng: &mut fastrand::Rng) -> String {
    own_card(rng.usize(0..PILES), rng.u16(1..=PLUGS))
}

fn outages(acts: &mut Vec<(Mono, Act)>, rng: &mut fastrand::Rng, end_ms: u64) {
    let mut at = 6_000 + rng.u64(0..1_000);
    let mut number = 0;
    while at + 3_000 < end_ms {
        let length = rng.u64(2_000..5_000).min(end_ms - at);
        acts.push((Mono(at), Act::Cut { in_replay: false }));
        acts.push((Mono(at + length), Act::Heal));
        at += length;
        number += 1;
        if number == 2 {
            // Long enough for the boot, too short for the answers to a whole backlog.
            acts.push((Mono(at + 900), Act::Cut { in_replay: true }));
            acts.push((Mono(at + 2_400), Act::Heal));
            at += 2_400;
        }
        at += rng.u64(4_000..9_000);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_tells_the_same_story() {
        assert_eq!(story(7, 60), story(7, 60));
        assert_ne!(story(7, 60), story(8, 60));
    }

    #[test]
    fn one_order_runs_into_the_silence_and_none_begins_in_it() {
        for seed in 0..200 {
            for seconds in [SHORTEST_S, 60, 600] {
                let acts = story(seed, seconds);
                let at = |wanted: fn(&Act) -> bool| {
                    let its = acts.iter().filter(move |(_, act)| wanted(act));
                    its.map(|(at, _)| at.0).collect::<Vec<_>>()
                };
                let silent = at(|act| matches!(act, Act::Silence))[0];
                let again = at(|act| matches!(act, Act::Speech))[0] + HEARD_AGAIN_MS;
                let begun = at(|act| matches!(act, Act::Card { pile: 0, plug: 2, .. }));
                let ended = at(|act| matches!(act, Act::Stop { pile: 0, plug: 2 }));
                assert_eq!(begun.len(), ended.len());
                let over: Vec<_> =
                    begun.iter().zip(&ended).filter(|(b, e)| **b < again && silent < **e).collect();
                assert_eq!(over.len(), 1, "seed {seed}");
                assert!(*over[0].0 < silent && *over[0].1 < again, "seed {seed}");
                assert!(begun.windows(2).zip(&ended).all(|(b, end)| *end < b[1]), "seed {seed}");
            }
        }
    }

    #[test]
    fn every_story_has_what_a_demo_promises() {
        for seed in 0..200 {
            for seconds in [SHORTEST_S, 60] {
                let acts = story(seed, seconds);
                let count =
                    |wanted: fn(&Act) -> bool| acts.iter().filter(|(_, act)| wanted(act)).count();
                assert!(count(|act| matches!(act, Act::Card { .. })) >= 5, "seed {seed}");
                assert!(count(|act| matches!(act, Act::Cut { .. })) >= 1, "seed {seed}");
                assert_eq!(count(|act| matches!(act, Act::Repeat { .. })), 1);
                assert_eq!(count(|act| matches!(act, Act::Dispute { .. })), 1);
                assert_eq!(count(|act| matches!(act, Act::PowerCut { .. })), 1);
                assert_eq!(count(|act| matches!(act, Act::Silence)), 1);
                assert_eq!(count(|act| matches!(act, Act::Speech)), 1);
                let regulator: Vec<_> = acts
                    .iter()
                    .filter(|(at, act)| {
                        assert!(at.0 <= seconds * 1000);
                        let of_regulator =
                            [Act::CutRegulator, Act::HealRegulator, Act::Hang, Act::Restart];
                        of_regulator.contains(act)
                    })
                    .map(|(_, act)| act.clone())
                    .collect();
                let in_order = [Act::CutRegulator, Act::HealRegulator, Act::Hang, Act::Restart];
                assert_eq!(regulator, in_order, "seed {seed}");
                if seconds == 60 {
                    let in_replay = count(|act| matches!(act, Act::Cut { in_replay: true }));
                    assert_eq!(in_replay, 1, "seed {seed}");
                }
                let cuts = count(|act| matches!(act, Act::Cut { .. }));
                assert_eq!(cuts, count(|act| matches!(act, Act::Heal)), "every cut heals");
            }
        }
    }
}
