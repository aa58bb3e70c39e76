//! What an order costs, and for what.

use std::collections::BTreeMap;

use super::quantity::{Energy, Money};

/// Band of a tariff, from dearest to cheapest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Band {
    /// Sharp (`tip`, `尖`).
    Sharp,
    /// Peak (`峰`).
    Peak,
    /// Flat (`平`).
    Flat,
    /// Valley (`谷`).
    Valley,
    /// Deep valley (`深谷`).
    Deep,
}

impl Band {
    /// All bands, from dearest to cheapest.
    pub const ALL: [Self; 5] = [Self::Sharp, Self::Peak, Self::Flat, Self::Valley, Self::Deep];
}

/// Which band a tag of a tariff period means; tags are free text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tags(BTreeMap<String, Band>);

impl Default for Tags {
    /// The tags that are known to be used.
    fn default() -> Self {
        let known = [
            ("tip", Band::Sharp),
            ("尖", Band::Sharp),
            ("sharp", Band::Sharp),
            ("peak", Band::Peak),
            ("峰", Band::Peak),
            ("flat", Band::Flat),
            ("平", Band::Flat),
            ("valley", Band::Valley),
            ("谷", Band::Valley),
            ("deep", Band::Deep),
            ("深谷", Band::Deep),
        ];
        Self(known.into_iter().map(|(tag, band)| (tag.to_owned(), band)).collect())
    }
}

impl Tags {
    /// Takes a tag in, or gives it another band. Tags differ by more than case and spaces at
    /// their ends.
    pub fn set(&mut self, tag: &str, band: Band) {
        self.0.insert(plain(tag), band);
    }

    /// The band of a tag; `None`: nobody said what it means.
    #[must_use]
    pub fn band(&self, tag: &str) -> Option<Band> {
        self.0.get(&plain(tag)).copied()
    }
}

fn plain(tag: &str) -> String {
    tag.trim().to_lowercase()
}

/// The bill of an order, as the pile made it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bill {
    /// The tariff it was made by, if the pile named it.
    pub tariff: Option<u64>,
    /// Its rows, in the order they came.
    pub rows: Vec<BillRow>,
}

impl Bill {
    /// The energies of the rows.
    #[must_use]
    pub fn energy(&self) -> Energy {
        let rows = self.rows.iter().map(|row| row.energy);
        rows.fold(Energy::default(), Energy::saturating_add)
    }

    /// What the rows cost for the service.
    #[must_use]
    pub fn service_cost(&self) -> Money {
        self.rows.iter().map(|row| row.service_cost).sum()
    }

    /// What the rows cost for everything. Piles give a total beside the rows, which is what is
    /// charged; it may be another, as after a rebate.
    #[must_use]
    pub fn cost(&self) -> Money {
        self.rows.iter().map(BillRow::cost).sum()
    }
}

/// One period of a bill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BillRow {
    /// Begin and end as the pile writes them: minutes of the site's local day, or unix seconds.
    pub from: i32,
    /// See [`BillRow::from`].
    pub until: i32,
    /// What the tariff calls the period.
    pub tag: String,
    /// Energy in it.
    pub energy: Energy,
    /// For the energy.
    pub energy_cost: Money,
    /// For the service.
    pub service_cost: Money,
    /// For the space taken up.
    pub occupancy_cost: Money,
}

impl BillRow {
    /// What it costs for everything.
    #[must_use]
    pub fn cost(&self) -> Money {
        [self.energy_cost, self.service_cost, self.occupancy_cost].into_iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bill_adds_up_its_rows() {
        let row = |energy_wh, fen: [i32; 3]| BillRow {
            from: 0,
            until: 420,
            tag: "valley".to_owned(),
            energy: Energy::from_wh(energy_wh),
            energy_cost: Money::from_fen(fen[0]),
            service_cost: Money::from_fen(fen[1]),
            occupancy_cost: Money::from_fen(fen[2]),
        };
        let bill =
            Bill { tariff: None, rows: vec![row(1200, [30, 120, 0]), row(800, [56, 80, 5])] };
        assert_eq!(bill.energy(), Energy::from_wh(2000));
        assert_eq!(
            (bill.cost(), bill.service_cost()),
            (Money::from_fen(291), Money::from_fen(200))
        );
        assert_eq!(bill.rows[1].cost(), Money::from_fen(141));
    }

    #[test]
    fn tags_are_known_in_both_languages_whatever_their_case() {
        let mut tags = Tags::default();
        assert_eq!(tags.band(" Peak "), Some(Band::Peak));
        assert_eq!(tags.band("深谷"), Some(Band::Deep));
        assert_eq!(tags.band("night"), None);
        tags.set("Night", Band::Valley);
        assert_eq!(tags.band("night"), Some(Band::Valley));
    }
}
