//! Messages that are passed on between a backend and a pile, and what they name.

use std::collections::BTreeSet;

use super::{
    id::{ConnectorNo, OrderId, PileCode, TransactionId},
    wire::Original,
};

/// A message to be passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// As it came.
    pub original: Original,
    /// What it names.
    pub address: Address,
}

/// What a message names, as its sender does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Address {
    /// Piles; said by backends only.
    pub piles: BTreeSet<PileCode>,
    /// Connectors of the site; said by backends only.
    pub connectors: BTreeSet<ConnectorNo>,
    /// Orders: by the backend's id, or by the one the pile was given.
    pub orders: BTreeSet<TransactionId>,
    /// What a backend has given to a pile before and names by its number.
    pub deposits: BTreeSet<Deposit>,
    /// A pile, a connector or an order is named that this site cannot have.
    pub names_strangers: bool,
    /// It is to begin charging.
    pub begins_charging: bool,
}

/// What a backend gives to a pile and names by its number later, without the pile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deposit {
    /// A reservation.
    Reservation(u64),
    /// A charging profile.
    Profile(u64),
}

/// What pile and backend call the same things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The pile.
    pub pile: PileCode,
    /// Its connectors, in its own order.
    pub connectors: Vec<ConnectorNo>,
    /// Orders the message names: the pile's id and the backend's, if it has given one.
    pub orders: Vec<(OrderId, Option<TransactionId>)>,
}

/// A message on its way, with what has to be said in other words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// As it came.
    pub original: Original,
    /// Names of what it names.
    pub names: Names,
}
