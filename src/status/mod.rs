//! What the outside may see, over HTTP and the control socket; and the few commands that the
//! socket takes.
//!
//! The room knows how things look, not where they come from: `service` gives a [`Source`].

mod dossier;
mod html;
mod limited;
mod meters;
mod metrics;
mod metrics_meters;
mod routes;
mod source;
pub mod view;

#[cfg(test)]
mod tests;

pub use dossier::{Dossier, DossierView, Noted, OtherVersion};
pub use meters::{ReadingView, ValuesView};
pub use routes::{Access, Pages, router, serve};
pub use source::{
    Answer, BusFacts, Facts, Health, LedgerFacts, MeterFacts, OrdersQuery, PileFacts, SlaveFacts,
    Source, Trouble, UplinkFacts, Verified,
};
