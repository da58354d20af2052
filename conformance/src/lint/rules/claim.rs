//! Which requests each match of each route asks for, so that equal ones can be found. Compares what is written:
//! a prefix below another is no rival, the longer one simply wins.

use super::{Mark, Node, Object, Parent, RouteRule, Set, parents};

/// One match at one parent and host.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    pub(super) route: &'a Object,
    pub(super) mark: Mark,
    parent: Parent<'a>,
    /// Equal for matches of the same requests at the same Gateway.
    key: String,
}

impl Claim<'_> {
    /// Whether both ask for the same requests.
    pub(super) fn rivals(&self, other: &Claim<'_>) -> bool {
        let part = |claim: &Claim<'_>, key: &str| claim.parent.to.node.text_at(key).map(str::to_owned);
        let meet = |key: &str| match (part(self, key), part(other, key)) {
            (Some(one), Some(another)) => one == another,
            _ => true,
        };
        self.key == other.key && meet("sectionName") && meet("port")
    }
}

/// All claims, the oldest route first: by creation time if all have one, else as written.
pub(super) fn claims<'a>(set: &'a Set<'_>) -> Vec<Claim<'a>> {
    let mut rules: Vec<_> = set.route_rules().collect();
    let created = |rule: &RouteRule<'a>| rule.route.root.text_at("metadata.creationTimestamp");
    if rules.iter().all(|rule| created(rule).is_some()) {
        rules.sort_by_key(|rule| (created(rule), rule.route.id()));
    }
    rules.iter().flat_map(of_rule).collect()
}

fn of_rule<'a>(rule: &RouteRule<'a>) -> Vec<Claim<'a>> {
    let matches = rule.node.items_at("matches");
    let matches: Vec<_> = if matches.is_empty() { vec![None] } else { matches.iter().map(Some).collect() };
    let names = rule.route.root.items_at("spec.hostnames");
    let hosts: Vec<_> = if names.is_empty() { vec![""] } else { names.iter().filter_map(Node::text).collect() };
    let mut claims = Vec::new();
    for parent in parents(rule.route) {
        for host in &hosts {
            claims.extend(matches.iter().map(|one| Claim {
                route: rule.route,
                mark: one.map_or_else(|| rule.node.mark(), Node::mark),
                parent,
                key: format!("{} {} {}", parent.to.title(), host.to_lowercase(), requests(rule, *one)),
            }));
        }
    }
    claims
}

/// What a match asks for, spelled in one way.
fn requests(rule: &RouteRule<'_>, one: Option<&Node>) -> String {
    let text = |path: &str| one.and_then(|node| node.text_at(path));
    let type_ = text("path.type").unwrap_or("PathPrefix");
    let value = text("path.value").unwrap_or("/");
    let value = if type_ == "PathPrefix" { value.trim_end_matches('/') } else { value };
    let conditions = |list: &str, fold: bool| {
        let items = one.map(|node| node.items_at(list)).unwrap_or_default().iter();
        let mut words: Vec<String> = items
            .map(|item| {
                let name = item.text_at("name").unwrap_or_default();
                let name = if fold { name.to_lowercase() } else { name.to_owned() };
                format!(
                    "{name}~{}~{}",
                    item.text_at("type").unwrap_or("Exact"),
                    item.text_at("value").unwrap_or_default()
                )
            })
            .collect();
        words.sort();
        words.join("&")
    };
    // an AIRoute's default match is narrower than an HTTPRoute's
    let narrow = one.is_none() && rule.route.kind == "AIRoute";
    let method = text("method").unwrap_or("*");
    format!("{narrow} {type_} {value} {method} {} {}", conditions("headers", true), conditions("queryParams", false))
}
