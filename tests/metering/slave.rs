//! A slave on the line: what it answers, and what is wrong with it.

use sitepilot::protocol::modbus::{Block, Table};

/// What a slave does with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    /// No answer.
    Silent,
    /// The answer is late by this.
    Late(u64),
    /// Half of the answer.
    Half,
    /// One bit of the answer is another.
    Flip(usize),
    WrongAddress,
    WrongFunction,
    /// An answer with a register more.
    WrongCount,
    /// So many bytes before the answer, without a gap.
    NoiseBefore(usize),
    /// So many bytes after the answer, without a gap.
    NoiseAfter(usize),
    /// So many bytes in place of an answer.
    Noise(usize),
    /// The answer, and this much later the same again.
    Twice(u64),
    /// A refusal.
    Exception(u8),
    /// A refusal that is late by this.
    LateException(u8, u64),
}

/// A slave on the line.
#[derive(Debug, Clone)]
pub struct Simulated {
    pub address: u8,
    /// From the end of a request to the begin of its answer.
    pub reply_us: u64,
    /// What it does with every request.
    pub always: Fault,
    /// What it does with the next request, once.
    pub once: Fault,
    /// Requests that touch these are refused with exception 2.
    pub illegal: Vec<Block>,
    /// Requests for more are refused with exception 3.
    pub most: u16,
    /// When requests for it were sent, with the block.
    pub asked: Vec<(u64, Block)>,
}

impl Simulated {
    pub fn new(address: u8, reply_us: u64) -> Self {
        Self {
            address,
            reply_us,
            always: Fault::None,
            once: Fault::None,
            illegal: Vec::new(),
            most: 125,
            asked: Vec::new(),
        }
    }
    /// What it says to a request, and how long after the end of it; `request` is the number of it,
    /// and decides what its registers hold.
    pub fn replies(
        &mut self,
        block: Block,
        request: u64,
        rng: &mut fastrand::Rng,
    ) -> Vec<(u64, Vec<u8>)> {
        let fault = match std::mem::replace(&mut self.once, Fault::None) {
            Fault::None => self.always,
            once => once,
        };
        let right = self.right(block, request);
        let said = fault.of(right, self.address, block, request, rng);
        said.into_iter().map(|(later, bytes)| (self.reply_us + later, bytes)).collect()
    }

    fn right(&self, block: Block, request: u64) -> Vec<u8> {
        if block.count > self.most {
            exception(self.address, block, 3)
        } else if self.illegal.iter().any(|illegal| meets(*illegal, block)) {
            exception(self.address, block, 2)
        } else {
            answer(self.address, block.table.function(), block, request)
        }
    }
}

impl Fault {
    /// What is said in place of the right answer, and how much later.
    fn of(
        self,
        mut right: Vec<u8>,
        address: u8,
        block: Block,
        request: u64,
        rng: &mut fastrand::Rng,
    ) -> Vec<(u64, Vec<u8>)> {
        let function = block.table.function();
        let mut noise = |n: usize| (0..n).map(|_| rng.u8(..)).collect::<Vec<u8>>();
        let longer = Block { count: (block.count + 1).min(125), ..block };
        match self {
            Self::None => vec![(0, right)],
            Self::Silent => Vec::new(),
            Self::Late(us) => vec![(us, right)],
            Self::Half => vec![(0, right[..right.len() / 2].to_vec())],
            Self::Flip(bit) => {
                let bit = bit % (right.len() * 8);
                right[bit / 8] ^= 1 << (bit % 8);
                vec![(0, right)]
            }
            Self::WrongAddress => vec![(0, answer(address ^ 0x40, function, block, request))],
            Self::WrongFunction => vec![(0, answer(address, 7 - function, block, request))],
            Self::WrongCount => vec![(0, answer(address, function, longer, request))],
            Self::NoiseBefore(n) => vec![(0, [noise(n), right].concat())],
            Self::NoiseAfter(n) => vec![(0, [right, noise(n)].concat())],
            Self::Noise(n) => vec![(0, noise(n))],
            Self::Twice(later) => vec![(0, right.clone()), (later, right)],
            Self::Exception(code) => vec![(0, exception(address, block, code))],
            Self::LateException(code, us) => vec![(us, exception(address, block, code))],
        }
    }
}

pub fn checksum(bytes: &[u8]) -> [u8; 2] {
    let mut sum = 0xFFFF_u16;
    for byte in bytes {
        sum ^= u16::from(*byte);
        for _ in 0..8 {
            let odd = sum & 1 == 1;
            sum >>= 1;
            if odd {
                sum ^= 0xA001;
            }
        }
    }
    sum.to_le_bytes()
}

fn framed(mut frame: Vec<u8>) -> Vec<u8> {
    let sum = checksum(&frame);
    frame.extend(sum);
    frame
}

/// What a register holds when it is read by a request: every request reads other values.
pub fn word(address: u8, table: Table, register: u16, request: u64) -> u16 {
    let mut mixed = request ^ (u64::from(address) << 48) ^ (u64::from(register) << 20);
    mixed ^= u64::from(table.function()) << 40;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    u16::try_from((mixed >> 31) & 0xFFFF).unwrap()
}

fn answer(address: u8, function: u8, block: Block, request: u64) -> Vec<u8> {
    let mut frame = vec![address, function, u8::try_from(block.count * 2).unwrap()];
    for more in 0..block.count {
        let register = block.start.wrapping_add(more);
        frame.extend(word(address, block.table, register, request).to_be_bytes());
    }
    framed(frame)
}

fn exception(address: u8, block: Block, code: u8) -> Vec<u8> {
    framed(vec![address, block.table.function() | 0x80, code])
}

fn meets(one: Block, other: Block) -> bool {
    one.table == other.table
        && u32::from(one.start) < other.end()
        && u32::from(other.start) < one.end()
}
