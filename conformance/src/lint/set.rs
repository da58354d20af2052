//! All objects of the given manifests, by kind and name, and what of them could not be read.
//! What refers to what is in [`link`], parts of one object are in [`part`]; what it all means is for the rules.

mod link;
mod part;

use gateway::config::kind::{AGENTGATEWAY, GATEWAY_API, Kind};
use gateway::yaml::{Document, Problem, Source, documents};

use super::ALLOW;
use super::tree::{Entry, Mark, Node};

pub(super) use link::{Auth, targets};
pub(super) use part::{Parent, PathMatch, Provider, Reference, RouteRule, parents, providers};

/// An object as it is written.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) kind: String,
    /// API group, empty for core.
    pub(super) group: String,
    /// `default` when it names none.
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) root: Node,
}

impl Object {
    fn new(root: Node) -> Option<Self> {
        let kind = root.text_at("kind")?.to_owned();
        let group = match root.text_at("apiVersion") {
            Some(version) => version.split_once('/').map_or("", |(group, _)| group),
            None => Kind::named(&kind).map(Kind::group).unwrap_or_default(),
        };
        let namespace = root.text_at("metadata.namespace").filter(|namespace| !namespace.is_empty());
        Some(Self {
            group: group.to_owned(),
            namespace: namespace.unwrap_or("default").to_owned(),
            name: root.text_at("metadata.name").unwrap_or_default().to_owned(),
            kind,
            root,
        })
    }

    /// Where its name stands, else its first line.
    pub(super) fn mark(&self) -> Mark {
        self.root.entry("metadata.name").map_or_else(|| self.root.mark(), Entry::mark)
    }

    /// `Kind namespace/name`
    pub(super) fn title(&self) -> String {
        format!("{} {}", self.kind, self.id())
    }

    /// `namespace/name`
    pub(super) fn id(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Whether it is what these three say.
    pub(super) fn is(&self, kind: &str, namespace: &str, name: &str) -> bool {
        self.kind == kind && self.namespace == namespace && self.name == name
    }

    /// Whether this gateway, and not only Kubernetes, has a use for it.
    fn relevant(&self) -> bool {
        self.ours() || self.known().is_some()
    }

    /// Its kind, if the gateway reads it.
    pub(super) fn known(&self) -> Option<Kind> {
        Kind::named(&self.kind).filter(|kind| kind.group() == self.group)
    }

    /// Whether it is of agentgateway's group or of the Gateway API's.
    pub(super) fn ours(&self) -> bool {
        self.group == AGENTGATEWAY || self.group == GATEWAY_API
    }
}

/// A document that is no YAML.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) mark: Mark,
    pub(super) problem: Problem,
}

/// A document that holds objects.
#[derive(Debug)]
pub(super) struct Held<'s> {
    /// Index of its source.
    pub(super) source: usize,
    pub(super) document: Document<'s>,
    /// Which of all objects are in it.
    objects: std::ops::Range<usize>,
}

/// Everything that was read.
#[derive(Debug)]
pub(super) struct Set<'s> {
    pub(super) sources: &'s [Source],
    /// In document order.
    pub(super) objects: Vec<Object>,
    pub(super) unreadable: Vec<Unreadable>,
    pub(super) documents: Vec<Held<'s>>,
}

impl<'s> Set<'s> {
    /// Reads all documents of all sources; what has no `kind` is no manifest and left out.
    pub(super) fn read(sources: &'s [Source]) -> Self {
        let mut set = Self { sources, objects: Vec::new(), unreadable: Vec::new(), documents: Vec::new() };
        for (index, source) in sources.iter().enumerate() {
            for document in documents(source) {
                match Node::read(source, index, &document) {
                    Ok(root) => set.add(index, document, root),
                    Err(problem) => set.unreadable.push(unreadable(index, problem)),
                }
            }
        }
        set
    }

    fn add(&mut self, source: usize, document: Document<'s>, root: Node) {
        let before = self.objects.len();
        if root.text_at("kind").is_some_and(|kind| kind.ends_with("List")) {
            self.objects.extend(root.into_items("items").into_iter().filter_map(Object::new));
        } else {
            self.objects.extend(Object::new(root));
        }
        if self.objects.len() > before {
            self.documents.push(Held { source, document, objects: before..self.objects.len() });
        }
    }

    /// The objects of a document.
    pub(super) fn held(&self, document: &Held<'_>) -> &[Object] {
        &self.objects[document.objects.clone()]
    }

    /// How many objects matter to a gateway, or might once they can be read.
    pub(super) fn relevant(&self) -> usize {
        self.objects.iter().filter(|object| object.relevant()).count() + self.unreadable.len()
    }

    /// The source that an object stands in.
    pub(super) fn source_of(&self, object: &Object) -> &'s Source {
        &self.sources[object.root.place().source]
    }

    /// Whether the object at this place allows this rule.
    pub(super) fn allowed(&self, mark: Mark, id: &str) -> bool {
        let here =
            |object: &&Object| object.root.place().source == mark.source && object.root.place().line <= mark.line;
        let object = self.objects.iter().filter(here).max_by_key(|object| object.root.place().line);
        let annotations = object.and_then(|object| object.root.get("metadata.annotations"));
        let allow = annotations.and_then(|all| all.entries().iter().find(|entry| entry.key == ALLOW));
        let ids = allow.and_then(|entry| entry.value.text()).unwrap_or_default();
        ids.split([',', ' ']).any(|allowed| allowed.eq_ignore_ascii_case(id))
    }
}

fn unreadable(source: usize, problem: Problem) -> Unreadable {
    let (line, column) = (problem.line.max(1), problem.column.max(1));
    Unreadable { mark: Mark { source, line, column, width: problem.caret_len.max(1) }, problem }
}
