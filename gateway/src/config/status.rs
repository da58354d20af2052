//! What every object is told: conditions of its own, about each of its parents, and of its listeners, in all that a
//! Kubernetes status needs save the time; and the table that `--check` prints of them.

use std::fmt;

use super::kind::Kind;
use super::manifests::Resource;
use super::resources::{Object, ObjectReference};

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// `Accepted`, `ResolvedRefs`, `Programmed`, `Attached`…
    pub type_: &'static str,
    /// True or False.
    pub status: bool,
    /// One word in CamelCase.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

impl Condition {
    /// A condition that holds.
    pub fn yes(type_: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self { type_, status: true, reason, message: message.into() }
    }

    /// A condition that does not hold.
    pub fn no(type_: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self { status: false, ..Self::yes(type_, reason, message) }
    }

    /// Whether it is as it should be: some conditions are good when False, and one is a hint only.
    pub fn good(&self) -> bool {
        match self.type_ {
            "Conflicted" | "PartiallyInvalid" => !self.status,
            "OverlappingTLSConfig" => true,
            _ => self.status,
        }
    }
}

/// What is told about one parent of a route or model, or one target of a policy.
#[derive(Debug, Clone)]
pub struct ParentStatus {
    /// The reference as the object has it, nothing filled in; a policy's target with group and namespace.
    pub parent: ObjectReference,
    /// The conditions about it.
    pub conditions: Vec<Condition>,
}

/// Status of one listener of a Gateway.
#[derive(Debug, Clone)]
pub struct ListenerStatus {
    /// Listener name.
    pub name: String,
    /// Its port.
    pub port: u16,
    /// Its conditions.
    pub conditions: Vec<Condition>,
    /// How many routes attached.
    pub attached_routes: usize,
    /// Kinds of routes it takes.
    pub supported_kinds: Vec<Kind>,
}

/// Status of one object.
#[derive(Debug, Clone)]
pub struct ObjectStatus {
    /// Its kind.
    pub kind: Kind,
    /// Empty for cluster-wide kinds.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `metadata.generation` that the conditions are about (their `observedGeneration`); files have none.
    pub generation: Option<i64>,
    /// Its own conditions; a route, model or policy has some only while it names no parent.
    pub conditions: Vec<Condition>,
    /// For routes and models one entry for each parentRef that is ours, for policies one for each target.
    pub parents: Vec<ParentStatus>,
    /// For Gateways.
    pub listeners: Vec<ListenerStatus>,
    /// What is worth knowing but wrong for nobody: shadowed rules, ignored objects.
    pub notes: Vec<String>,
}

impl ObjectStatus {
    /// The status of an object, still without conditions.
    pub(super) fn of<S>(resource: &Resource<Object<S>>) -> Self {
        let (namespace, name) = resource.id.split_once('/').unwrap_or(("", &resource.id));
        Self {
            kind: resource.kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            generation: resource.object.metadata.generation,
            conditions: Vec::new(),
            parents: Vec::new(),
            listeners: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// `namespace/name`, or the name alone.
    pub fn id(&self) -> String {
        if self.namespace.is_empty() { self.name.clone() } else { format!("{}/{}", self.namespace, self.name) }
    }

    /// Its own conditions, then those about each parent with the name of that parent; without its listeners'.
    pub fn told(&self) -> impl Iterator<Item = (Option<String>, &Condition)> {
        let of_parents = self.parents.iter().flat_map(|about| {
            let name = parent_name(&self.namespace, &about.parent);
            about.conditions.iter().map(move |condition| (Some(name.clone()), condition))
        });
        self.conditions.iter().map(|condition| (None, condition)).chain(of_parents)
    }

    /// Every condition: its own, its parents' and its listeners'.
    pub fn every_condition(&self) -> impl Iterator<Item = &Condition> {
        let parents = self.parents.iter().flat_map(|about| &about.conditions);
        let listeners = self.listeners.iter().flat_map(|listener| &listener.conditions);
        self.conditions.iter().chain(parents).chain(listeners)
    }

    /// Whether every condition is as it should be.
    pub fn ok(&self) -> bool {
        self.every_condition().all(Condition::good)
    }

    /// The first condition of a type, not of a listener.
    pub fn condition(&self, type_: &str) -> Option<&Condition> {
        self.told().map(|(_, condition)| condition).find(|condition| condition.type_ == type_)
    }
}

/// How a parent is written for people: `Kind namespace/name#section:port`.
pub(super) fn parent_name(own: &str, parent: &ObjectReference) -> String {
    let kind = parent.kind.as_deref().unwrap_or(Kind::Gateway.name());
    let namespace = parent.namespace.as_deref().unwrap_or(own);
    let section = parent.section_name.as_ref().map(|section| format!("#{section}")).unwrap_or_default();
    let port = parent.port.map(|port| format!(":{port}")).unwrap_or_default();
    format!("{kind} {namespace}/{}{section}{port}", parent.name)
}

/// What `--check` prints and decides.
#[derive(Debug)]
pub struct Report {
    /// Every object with conditions or notes.
    pub status: Vec<ObjectStatus>,
}

impl Report {
    /// Whether there are objects and every one is as it should be.
    pub fn ok(&self) -> bool {
        !self.status.is_empty() && self.status.iter().all(ObjectStatus::ok)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.status.is_empty() {
            return writeln!(f, "no objects that a gateway could serve");
        }
        let mut rows = vec![["KIND", "NAMESPACE/NAME", "CONDITION", "STATUS", "REASON", "MESSAGE"].map(str::to_owned)];
        let mut notes = Vec::new();
        for object in &self.status {
            rows.extend(object_rows(object));
            notes.extend(
                object.notes.iter().map(|note| format!("note: {} {}: {note}", object.kind.name(), object.id())),
            );
        }
        write_table(f, &rows)?;
        notes.iter().try_for_each(|note| writeln!(f, "{note}"))
    }
}

type Row = [String; 6];

fn object_rows(object: &ObjectStatus) -> Vec<Row> {
    let several = object.parents.len() > 1;
    let mut rows: Vec<Row> = object
        .told()
        .map(|(parent, condition)| {
            let about = parent.filter(|_| several).map(|parent| format!("[{parent}] "));
            row(object, condition.type_.to_owned(), condition, about.unwrap_or_default() + &condition.message)
        })
        .collect();
    for listener in &object.listeners {
        let worth = |type_| matches!(type_, "Programmed" | "OverlappingTLSConfig");
        for condition in listener.conditions.iter().filter(|c| !c.good() || worth(c.type_)) {
            let place = format!("port {}, attached routes: {}", listener.port, listener.attached_routes);
            let served = condition.good() && condition.type_ == "Programmed";
            let message = if served { place } else { condition.message.clone() };
            rows.push(row(object, format!("{} [{}]", condition.type_, listener.name), condition, message));
        }
    }
    rows
}

fn row(object: &ObjectStatus, type_: String, condition: &Condition, message: String) -> Row {
    let status = if condition.status { "True" } else { "False" };
    [object.kind.name().to_owned(), object.id(), type_, status.to_owned(), condition.reason.to_owned(), message]
}

fn write_table(f: &mut fmt::Formatter<'_>, rows: &[Row]) -> fmt::Result {
    let mut widths = [0; 6];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in rows {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        writeln!(f, "{}", line.trim_end())?;
    }
    Ok(())
}
