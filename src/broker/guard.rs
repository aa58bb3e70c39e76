//! Slows down whoever guesses passwords, or only knocks, without locking out the rightful. Pure:
//! the time is passed in.
//!
//! A password is looked at only if the one who shows it has tries left; else the answer is "come
//! later", whatever the password. Only failures cost a try. They are counted three times:
//!
//! * by name **and** address: a client with a wrong password, which leaves others behind the same
//!   address alone;
//! * by address: somebody who goes through many names;
//! * by name: somebody who guesses one name from many addresses. Only those pay for it that have
//!   failed with this name before: a pile that comes from a new address is heard.
//!
//! Whoever has been let in with a name is asked for nothing of this when it comes back from the
//! same address with the same client id: it has tries of its own. So a guesser elsewhere cannot
//! keep it out, and one behind the same router only if it also uses the client id.
//!
//! Everything is bounded. What has come back to the full is forgotten first, and that changes
//! nothing; when too many are still failing, all further ones share one bucket, so that nobody
//! washes himself clean by filling the tables. An address that has not failed is heard all the
//! same: names cost a guesser nothing, addresses do. Who is known of old is only replaced by others
//! that were let in.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use super::rate::{Bucket, Rate};
use crate::domain::time::Mono;

/// Failing addresses, names and pairs of these: more than a site's network has. A row takes
/// about a hundred bytes.
const MAX_ROWS: usize = 1024;

/// Names that are known of old: the sessions of a large site.
const MAX_NAMES: usize = 1024;

/// Places one name is known from: before and after a change of address, and a laptop.
const MAX_PLACES: usize = 4;

/// Characters of a name or client id that are told apart: those of the name in a certificate.
const TOLD_APART: usize = 64;

/// How often logins may fail, and connections come.
#[derive(Debug, Clone, Copy)]
pub struct GuardRates {
    /// Failures of one name from one address. A pile whose password was mistyped tries every few
    /// seconds all day; ten tries are enough to find out that it is wrong.
    pub pair: Rate,
    /// Failures from one address, which may be a router with a whole site behind it.
    pub address: Rate,
    /// Failures of one name from addresses that have failed with it before.
    pub name: Rate,
    /// Failures of a name at the address, and with the client id, that it usually has.
    pub usual: Rate,
    /// Connections from one address, logged in or not. Those of the machine itself, such as the
    /// watchdog's, are not counted.
    pub connects: Rate,
}

impl Default for GuardRates {
    fn default() -> Self {
        Self {
            pair: Rate { burst: 10, per_minute: 2 },
            // Thirty mistyped piles behind one router, with their first tries.
            address: Rate { burst: 300, per_minute: 60 },
            name: Rate { burst: 20, per_minute: 12 },
            usual: Rate { burst: 10, per_minute: 12 },
            // A large site behind one router comes back at once, twice; then 50 a second.
            connects: Rate { burst: 1024, per_minute: 3000 },
        }
    }
}

/// Who tries to log in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Who<'a> {
    /// Empty if there is none.
    pub name: &'a str,
    pub client_id: &'a str,
    pub address: IpAddr,
}

/// A name as far as it is told apart from others.
type Name = Box<str>;

fn short(text: &str) -> Name {
    text.chars().take(TOLD_APART).collect()
}

