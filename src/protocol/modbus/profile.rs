//! What is known of a kind of meter.

use std::fmt;

use super::{
    decimal::Decimal,
    kind::Kind,
    quantity::Quantity,
    readout::Block,
    register::{Reach, Register},
};

/// What is known of a kind of meter: where it keeps which values, and how it is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its name in configs.
    pub name: String,
    /// Who makes the meter.
    pub manufacturer: String,
    /// Which meter.
    pub model: String,
    /// Whether at least two independent sources agree on its energy, power, voltages and currents,
    /// or somebody has compared these with the display of such a meter.
    pub verified: bool,
    /// Who says so.
    pub source: String,
    /// The most registers of one request.
    pub max_registers: u16,
    /// The most registers that nobody wants in one request; 0: none.
    pub max_gap: u16,
    /// Registers that make the meter refuse a request; none reaches over them.
    pub unreadable: Vec<Block>,
    /// Silence that the meter wants before each request; 0: what the bus has anyway.
    pub silence_ms: u16,
    /// How its line is set when it comes from the factory.
    pub serial: Option<SerialDefaults>,
    /// Its address when it comes from the factory.
    pub address: Option<u8>,
    /// How a scan knows it; all of them must hold.
    pub identity: Vec<Identity>,
    /// Its values.
    pub registers: Vec<Register>,
}

/// How a serial line is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SerialDefaults {
    /// Bits per second.
    pub baud: u32,
    /// The parity bit.
    pub parity: Parity,
    /// 1 or 2.
    pub stop_bits: u8,
}

/// The parity bit of a serial line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parity {
    /// None.
    None,
    /// Even.
    Even,
    /// Odd.
    Odd,
}

impl fmt::Display for Parity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Even => "even",
            Self::Odd => "odd",
        })
    }
}

/// Registers by which a scan knows a meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Where.
    pub block: Block,
    /// What may stand there, one of these.
    pub any_of: Vec<Vec<u16>>,
}

/// The most registers of a request that Modbus allows.
pub const MAX_REGISTERS: u16 = 125;

impl Profile {
    /// The registers to read, one block for each value and each scale, in order of address. No
    /// two of them overlap; what must be read together is one block.
    #[must_use]
    pub fn blocks(&self) -> Vec<Block> {
        let mut wanted: Vec<Block> =
            self.registers.iter().flat_map(|register| blocks_of(register, &self.reach())).collect();
        wanted.sort_unstable();
        let mut blocks: Vec<Block> = Vec::new();
        for block in wanted {
            match blocks.last_mut() {
                Some(last) if last.table == block.table && u32::from(block.start) < last.end() => {
                    *last = spanning(*last, block);
                }
                Some(_) | None => blocks.push(block),
            }
        }
        blocks
    }

    /// Multiplies values with the ratios of transformers that the meter does not know: voltages
    /// with `vt`, currents with `ct`, powers and energies with both.
    ///
    /// # Errors
    /// If the meter says its ratios itself, or a ratio is not above nought or has too many digits.
    pub fn with_ratios(mut self, ct: Decimal, vt: Decimal) -> Result<Self, String> {
        let known = |register: &Register| !register.scale.factors.is_empty();
        if self.registers.iter().any(known) {
            return Err(format!("{} reads its ratios from the meter", self.name));
        }
        if !ct.is_positive() || !vt.is_positive() {
            return Err("a ratio is above 0".into());
        }
        for register in &mut self.registers {
            let ratio = ratio_of(register.quantity, ct, vt);
            let scale = ratio.and_then(|ratio| register.scale.decimal.times(ratio));
            register.scale.decimal = scale.ok_or("the ratios have too many digits")?;
        }
        self.check().map(|()| self)
    }

    /// Whether it can be used at all.
    ///
    /// # Errors
    /// What is wrong, in words for whoever writes a profile.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=MAX_REGISTERS).contains(&self.max_registers) {
            return Err(format!("a request has 1 to {MAX_REGISTERS} registers"));
        }
        if self.registers.is_empty() {
            return Err("no register".into());
        }
        for register in &self.registers {
            register.check().map_err(|why| format!("{}: {why}", register.quantity))?;
        }
        if let Some(block) = self.blocks().iter().find(|block| block.count > self.max_registers) {
            return Err(format!(
                "{} registers at {} do not fit a request",
                block.count, block.start
            ));
        }
        self.check_powers()
    }

    pub(super) fn reach(&self) -> Reach<'_> {
        let Self { max_registers, max_gap, .. } = *self;
        Reach { max_registers, max_gap, unreadable: &self.unreadable }
    }

    fn check_powers(&self) -> Result<(), String> {
        let has = |wanted: fn(&Quantity) -> bool| {
            self.registers.iter().any(|register| wanted(&register.quantity))
        };
        let split =
            has(|quantity| matches!(quantity, Quantity::PowerImport | Quantity::PowerExport));
        if split && has(|quantity| matches!(quantity, Quantity::Power)) {
            return Err("power beside power_import and power_export".into());
        }
        Ok(())
    }
}

impl Identity {
    /// Whether these words are the meter's.
    #[must_use]
    pub fn holds(&self, words: &[u16]) -> bool {
        self.any_of.iter().any(|allowed| allowed == words)
    }
}

fn blocks_of(register: &Register, reach: &Reach) -> Vec<Block> {
    let together = register.together(reach);
    let exponent = register.scale.exponent.map(|exponent| exponent.block());
    let exponent = exponent.filter(|block| !together.covers(*block));
    let factors = register.scale.factors.iter().map(|factor| factor.block);
    [together].into_iter().chain(exponent).chain(factors).collect()
}

/// One block of two that overlap.
fn spanning(first: Block, second: Block) -> Block {
    let start = first.start.min(second.start);
    let count = first.end().max(second.end()) - u32::from(start);
    // At most all registers there are; `check` refuses what does not fit a request.
    Block { start, count: u16::try_from(count).unwrap_or(u16::MAX), ..first }
}

fn ratio_of(quantity: Quantity, ct: Decimal, vt: Decimal) -> Option<Decimal> {
    match quantity {
        Quantity::EnergyImport | Quantity::EnergyExport | Quantity::Reactive => ct.times(vt),
        Quantity::Power | Quantity::PowerImport | Quantity::PowerExport => ct.times(vt),
        Quantity::PhasePower(_) => ct.times(vt),
        Quantity::Voltage(_) => Some(vt),
        Quantity::Current(_) => Some(ct),
        Quantity::Frequency | Quantity::PowerFactor(_) => Some(Decimal::ONE),
    }
}

impl Register {
    fn check(&self) -> Result<(), String> {
        fits(self.block, self.kind)?;
        if self.scale.decimal.is_zero() {
            return Err("a scale of 0".into());
        }
        if let Some(exponent) = self.scale.exponent
            && !matches!(exponent.kind, Kind::I16 | Kind::U16)
        {
            return Err("an exponent register holds i16 or u16".into());
        }
        for factor in &self.scale.factors {
            fits(factor.block, factor.kind)?;
            if !factor.scale.is_positive() {
                return Err("a factor's scale is above 0".into());
            }
        }
        Ok(())
    }
}

fn fits(block: Block, kind: Kind) -> Result<(), String> {
    if let Kind::Bcd(words) = kind
        && !(1..=4).contains(&words)
    {
        return Err("decimal digits stand in 1 to 4 registers".into());
    }
    if block.count != kind.registers() {
        return Err(format!("{} registers, its kind takes {}", block.count, kind.registers()));
    }
    if block.end() > 65_536 {
        return Err(format!("{} registers at {} end past the last one", block.count, block.start));
    }
    Ok(())
}
