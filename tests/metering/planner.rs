//! The planner against everything there is, on small inputs.

use proptest::prelude::*;
use sitepilot::{
    metering::{
        Limits,
        plan::{MAX_REGISTERS, Rules, plan},
    },
    protocol::modbus::{Block, Table},
};

use crate::wire::holding;

/// What a plan is asked for.
#[derive(Debug, Clone)]
struct Case {
    values: Vec<Block>,
    limits: Limits,
    request_us: u64,
    register_us: u64,
    cuts: Vec<(Table, u16)>,
    owed: Vec<(Table, u16)>,
}

impl Case {
    fn rules(&self) -> Rules<'_> {
        Rules {
            limits: &self.limits,
            request_us: self.request_us,
            register_us: self.register_us,
            closed: &[],
            cuts: &self.cuts,
            owed: &self.owed,
        }
    }
}

fn case() -> impl Strategy<Value = Case> {
    let value = (0..6_u16, 1..5_u16, any::<bool>());
    let values = prop::collection::vec(value, 1..7);
    let unreadable = prop::collection::vec((0..50_u16, 1..3_u16), 0..3);
    let limits = (4..20_u16, 0..8_u16, unreadable);
    let prices = (0..30_u64, 0..4_u64);
    let cuts = prop::collection::vec(0..40_u16, 0..2);
    let owed = prop::collection::vec(1..12_u16, 0..4);
    (values, limits, prices, cuts, owed).prop_map(|(values, limits, prices, cuts, owed)| {
        let mut at = 3;
        let mut blocks = Vec::new();
        for (hole, count, is_input) in values {
            let table = if is_input { Table::Input } else { Table::Holding };
            at += hole;
            blocks.push(Block { table, start: at, count });
            at += count;
        }
        let (max_registers, max_gap, unreadable) = limits;
        let is_free = |block: &Block| !blocks.iter().any(|value| overlap(*value, *block));
        let unreadable = unreadable.into_iter().map(|(start, count)| holding(start, count));
        let unreadable = unreadable.filter(is_free).collect();
        let cuts = cuts.into_iter().map(|at| (Table::Holding, at));
        let is_seam = |(table, at): &(Table, u16)| {
            let cut = u32::from(*at);
            !blocks.iter().any(|value| {
                value.table == *table && u32::from(value.start) < cut && cut < value.end()
            })
        };
        let cuts = cuts.filter(is_seam).collect();
        let owed = owed.into_iter().map(|count| (Table::Holding, count)).collect();
        let limits = Limits { max_registers, max_gap, unreadable };
        Case { values: blocks, limits, request_us: prices.0, register_us: prices.1, cuts, owed }
    })
}

fn overlap(one: Block, other: Block) -> bool {
    one.table == other.table
        && u32::from(one.start) < other.end()
        && u32::from(other.start) < one.end()
}

/// Whether a request for these values may be this one, looked at register by register.
fn is_allowed(case: &Case, group: &[Block], block: Block) -> bool {
    let mut run = 0;
    for register in u32::from(block.start)..block.end() {
        let at = u16::try_from(register).unwrap();
        let one = Block { table: block.table, start: at, count: 1 };
        let is_wanted = group.iter().any(|value| value.covers(one));
        run = if is_wanted { 0 } else { run + 1 };
        let is_closed = case.limits.unreadable.iter().any(|closed| overlap(*closed, one));
        let is_cut = at > block.start && case.cuts.contains(&(block.table, at));
        if run > case.limits.max_gap || (!is_wanted && is_closed) || is_cut {
            return false;
        }
    }
    block.count <= case.limits.max_registers.min(MAX_REGISTERS)
        && !case.owed.contains(&(block.table, block.count))
}

fn cost(case: &Case, block: Block) -> (u64, u64, u64) {
    let registers = u64::from(block.count);
    (case.request_us + registers * case.register_us, 1, registers)
}

