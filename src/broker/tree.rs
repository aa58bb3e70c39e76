//! The subscriptions of all sessions as a tree of levels, so that a message meets only the
//! filters on its own path.

use std::collections::BTreeMap;

use super::filter::Filter;

/// Number of a session; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SeatNo(pub u64);

/// What a subscription entitles to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grant {
    /// Greatest QoS of a delivery.
    pub qos: u8,
    /// Messages with a lower number were published before the subscription.
    pub since: u64,
}

impl Grant {
    fn join(self, other: Self) -> Self {
        Self { qos: self.qos.max(other.qos), since: self.since.min(other.since) }
    }
}

#[derive(Debug, Default)]
struct Node {
    children: BTreeMap<Box<str>, Node>,
    /// In the order of the seats. A pile's own topic has one, and a map would be ten times as
    /// large for it.
    here: Vec<(SeatNo, Grant)>,
}

impl Node {
    fn is_empty(&self) -> bool {
        self.children.is_empty() && self.here.is_empty()
    }
}

/// All filters of all sessions.
#[derive(Debug, Default)]
pub(super) struct FilterTree {
    root: Node,
}

impl FilterTree {
    /// Adds a subscription or changes its grant.
    pub fn insert(&mut self, filter: &Filter, seat: SeatNo, grant: Grant) {
        let mut node = &mut self.root;
        for level in filter.as_str().split('/') {
            node = node.children.entry(level.into()).or_default();
        }
        match node.here.binary_search_by_key(&seat, |(no, _)| *no) {
            Ok(index) => node.here[index].1 = grant,
            Err(index) => {
                node.here.reserve_exact(1);
                node.here.insert(index, (seat, grant));
            }
        }
    }

    /// Takes a subscription out; unknown ones are nothing to do.
    pub fn remove(&mut self, filter: &Filter, seat: SeatNo) {
        let levels: Vec<&str> = filter.as_str().split('/').collect();
        remove(&mut self.root, &levels, seat);
    }

    /// Who gets a message on `topic`: each session once, with the best of its grants.
    pub fn matches(&self, topic: &str) -> BTreeMap<SeatNo, Grant> {
        let levels: Vec<&str> = topic.split('/').collect();
        let mut found = BTreeMap::new();
        collect(&self.root, &levels, topic.starts_with('$'), &mut found);
        found
    }
}

fn remove(node: &mut Node, levels: &[&str], seat: SeatNo) {
    let Some((first, rest)) = levels.split_first() else {
        node.here.retain(|(no, _)| *no != seat);
        node.here.shrink_to_fit();
        return;
    };
    if let Some(child) = node.children.get_mut(*first) {
        remove(child, rest, seat);
        if child.is_empty() {
            node.children.remove(*first);
        }
    }
}

/// Recursion is bounded by `filter::MAX_LEVELS`.
fn collect(node: &Node, levels: &[&str], reserved: bool, found: &mut BTreeMap<SeatNo, Grant>) {
    if !reserved && let Some(rest) = node.children.get("#") {
        take(rest, found);
    }
    let Some((first, rest)) = levels.split_first() else {
        take(node, found);
        return;
    };
    if !reserved && let Some(any) = node.children.get("+") {
        collect(any, rest, false, found);
    }
    if let Some(child) = node.children.get(*first) {
        collect(child, rest, false, found);
    }
}

fn take(node: &Node, found: &mut BTreeMap<SeatNo, Grant>) {
    for (seat, grant) in &node.here {
        found.entry(*seat).and_modify(|have| *have = have.join(*grant)).or_insert(*grant);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GRANT: Grant = Grant { qos: 1, since: 5 };

    #[test]
    fn overlapping_filters_join() {
        let mut tree = FilterTree::default();
        tree.insert(&Filter::new("a/#").unwrap(), SeatNo(1), Grant { qos: 0, since: 3 });
        tree.insert(&Filter::new("a/+").unwrap(), SeatNo(1), Grant { qos: 2, since: 9 });
        tree.insert(&Filter::new("b").unwrap(), SeatNo(2), GRANT);
        let found = tree.matches("a/x");
        assert_eq!(found, BTreeMap::from([(SeatNo(1), Grant { qos: 2, since: 3 })]));
    }

    #[test]
    fn an_emptied_tree_keeps_no_nodes() {
        let mut tree = FilterTree::default();
        for text in ["a/b/c", "a/b", "#", "+/x"] {
            tree.insert(&Filter::new(text).unwrap(), SeatNo(1), GRANT);
        }
        for text in ["a/b/c", "a/b", "#", "+/x", "never/there"] {
            tree.remove(&Filter::new(text).unwrap(), SeatNo(1));
        }
        assert!(tree.root.is_empty());
    }

    proptest! {
        #[test]
        fn agrees_with_the_filters_own_matching(
            filters in prop::collection::vec("(\\$|[ab+]|)(/[ab+]){0,3}(/#)?", 1..8),
            topic in "(\\$|[ab]|)(/[ab]){0,3}",
        ) {
            prop_assume!(!topic.is_empty());
            let mut tree = FilterTree::default();
            let mut want = Vec::new();
            for (number, text) in (0..).zip(&filters) {
                let Ok(filter) = Filter::new(text) else { continue };
                tree.insert(&filter, SeatNo(number), GRANT);
                if filter.matches(&topic) {
                    want.push(SeatNo(number));
                }
            }
            let found: Vec<_> = tree.matches(&topic).into_keys().collect();
            prop_assert_eq!(found, want);
        }
    }
}
