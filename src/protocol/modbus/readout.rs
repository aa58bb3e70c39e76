//! Blocks of registers, and what was read of them.

/// The two tables of 16-bit registers of Modbus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Holding registers, function code 3.
    Holding,
    /// Input registers, function code 4.
    Input,
}

impl Table {
    /// The function code that reads it.
    #[must_use]
    pub const fn function(self) -> u8 {
        match self {
            Self::Holding => 3,
            Self::Input => 4,
        }
    }
}

/// Registers that follow each other: of one value, or of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block {
    /// Where.
    pub table: Table,
    /// Address of the first one, from 0, as on the wire.
    pub start: u16,
    /// How many, at least 1.
    pub count: u16,
}

impl Block {
    /// Address behind the last one.
    #[must_use]
    pub const fn end(self) -> u32 {
        // Both fit 16 bits, and neither `From` nor `as` is needed to say so in a const fn.
        widened(self.start) + widened(self.count)
    }

    /// Whether all of `other` is in it.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self.table == other.table && self.start <= other.start && other.end() <= self.end()
    }
}

const fn widened(number: u16) -> u32 {
    let [high, low] = number.to_be_bytes();
    u32::from_be_bytes([0, 0, high, low])
}

/// Registers as they were read, in the order of reading.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readout {
    blocks: Vec<(Block, Vec<u16>)>,
}

impl Readout {
    /// Takes a block's words; they are as many as its count.
    pub fn add(&mut self, block: Block, words: Vec<u16>) {
        debug_assert_eq!(usize::from(block.count), words.len(), "the count was checked");
        self.blocks.push((block, words));
    }

    /// The words of these registers; `None` if they were not read in one request.
    #[must_use]
    pub fn words(&self, wanted: Block) -> Option<&[u16]> {
        let (block, words) = self.blocks.iter().find(|(block, _)| block.covers(wanted))?;
        let first = usize::from(wanted.start - block.start);
        words.get(first..first + usize::from(wanted.count))
    }

    /// All that was read.
    #[must_use]
    pub fn blocks(&self) -> &[(Block, Vec<u16>)] {
        &self.blocks
    }
}