/// The cheapest request for a group of values: the one that spans them, or, if its count is owed,
/// one that reaches further on one side.
fn cheapest(case: &Case, group: &[Block]) -> Option<(u64, u64, u64)> {
    let table = group[0].table;
    if group.iter().any(|value| value.table != table) {
        return None;
    }
    let start = group.iter().map(|value| value.start).min().unwrap();
    let end = group.iter().map(|value| value.end()).max().unwrap();
    let count = u16::try_from(end - u32::from(start)).unwrap();
    let block = Block { table, start, count };
    if !case.owed.contains(&(table, count)) {
        return is_allowed(case, group, block).then(|| cost(case, block));
    }
    // What it spans must be allowed without reaching further, too.
    let free = Case { owed: Vec::new(), ..case.clone() };
    if !is_allowed(&free, group, block) {
        return None;
    }
    let further = (1..=case.limits.max_gap).flat_map(|more| {
        let behind = Block { count: count + more, ..block };
        let before =
            start.checked_sub(more).map(|start| Block { start, count: count + more, table });
        [Some(behind), before].into_iter().flatten()
    });
    further.filter(|longer| is_allowed(case, group, *longer)).map(|it| cost(case, it)).min()
}

/// The cheapest of all ways to put the values into groups.
fn brute_force(case: &Case, at: usize, groups: &mut Vec<Vec<Block>>) -> Option<(u64, u64, u64)> {
    let Some(value) = case.values.get(at).copied() else {
        return groups.iter().try_fold((0, 0, 0), |sum, group| {
            let cost = cheapest(case, group)?;
            Some((sum.0 + cost.0, sum.1 + cost.1, sum.2 + cost.2))
        });
    };
    let mut best: Option<(u64, u64, u64)> = None;
    for place in 0..=groups.len() {
        if place == groups.len() {
            groups.push(vec![value]);
        } else {
            groups[place].push(value);
        }
        let found = brute_force(case, at + 1, groups);
        best = [best, found].into_iter().flatten().min();
        if groups[place].len() == 1 {
            groups.remove(place);
        } else {
            groups[place].pop();
        }
    }
    best
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn the_plan_is_the_cheapest_there_is(case in case()) {
        let planned = plan(&case.values, &case.rules());
        let total = planned.as_ref().map(|blocks| {
            blocks.iter().fold((0, 0, 0), |sum, block| {
                let cost = cost(&case, *block);
                (sum.0 + cost.0, sum.1 + cost.1, sum.2 + cost.2)
            })
        });
        prop_assert_eq!(total, brute_force(&case, 0, &mut Vec::new()), "{:?}", planned);
    }

    #[test]
    fn a_plan_keeps_to_the_rules(case in case()) {
        let Some(planned) = plan(&case.values, &case.rules()) else { return Ok(()) };
        for block in &planned {
            let group: Vec<Block> =
                case.values.iter().copied().filter(|value| block.covers(*value)).collect();
            prop_assert!(!group.is_empty());
            prop_assert!(is_allowed(&case, &case.values, *block), "{block:?}");
        }
        for value in &case.values {
            let times = planned.iter().filter(|block| block.covers(*value)).count();
            prop_assert!(times == 1 || (times > 1 && !case.owed.is_empty()), "{value:?}: {times}");
        }
    }
}

#[test]
fn a_hole_is_bridged_as_long_as_that_is_cheaper_than_a_request() {
    let mut case = Case {
        values: vec![holding(0, 2), holding(12, 2)],
        limits: Limits { max_registers: 125, max_gap: 125, unreadable: Vec::new() },
        request_us: 11,
        register_us: 1,
        cuts: Vec::new(),
        owed: Vec::new(),
    };
    assert_eq!(plan(&case.values, &case.rules()), Some(vec![holding(0, 14)]));
    case.request_us = 9;
    assert_eq!(plan(&case.values, &case.rules()), Some(case.values.clone()));
    case.request_us = 11;
    case.limits.unreadable = vec![holding(7, 1)];
    assert_eq!(plan(&case.values, &case.rules()), Some(case.values.clone()));
}

#[test]
fn the_last_registers_there_are_can_be_read() {
    let case = Case {
        values: vec![holding(65_534, 2)],
        limits: Limits { max_registers: 125, max_gap: 4, unreadable: Vec::new() },
        request_us: 1,
        register_us: 1,
        cuts: Vec::new(),
        owed: vec![(Table::Holding, 2)],
    };
    assert_eq!(plan(&case.values, &case.rules()), Some(vec![holding(65_533, 3)]));
}