/// An address as far as its holder cannot choose it: whoever has an IPv6 address has the 2^64
/// beside it.
fn net(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Buckets by something an outsider chooses.
#[derive(Debug)]
struct Table<K> {
    rate: Rate,
    rows: BTreeMap<K, Bucket>,
    /// Shared by all that find no row.
    others: Bucket,
}

impl<K: Ord> Table<K> {
    fn new(rate: Rate) -> Self {
        Self { rate, rows: BTreeMap::new(), others: Bucket::default() }
    }

    fn bucket(&self, key: &K) -> Bucket {
        let absent = if self.rows.len() < MAX_ROWS { Bucket::default() } else { self.others };
        self.rows.get(key).copied().unwrap_or(absent)
    }

    fn has_one(&self, key: &K, now: Mono) -> bool {
        self.bucket(key).has_one(self.rate, now)
    }

    /// Whether it has failed; without room for more rows, everybody might have.
    fn knows(&self, key: &K) -> bool {
        self.rows.contains_key(key) || self.rows.len() >= MAX_ROWS
    }

    fn take(&mut self, key: K, now: Mono) {
        if !self.rows.contains_key(&key) && self.rows.len() >= MAX_ROWS {
            let rate = self.rate;
            self.rows.retain(|_, bucket| !bucket.is_full(rate, now));
        }
        let has_room = self.rows.len() < MAX_ROWS || self.rows.contains_key(&key);
        let bucket = if has_room { self.rows.entry(key).or_default() } else { &mut self.others };
        bucket.take(1, self.rate, now);
    }
}

/// Where a name was let in before.
#[derive(Debug)]
struct Place {
    address: IpAddr,
    client_id: Name,
    failures: Bucket,
    last_in: Mono,
}

/// What is known of those who come.
#[derive(Debug)]
pub(super) struct Guard {
    rates: GuardRates,
    pairs: Table<(IpAddr, Name)>,
    addresses: Table<IpAddr>,
    names: Table<Name>,
    connects: Table<IpAddr>,
    usual: BTreeMap<Name, Vec<Place>>,
}

impl Guard {
    pub fn new(rates: GuardRates) -> Self {
        Self {
            rates,
            pairs: Table::new(rates.pair),
            addresses: Table::new(rates.address),
            names: Table::new(rates.name),
            connects: Table::new(rates.connects),
            usual: BTreeMap::new(),
        }
    }

    /// Counts a new connection; `false` if it is one too many.
    pub fn may_connect(&mut self, address: IpAddr, now: Mono) -> bool {
        let address = net(address);
        let may = address.is_loopback() || self.connects.has_one(&address, now);
        if may && !address.is_loopback() {
            self.connects.take(address, now);
        }
        may
    }

    /// Whether the password may be looked at.
    pub fn may_try(&mut self, who: &Who<'_>, now: Mono) -> bool {
        let rate = self.rates.usual;
        if let Some(place) = self.place(who) {
            return place.failures.has_one(rate, now);
        }
        let (address, name) = (net(who.address), short(who.name));
        let pair = (address, name.clone());
        if !self.addresses.knows(&address) && !self.pairs.rows.contains_key(&pair) {
            return true;
        }
        self.pairs.has_one(&pair, now)
            && self.addresses.has_one(&address, now)
            && (!self.pairs.knows(&pair) || self.names.has_one(&name, now))
    }

    /// The password was wrong, or there is no such name.
    pub fn failed(&mut self, who: &Who<'_>, now: Mono) {
        let rate = self.rates.usual;
        if let Some(place) = self.place(who) {
            place.failures.take(1, rate, now);
            return;
        }
        let (address, name) = (net(who.address), short(who.name));
        if self.pairs.knows(&(address, name.clone())) {
            self.names.take(name.clone(), now);
        }
        self.pairs.take((address, name), now);
        self.addresses.take(address, now);
    }

    /// It was let in. What it, or somebody with an account of his own, has failed before is not
    /// forgiven for it.
    pub fn succeeded(&mut self, who: &Who<'_>, now: Mono) {
        if let Some(place) = self.place(who) {
            place.last_in = now;
            return;
        }
        let name = short(who.name);
        if !self.usual.contains_key(&name) && self.usual.len() >= MAX_NAMES {
            let last_in = |places: &Vec<Place>| places.iter().map(|place| place.last_in).max();
            let oldest = self.usual.iter().min_by_key(|(_, places)| last_in(places));
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                self.usual.remove(&oldest);
            }
        }
        let places = self.usual.entry(name).or_default();
        if places.len() >= MAX_PLACES
            && let Some(oldest) = (0..places.len()).min_by_key(|index| places[*index].last_in)
        {
            places.swap_remove(oldest);
        }
        let (address, client_id) = (net(who.address), short(who.client_id));
        places.push(Place { address, client_id, failures: Bucket::default(), last_in: now });
    }

    fn place(&mut self, who: &Who<'_>) -> Option<&mut Place> {
        let (address, client_id) = (net(who.address), short(who.client_id));
        let places = self.usual.get_mut(&short(who.name))?;
        places.iter_mut().find(|place| place.address == address && place.client_id == client_id)
    }
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
