//! Where in a YAML text a path such as `providers.a.rules[2].when` leads.
//!
//! Owns the way down, as far as there is one: the last part that exists counts. Refuses to know what is there.

use gateway::yaml::{self, Source};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// A line and a column, from 1.
pub(super) type Place = (usize, usize);

/// The place of the value at a path, or of the last part of the path that there is.
pub(super) fn find(source: &Source, path: &str) -> Option<Place> {
    let steps = steps(path);
    let [one] = yaml::documents(source)[..] else { return None };
    let found = (0..=steps.len())
        .rev()
        .find_map(|length| yaml::read_seed(source, &one, Descent(&steps[..length])).ok().flatten())?;
    Some((found.0 + one.first_line - 1, found.1))
}

/// `rules[2]` is two steps.
fn steps(path: &str) -> Vec<String> {
    let parts = path.split(['.', '[']).map(|part| part.trim_end_matches(']'));
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// What is left of a path.
struct Descent<'p>(&'p [String]);

impl<'de> DeserializeSeed<'de> for Descent<'_> {
    type Value = Option<Place>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        if self.0.is_empty() {
            let at = Spanned::<IgnoredAny>::deserialize(reader)?.referenced;
            let number = |value| usize::try_from(value).unwrap_or(1).max(1);
            return Ok(Some((number(at.line()), number(at.column()))));
        }
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Descent<'_> {
    type Value = Option<Place>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "something with `{}`", self.0[0])
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            if key == self.0[0] {
                found = map.next_value_seed(Descent(&self.0[1..]))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let wanted: Option<usize> = self.0[0].parse().ok();
        let mut found = None;
        for index in 0.. {
            let item = if Some(index) == wanted {
                let item = list.next_element_seed(Descent(&self.0[1..]))?;
                found = item.flatten();
                item.is_some()
            } else {
                list.next_element::<IgnoredAny>()?.is_some()
            };
            if !item {
                break;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_its_line_or_to_where_it_breaks_off() {
        let text = "# a comment\nproviders:\n  a:\n    rules:\n      - respond: {text: x}\n      - when: {model: m}\n        respond: {text: y}\n";
        let source = Source::new("m.yaml", text);
        assert_eq!(find(&source, "providers.a.rules[1].when"), Some((6, 15)));
        assert_eq!(find(&source, "providers.a.rules[1]"), Some((6, 9)));
        assert_eq!(find(&source, "providers.a.rules[1].when.path"), Some((6, 15)));
        assert_eq!(find(&source, "providers.b"), Some((3, 3)));
    }
}
