//! Status conditions of objects, and the table that `--check` prints of them.

use std::fmt;

use super::kind::Kind;
use super::manifests::Resource;
use super::resources::Object;

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
    /// `Kind namespace/name` of the parent or ancestor it is about.
    pub parent: Option<String>,
}

impl Condition {
    /// A condition that holds.
    pub fn yes(type_: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self { type_, status: true, reason, message: message.into(), parent: None }
    }

    /// A condition that does not hold.
    pub fn no(type_: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self { status: false, ..Self::yes(type_, reason, message) }
    }

    /// The same, about one parent.
    #[must_use]
    pub fn about(mut self, parent: &str) -> Self {
        self.parent = Some(parent.to_owned());
        self
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
    /// Its conditions, parent by parent.
    pub conditions: Vec<Condition>,
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
            listeners: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// `namespace/name`, or the name alone.
    pub fn id(&self) -> String {
        if self.namespace.is_empty() { self.name.clone() } else { format!("{}/{}", self.namespace, self.name) }
    }

    /// Whether every condition is as it should be.
    pub fn ok(&self) -> bool {
        let mut listeners = self.listeners.iter().flat_map(|listener| &listener.conditions);
        self.conditions.iter().all(Condition::good) && listeners.all(Condition::good)
    }

    /// The first condition of a type.
    pub fn condition(&self, type_: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.type_ == type_)
    }
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
    let several = object.conditions.iter().any(|condition| condition.parent != object.conditions[0].parent);
    let mut rows: Vec<Row> = object
        .conditions
        .iter()
        .map(|condition| {
            let about = condition.parent.as_ref().filter(|_| several).map(|parent| format!("[{parent}] "));
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
