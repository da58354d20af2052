//! A YAML document as a tree that knows where each key and value stands. Lenient: it holds what is written, of any
//! kind and shape; whether fields exist is for others to say.

use std::fmt;

use gateway::yaml::{self, Document, Problem, Source};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// A place in one of the sources.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// Index of the source.
    pub(super) source: usize,
    /// From 1.
    pub(super) line: usize,
    /// From 1.
    pub(super) column: usize,
    /// How many characters are meant.
    pub(super) width: usize,
}

/// A value and its place.
#[derive(Debug, Default)]
pub(super) struct Node {
    value: Value,
    mark: Mark,
}

#[derive(Debug, Default)]
enum Value {
    #[default]
    Null,
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    key_mark: Mark,
    pub(super) value: Node,
}

impl Entry {
    /// The key, with its value where that is one word on the same line.
    pub(super) fn mark(&self) -> Mark {
        let value = self.value.mark;
        match self.value.value {
            Value::Scalar(_) if value.line == self.key_mark.line && value.column > self.key_mark.column => {
                Mark { width: value.column + value.width - self.key_mark.column, ..self.key_mark }
            }
            _ => self.key_mark,
        }
    }
}

impl Node {
    /// Reads one document of the source with this index.
    pub(super) fn read(source: &Source, index: usize, document: &Document<'_>) -> Result<Self, Problem> {
        let mut node: Self = yaml::read(source, document)?;
        node.settle(index, document.first_line - 1);
        Ok(node)
    }

    /// Places count from the document until the source is known.
    fn settle(&mut self, source: usize, lines: usize) {
        let settle = |mark: &mut Mark| *mark = Mark { source, line: mark.line + lines, ..*mark };
        settle(&mut self.mark);
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|item| item.settle(source, lines)),
            Value::Map(entries) => {
                for entry in entries {
                    settle(&mut entry.key_mark);
                    entry.value.settle(source, lines);
                }
            }
            Value::Null | Value::Scalar(_) => {}
        }
    }

    /// Its place; that of a map is its name, else its first key.
    pub(super) fn mark(&self) -> Mark {
        let first = self.entry("name").or(self.entries().first());
        first.map_or(self.mark, Entry::mark)
    }

    /// Where it begins.
    pub(super) fn place(&self) -> Mark {
        self.mark
    }

    /// The items of one of its lists, taken out.
    pub(super) fn into_items(self, key: &str) -> Vec<Node> {
        let Value::Map(entries) = self.value else { return Vec::new() };
        let list = entries.into_iter().find(|entry| entry.key == key).map(|entry| entry.value.value);
        if let Some(Value::List(items)) = list { items } else { Vec::new() }
    }

    /// The entries of a map, in order; none for anything else.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; none for anything else.
    pub(super) fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// A word, number or truth value as it is written.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// The entry at a path of keys such as `spec.ai.provider`, unless it is null.
    pub(super) fn entry(&self, path: &str) -> Option<&Entry> {
        let (key, rest) = path.split_once('.').map_or((path, None), |(key, rest)| (key, Some(rest)));
        let entry = self.entries().iter().find(|entry| entry.key == key)?;
        match rest {
            Some(rest) => entry.value.entry(rest),
            None => Some(entry).filter(|entry| !matches!(entry.value.value, Value::Null)),
        }
    }

    /// The value at a path of keys.
    pub(super) fn get(&self, path: &str) -> Option<&Node> {
        self.entry(path).map(|entry| &entry.value)
    }

    /// The word at a path of keys.
    pub(super) fn text_at(&self, path: &str) -> Option<&str> {
        self.get(path)?.text()
    }

    /// The items of the list at a path of keys.
    pub(super) fn items_at(&self, path: &str) -> &[Node] {
        self.get(path).map(Node::items).unwrap_or_default()
    }

    /// Every word in it, with its place; keys are left out.
    pub(super) fn words(&self) -> Vec<(&str, Mark)> {
        match &self.value {
            Value::Null => Vec::new(),
            Value::Scalar(text) => vec![(text, self.mark)],
            Value::List(items) => items.iter().flat_map(Node::words).collect(),
            Value::Map(entries) => entries.iter().flat_map(|entry| entry.value.words()).collect(),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Node { mark: mark(&spanned), value: spanned.value })
    }
}

fn mark<T>(spanned: &Spanned<T>) -> Mark {
    let at = spanned.referenced;
    let number = |value: u64| usize::try_from(value).unwrap_or(1).max(1);
    let width = usize::try_from(at.span().len()).unwrap_or(1).max(1);
    Mark { source: 0, line: number(at.line()), column: number(at.column()), width }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            entries.push(Entry { key_mark: mark(&key), key: key.value, value: map.next_value()? });
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Node {
        let source = Source::new("m.yaml", text);
        let document = yaml::documents(&source)[0];
        Node::read(&source, 3, &document).expect("YAML")
    }

    #[test]
    fn keys_and_values_know_their_places() {
        let tree = tree("# comment\n---\na:\n  host: \"b.c\"\n  list: [{name: x}, 7]\n");
        let host = tree.entry("a.host").expect("there").mark();
        assert_eq!((host.source, host.line, host.column, host.width), (3, 4, 3, 11));
        let list = tree.items_at("a.list");
        assert_eq!((list[0].mark().line, list[0].mark().column, list[0].mark().width), (5, 11, 7));
        assert_eq!((list[1].text(), list[1].mark().column), (Some("7"), 21));
        assert_eq!(tree.entry("a.list").expect("there").mark().width, 4);
    }

    #[test]
    fn what_is_not_there_and_what_is_null_are_the_same() {
        let tree = tree("a: {b: null, c: ~, d: {}}\n");
        assert!(tree.get("a.b").is_none() && tree.get("a.c").is_none() && tree.get("x.y").is_none());
        assert!(tree.get("a.d").is_some_and(|d| d.entries().is_empty()));
    }

    #[test]
    fn every_word_is_found() {
        let tree = tree("a: x\nb: [y, {c: z, d: null}]\n");
        let words: Vec<_> = tree.words().into_iter().map(|(word, _)| word).collect();
        assert_eq!(words, ["x", "y", "z"]);
    }
}
