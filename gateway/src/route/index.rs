//! Which routes of a listener may fit a request, found without looking at all of them: by host and by the path that the
//! route names. What is found still has to be matched; the order of precedence is that of the routes themselves.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashMap};

use crate::snapshot::{Hostname, PathMatch, RouteEntry};

/// So few routes are looked at one by one.
const FEW: usize = 8;

/// Positions in a listener's routes, by what the route demands.
#[derive(Debug, Default)]
pub struct Index {
    hasher: DefaultHashBuilder,
    /// By the hash of a [`Demand`]: what shares one by chance is told apart when it is matched.
    places: HashMap<u64, Vec<usize>>,
    /// Length of the longest prefix: no longer part of a path is looked up.
    longest: usize,
}

/// A host that is named exactly, if one is, and the path.
#[derive(Hash)]
struct Demand<'d> {
    host: Option<&'d str>,
    path: Path<'d>,
}

#[derive(Hash, Clone, Copy)]
enum Path<'d> {
    Exact(&'d str),
    Prefix(&'d str),
    Any,
}

impl Index {
    /// Of routes in their order.
    #[must_use]
    pub fn new(routes: &[RouteEntry]) -> Self {
        let mut index = Self::default();
        for (at, route) in routes.iter().enumerate().filter(|_| routes.len() > FEW) {
            let host = match &route.hostname {
                Some(Hostname::Exact(name)) => Some(&**name),
                Some(Hostname::Wildcard(_)) | None => None,
            };
            let path = match &route.matcher.path {
                PathMatch::Exact(exact) => Path::Exact(exact),
                PathMatch::Prefix(prefix) => {
                    index.longest = index.longest.max(prefix.len());
                    Path::Prefix(prefix)
                }
                PathMatch::Regex(_) => Path::Any,
            };
            let demand = index.hasher.hash_one(Demand { host, path });
            index.places.entry(demand).or_default().push(at);
        }
        index
    }

    /// The first of the routes, which are those it was made of, that fits.
    pub fn first<'r>(
        &self,
        routes: &'r [RouteEntry],
        host: &str,
        path: &str,
        fits: impl Fn(&RouteEntry) -> bool,
    ) -> Option<&'r RouteEntry> {
        if self.places.is_empty() {
            return routes.iter().find(|route| fits(route));
        }
        let slashes = memchr::memchr_iter(b'/', path.as_bytes()).take_while(|at| *at <= self.longest);
        let whole = Some(path.len()).filter(|length| *length <= self.longest);
        let prefixes = slashes.chain(whole).map(|end| Path::Prefix(&path[..end]));
        let mut best = routes.len();
        for path in prefixes.chain([Path::Exact(path), Path::Any]) {
            for host in [Some(host), None] {
                let places = self.places.get(&self.hasher.hash_one(Demand { host, path }));
                let better = places.into_iter().flatten().copied().take_while(|at| *at < best);
                best = better.into_iter().find(|at| fits(&routes[*at])).unwrap_or(best);
            }
        }
        routes.get(best)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::snapshot::{Match, Rule};

    const HOSTS: [&str; 3] = ["a.example.com", "b.example.com", "c.test"];
    const PATHS: [&str; 9] = ["/", "/v1", "/v1/", "/v1/chat", "/v1/chat/x", "/v2", "/v1x", "//v1", "/v1//chat"];

    fn entry(host: usize, kind: usize, path: usize) -> RouteEntry {
        let hostname = match host {
            0 | 1 => Some(Hostname::Exact(HOSTS[host].into())),
            2 => Some(Hostname::Wildcard(".example.com".into())),
            _ => None,
        };
        let text = PATHS[path];
        let path = match kind {
            0 => PathMatch::Exact(text.into()),
            1 => PathMatch::Prefix(text.trim_end_matches('/').into()),
            2 => PathMatch::Prefix(text.into()),
            _ => PathMatch::Regex(regex::Regex::new("^(?:/v1.*)$").unwrap()),
        };
        let matcher = Match { path, method: None, headers: Vec::new(), query: Vec::new() };
        RouteEntry { hostname, matcher, rule: Arc::<Rule>::default() }
    }

    proptest! {
        #[test]
        fn what_the_index_finds_is_what_looking_at_all_finds(
            entries in prop::collection::vec((0..4_usize, 0..4_usize, 0..PATHS.len()), 0..40),
        ) {
            let routes: Vec<_> = entries.into_iter().map(|(host, kind, path)| entry(host, kind, path)).collect();
            let index = Index::new(&routes);
            for host in HOSTS {
                for path in PATHS {
                    let fits = |route: &RouteEntry| {
                        crate::route::fits(route.hostname.as_ref(), host)
                            && crate::route::path_fits(&route.matcher.path, path)
                    };
                    let all = routes.iter().position(fits);
                    let found = index.first(&routes, host, path, fits);
                    let found = found.and_then(|found| routes.iter().position(|route| std::ptr::eq(route, found)));
                    prop_assert_eq!(found, all, "{} {}", host, path);
                }
            }
        }
    }
}
