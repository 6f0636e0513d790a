//! People as connected components: which identifiers belong together, given what was seen together.
//!
//! ```text
//! facts that are not cut ──▶ without identifiers that are junk or crowded ──▶ components ──▶ overgrown ones fall apart
//! ```
//!
//! - **crowded**: seen together with more identifiers of one type than a person may have. A shared till, a test address:
//!   it is left out, and what it would have joined stays apart.
//! - **overgrown**: what is joined without those has more identifiers of one type than a person may have all the same.
//!   It is nobody: each of its identifiers is taken alone.
//!
//! Both are told by the set of facts alone. `component` is kept also for what is overgrown, so that what joins it later is known to.

use std::collections::{HashMap, HashSet};

use super::Rules;

/// An identifier in the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node<'a> {
    /// Rises in the order of first sight.
    pub id: i64,
    /// In lower case.
    pub kind: &'a str,
    /// Junk or crowded: joins nothing.
    pub is_left_out: bool,
    /// It belongs to a component that is overgrown already, and of which not everything is at hand.
    pub overgrown: Option<i64>,
}

/// Where an identifier belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The oldest identifier of its component; of an overgrown one, any of them.
    pub component: i64,
    pub is_overgrown: bool,
}

/// The components of `nodes` joined by `sets`. Ids in a set that are no node are passed over.
pub fn partition<'s>(
    nodes: &[Node<'_>],
    sets: impl IntoIterator<Item = &'s [i64]>,
    rules: &Rules,
) -> HashMap<i64, Place> {
    let mut index: HashMap<i64, usize> = HashMap::with_capacity(nodes.len());
    index.extend(nodes.iter().enumerate().map(|(at, node)| (node.id, at)));
    let mut roots: Vec<usize> = (0..nodes.len()).collect();
    for set in sets {
        let mut known = set
            .iter()
            .filter_map(|id| index.get(id).copied())
            .filter(|at| !nodes[*at].is_left_out);
        let Some(first) = known.next() else { continue };
        for other in known {
            join(&mut roots, first, other);
        }
    }
    let mut groups: HashMap<usize, Vec<usize>> = HashMap::new();
    for at in 0..nodes.len() {
        groups.entry(root(&mut roots, at)).or_default().push(at);
    }
    let mut places = HashMap::with_capacity(nodes.len());
    for group in groups.values() {
        let place = place(nodes, group, rules);
        places.extend(group.iter().map(|at| (nodes[*at].id, place)));
    }
    places
}

fn place(nodes: &[Node<'_>], group: &[usize], rules: &Rules) -> Place {
    let known = group.iter().filter_map(|at| nodes[*at].overgrown).min();
    let oldest = group.iter().map(|at| nodes[*at].id).min();
    let is_overgrown = known.is_some() || is_over(group.iter().map(|at| nodes[*at].kind), rules);
    Place {
        component: known.or(oldest).unwrap_or_default(),
        is_overgrown,
    }
}

/// Whether there are more of one type than a person may have.
pub fn is_over<'k>(kinds: impl Iterator<Item = &'k str> + Clone, rules: &Rules) -> bool {
    let least = usize::try_from(rules.least_limit()).unwrap_or(usize::MAX);
    if kinds.clone().nth(least).is_none() {
        return false;
    }
    let mut counts: HashMap<&str, u32> = HashMap::new();
    for kind in kinds {
        let count = counts.entry(kind).or_default();
        *count += 1;
        if *count > rules.limit(kind) {
            return true;
        }
    }
    false
}

/// Whether an identifier is crowded: `others` are all that it was seen together with, each once.
pub fn is_crowded<'k>(others: impl Iterator<Item = &'k str> + Clone, rules: &Rules) -> bool {
    is_over(others, rules)
}

/// The identifiers of a whole graph that are crowded: for tests, and for graphs that are all at hand.
pub fn crowded<'s>(
    nodes: &[Node<'_>],
    sets: impl IntoIterator<Item = &'s [i64]>,
    rules: &Rules,
) -> HashSet<i64> {
    let by_id: HashMap<i64, &Node<'_>> = nodes.iter().map(|node| (node.id, node)).collect();
    let mut others: HashMap<i64, HashSet<i64>> = HashMap::new();
    for set in sets {
        for id in set.iter().filter(|id| by_id.contains_key(*id)) {
            let known = set.iter().filter(|other| {
                *other != id && by_id.get(*other).is_some_and(|node| !node.is_left_out)
            });
            others.entry(*id).or_default().extend(known);
        }
    }
    others
        .into_iter()
        .filter(|(id, others)| {
            let kinds = others
                .iter()
                .filter_map(|id| by_id.get(id))
                .map(|node| node.kind);
            by_id.get(id).is_some_and(|node| !node.is_left_out) && is_crowded(kinds, rules)
        })
        .map(|(id, _)| id)
        .collect()
}

fn root(roots: &mut [usize], mut at: usize) -> usize {
    while roots[at] != at {
        roots[at] = roots[roots[at]];
        at = roots[at];
    }
    at
}

fn join(roots: &mut [usize], a: usize, b: usize) {
    let (a, b) = (root(roots, a), root(roots, b));
    // The lower index: inputs come by age, so paths stay short.
    roots[a.max(b)] = a.min(b);
}
