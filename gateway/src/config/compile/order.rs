//! Which of several fitting routes wins: the Gateway API's precedence as a sort key, the age of
//! objects, and the rules that can never win ("shadowed by …").

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use super::hostname;
use crate::config::resources::Metadata;
use crate::snapshot::{Hostname, Match, PathMatch, RouteEntry, ValueMatch};

/// A route entry with its place in the order.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) rank: Rank,
    /// Index of the route among all routes.
    pub(super) owner: usize,
    /// Where in that route it stands.
    pub(super) place: Place,
    pub(super) route: RouteEntry,
}

/// Smaller is better. The last three make the order total.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    host: (u8, Reverse<usize>),
    path: (u8, Reverse<usize>),
    /// The OpenAI paths are narrower than the prefix they stand under.
    any_path: bool,
    any_method: bool,
    headers: Reverse<usize>,
    query: Reverse<usize>,
    age: usize,
    rule: usize,
    position: usize,
}

/// Where a match stands: its route's age, rule and position in the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) age: usize,
    pub(super) rule: usize,
    pub(super) position: usize,
}

impl Rank {
    pub(super) fn new(host: Option<&Hostname>, matcher: &Match, openai_paths_only: bool, place: Place) -> Self {
        let path = match &matcher.path {
            PathMatch::Exact(path) => (0, Reverse(path.len())),
            PathMatch::Prefix(path) => (1, Reverse(path.len())),
            PathMatch::Regex(regex) => (2, Reverse(regex.as_str().len())),
        };
        Self {
            host: hostname::rank(host),
            path,
            any_path: !openai_paths_only,
            any_method: matcher.method.is_none(),
            headers: Reverse(matcher.headers.len()),
            query: Reverse(matcher.query.len()),
            age: place.age,
            rule: place.rule,
            position: place.position,
        }
    }
}

/// Age of objects by their document order.
#[derive(Debug, Default)]
pub(super) struct Ages(HashMap<usize, usize>);

impl Ages {
    pub(super) fn of(&self, order: usize) -> usize {
        self.0.get(&order).copied().unwrap_or(usize::MAX)
    }
}

/// Ranks objects by creation time when all of them have one (then by name), else by document
/// order: a mixture would not be an order.
pub(super) fn ages<'m>(objects: impl Iterator<Item = (usize, &'m Metadata, &'m Arc<str>)>) -> Ages {
    let mut all: Vec<_> = objects.collect();
    let dated = all.iter().all(|(_, metadata, _)| metadata.creation_timestamp.is_some());
    if dated {
        all.sort_by_key(|(_, metadata, id)| (metadata.creation_timestamp.as_ref(), *id));
    } else {
        all.sort_by_key(|(order, _, _)| *order);
    }
    Ages(all.into_iter().enumerate().map(|(age, (order, _, _))| (order, age)).collect())
}

/// A match that an earlier one always beats.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shadowed {
    pub(super) owner: usize,
    pub(super) place: Place,
    pub(super) by_owner: usize,
    pub(super) by_rule: usize,
}

/// Sorts a listener's entries by precedence and finds those that can never match.
pub(super) fn sort(entries: &mut [Entry]) -> Vec<Shadowed> {
    entries.sort_by(|a, b| a.rank.cmp(&b.rank));
    let mut first: HashMap<String, (usize, usize)> = HashMap::new();
    let mut shadowed = Vec::new();
    for entry in entries.iter() {
        let all_paths = key(&entry.route, false);
        let own = key(&entry.route, entry.route.rule.openai_paths_only);
        let earlier = first.get(&own).or_else(|| first.get(&all_paths)).copied();
        match earlier {
            Some((by_owner, by_rule)) if (by_owner, by_rule) != (entry.owner, entry.place.rule) => {
                shadowed.push(Shadowed { owner: entry.owner, place: entry.place, by_owner, by_rule });
            }
            Some(_) => {}
            None => drop(first.insert(own, (entry.owner, entry.place.rule))),
        }
    }
    shadowed
}

/// Equal for entries that match the same requests by the same conditions.
pub(crate) fn key(entry: &RouteEntry, openai_paths_only: bool) -> String {
    let value = |value: &ValueMatch| match value {
        ValueMatch::Exact(text) => format!("={text}"),
        ValueMatch::Regex(regex) => format!("~{regex}"),
    };
    let path = match &entry.matcher.path {
        PathMatch::Exact(path) => format!("={path}"),
        PathMatch::Prefix(path) => format!("^{path}"),
        PathMatch::Regex(regex) => format!("~{regex}"),
    };
    let mut headers: Vec<_> =
        entry.matcher.headers.iter().map(|(name, wanted)| (name.as_str(), value(wanted))).collect();
    let mut query: Vec<_> = entry.matcher.query.iter().map(|(name, wanted)| (&**name, value(wanted))).collect();
    headers.sort();
    query.sort();
    let (host, method) = (&entry.hostname, &entry.matcher.method);
    format!("{openai_paths_only} {host:?} {path:?} {method:?} {headers:?} {query:?}")
}
