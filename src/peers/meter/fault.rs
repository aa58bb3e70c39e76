//! What can be wrong with a simulated meter, or with the line to it.

use crate::domain::time::Mono;

/// A fault of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// No answer.
    Silent,
    /// The meter takes so much longer over it. What is asked meanwhile it answers afterwards.
    Late {
        /// How much.
        ms: u64,
    },
    /// The first half of the frame only.
    Half,
    /// The frame in two parts, with a pause between them.
    Split {
        /// The pause.
        ms: u64,
    },
    /// One bit of the frame is wrong, drawn by chance. Modbus TCP has no sum to tell it by.
    Flip,
    /// From another address.
    WrongAddress,
    /// To another function.
    WrongFunction,
    /// More words than were asked for, or fewer, in a frame that is right in itself.
    WrongCount {
        /// Words too many; negative: too few.
        by: i8,
    },
    /// Noise before the frame; a few bytes by chance if empty.
    NoiseBefore(Vec<u8>),
    /// Noise behind it; a few bytes by chance if empty.
    NoiseAfter(Vec<u8>),
    /// The same frame twice at once.
    Twice,
    /// The request comes back before the answer, as from a converter that hears itself.
    Echo,
    /// Noise goes on and on behind the answer.
    Babble {
        /// How long.
        ms: u64,
    },
    /// Refused.
    Exception(u8),
    /// The values stand still.
    Stuck,
}

/// How long a fault lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasting {
    /// For so many answers.
    Answers(u32),
    /// Until then.
    Until(Mono),
    /// Until the meter is well again.
    ForEver,
}

/// The faults that are on, each kind at most once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Faults {
    on: Vec<(Fault, Lasting)>,
}

impl Faults {
    /// Switches one on, in place of one of its kind.
    pub fn switch_on(&mut self, fault: Fault, lasting: Lasting) {
        let kind = std::mem::discriminant(&fault);
        self.on.retain(|(other, _)| std::mem::discriminant(other) != kind);
        self.on.push((fault, lasting));
    }

    /// Switches all off.
    pub fn clear(&mut self) {
        self.on.clear();
    }

    /// Those of the next answer, which counts for each of them.
    pub fn take(&mut self, now: Mono) -> Vec<Fault> {
        self.on.retain(|(_, lasting)| match lasting {
            Lasting::Answers(left) => *left > 0,
            Lasting::Until(until) => now < *until,
            Lasting::ForEver => true,
        });
        let counted = self.on.iter_mut().map(|(fault, lasting)| {
            if let Lasting::Answers(left) = lasting {
                *left -= 1;
            }
            fault.clone()
        });
        counted.collect()
    }
}
