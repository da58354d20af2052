//! From YAML texts to [`Manifest`]s: recognises the kind, unpacks lists, and reads each object
//! into its strict type. All problems of all documents are collected; nothing is repaired.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::kind::{KINDS, Kind, Manifest};
use crate::yaml::{Document, Problem, Source, did_you_mean, documents, read, read_seed};

/// Documents that are worth a thread.
const SHARE: usize = 64;

/// A manifest and the line it starts at.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) kind: Kind,
    pub(super) manifest: Manifest,
    pub(super) line: usize,
}

/// Enough of an object to know its kind; a list's items look the same.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    api_version: Option<String>,
    kind: Option<String>,
    items: Option<Vec<Spanned<ItemHead>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ItemHead {
    api_version: Option<String>,
    kind: Option<String>,
}

/// What came of one document.
#[derive(Debug)]
pub(super) struct Outcome<'s> {
    pub(super) source: &'s Source,
    pub(super) placed: Vec<Placed>,
    pub(super) problems: Vec<Problem>,
}

/// Reads every document of all sources, in order; many of them by several threads, as nothing serves until it is done.
pub(super) fn read_sources(sources: &[Source]) -> Vec<Outcome<'_>> {
    let all: Vec<_> = sources
        .iter()
        .flat_map(|source| documents(source).into_iter().map(move |document| (source, document)))
        .collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(all.len() / SHARE);
    if threads < 2 {
        return read_share(&all);
    }
    std::thread::scope(|scope| {
        let shares = all.chunks(all.len().div_ceil(threads));
        let readers: Vec<_> = shares.map(|share| scope.spawn(|| read_share(share))).collect();
        readers.into_iter().flat_map(|reader| reader.join().expect("reading does not panic")).collect()
    })
}

fn read_share<'s>(documents: &[(&'s Source, Document<'s>)]) -> Vec<Outcome<'s>> {
    let read = |(source, document): &(&'s Source, Document<'s>)| {
        let mut problems = Vec::new();
        let placed = read_document(source, document, &mut problems).unwrap_or_else(|problem| {
            problems.push(problem);
            Vec::new()
        });
        Outcome { source, placed, problems }
    };
    documents.iter().map(read).collect()
}

fn read_document(
    source: &Source,
    document: &Document<'_>,
    problems: &mut Vec<Problem>,
) -> Result<Vec<Placed>, Problem> {
    let head: Spanned<Head> = read(source, document)?;
    let line = line_of(document, &head);
    let Head { api_version, kind, items } = head.value;
    if kind.as_deref().is_some_and(|kind| kind.ends_with("List")) {
        return read_list(source, document, items.unwrap_or_default(), problems);
    }
    let kind = known_kind(api_version.as_deref(), kind.as_deref()).map_err(|what| what.at(source, line))?;
    let manifest = read_seed(source, document, kind)?;
    check_secret(&manifest).map_err(|message| source.problem(line, message))?;
    Ok(vec![Placed { kind, manifest, line }])
}

fn read_list(
    source: &Source,
    document: &Document<'_>,
    heads: Vec<Spanned<ItemHead>>,
    problems: &mut Vec<Problem>,
) -> Result<Vec<Placed>, Problem> {
    let mut kinds = Vec::new();
    let mut lines = Vec::new();
    for head in &heads {
        let line = line_of(document, head);
        match known_kind(head.value.api_version.as_deref(), head.value.kind.as_deref()) {
            Ok(kind) => kinds.push(kind),
            Err(what) => problems.push(what.at(source, line)),
        }
        lines.push(line);
    }
    if kinds.len() < heads.len() {
        return Ok(Vec::new());
    }
    let manifests = read_seed(source, document, ListSeed(&kinds))?;
    for (manifest, line) in manifests.iter().zip(&lines) {
        check_secret(manifest).map_err(|message| source.problem(*line, message))?;
    }
    let placed = manifests.into_iter().zip(kinds).zip(lines);
    Ok(placed.map(|((manifest, kind), line)| Placed { kind, manifest, line }).collect())
}

fn line_of<T>(document: &Document<'_>, spanned: &Spanned<T>) -> usize {
    let local = usize::try_from(spanned.referenced.line()).unwrap_or(1).max(1);
    document.first_line + local - 1
}

/// Why an object's kind is not known.
struct UnknownKind {
    /// There is a `kind`, so its place can be shown.
    named: bool,
    message: String,
    hint: Option<String>,
}

impl UnknownKind {
    fn at(self, source: &Source, line: usize) -> Problem {
        let problem = Problem { hint: self.hint, ..source.problem(line, self.message) };
        if self.named { problem.pointing_at(source, "kind:") } else { problem }
    }
}

fn known_kind(api_version: Option<&str>, kind: Option<&str>) -> Result<Kind, UnknownKind> {
    let Some(name) = kind else {
        return Err(UnknownKind {
            named: false,
            message: "this object has no `kind`".to_owned(),
            hint: Some("every object starts with `apiVersion` and `kind`".to_owned()),
        });
    };
    let Some(kind) = Kind::named(name) else {
        let close = did_you_mean(name, KINDS.iter().map(|kind| kind.name()));
        let hint = close.map(|close| format!("did you mean `{close}`?"));
        return Err(UnknownKind { named: true, message: format!("unknown kind `{name}`"), hint });
    };
    let Some(api_version) = api_version else { return Ok(kind) };
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    if group == kind.group() && kind.versions().contains(&version) {
        return Ok(kind);
    }
    Err(UnknownKind {
        named: true,
        message: format!("`{name}` is not a kind of apiVersion `{api_version}`"),
        hint: Some(format!("write `apiVersion: {}`", kind.api_version())),
    })
}

/// The API server would refuse a Secret with broken base64, so does the loader.
fn check_secret(manifest: &Manifest) -> Result<(), String> {
    let Manifest::Secret(secret) = manifest else { return Ok(()) };
    match secret.data.iter().flatten().find(|(_, value)| super::secret::decode(value).is_none()) {
        Some((key, _)) => {
            let name = &secret.metadata.name;
            Err(format!(
                "Secret `{name}`: the value of data key `{key}` is not base64 (plain text goes into stringData)"
            ))
        }
        None => Ok(()),
    }
}

/// Reads a `List` whose items' kinds are already known.
struct ListSeed<'k>(&'k [Kind]);

/// Reads the `items` of a list.
struct ItemsSeed<'k>(&'k [Kind]);

impl<'de> DeserializeSeed<'de> for ListSeed<'_> {
    type Value = Vec<Manifest>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ListSeed<'_> {
    type Value = Vec<Manifest>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "items" => items = map.next_value_seed(ItemsSeed(self.0))?,
                "apiVersion" | "kind" | "metadata" => drop(map.next_value::<IgnoredAny>()?),
                other => {
                    return Err(serde::de::Error::unknown_field(other, &["apiVersion", "kind", "metadata", "items"]));
                }
            }
        }
        Ok(items)
    }
}

impl<'de> DeserializeSeed<'de> for ItemsSeed<'_> {
    type Value = Vec<Manifest>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for ItemsSeed<'_> {
    type Value = Vec<Manifest>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::with_capacity(self.0.len());
        for kind in self.0 {
            items.extend(seq.next_element_seed(*kind)?);
        }
        Ok(items)
    }
}
