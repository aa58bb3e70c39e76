//! What a client is called in the log.

use crate::domain::id::PileCode;

/// A client at the doors: a pile by its code, so that it has the same name in every line about
/// it, or somebody else by what it logged in as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Named<'a> {
    pub(super) pile: Option<&'a str>,
    pub(super) client: Option<&'a str>,
}

impl<'a> Named<'a> {
    pub(super) fn of(name: &'a str) -> Self {
        match PileCode::new(name) {
            Ok(_) => Self { pile: Some(name), client: None },
            Err(_) => Self { pile: None, client: Some(name) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn piles_are_told_from_others() {
        let pile = Named::of("3101150012000001");
        assert_eq!((pile.pile, pile.client), (Some("3101150012000001"), None));
        let screen = Named::of("display");
        assert_eq!((screen.pile, screen.client), (None, Some("display")));
    }
}
