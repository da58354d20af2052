//! The series of one group of families: found by their label values without writing these out, and bounded.
//! What comes after the last free row is counted in one row whose labels are all `unknown`.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};

/// Rows that a table has at most, the one for the rest among them.
pub const MOST_ROWS: usize = 2000;

/// Label values; the numbers are port and status.
#[derive(Debug, Clone, Copy)]
pub struct Key<'a> {
    /// Port and status, 0 where there is none.
    pub numbers: [u16; 2],
    /// The rest.
    pub texts: &'a [&'a str],
    /// Labels of one's own, with their names.
    pub extra: &'a [(&'a str, String)],
}

/// One row: its labels as they are written, and what was counted.
#[derive(Debug, Clone)]
pub struct Row<V> {
    /// `name="value",…`
    pub labels: Arc<str>,
    /// What was counted.
    pub value: V,
}

#[derive(Debug)]
struct Owned {
    numbers: [u16; 2],
    texts: Box<[Box<str>]>,
    extra: Box<[(Box<str>, Box<str>)]>,
}

impl Owned {
    fn of(key: &Key<'_>) -> Self {
        let texts = key.texts.iter().map(|text| Box::from(*text)).collect();
        let extra = key.extra.iter().map(|(name, value)| (Box::from(*name), Box::from(value.as_str())));
        Self { numbers: key.numbers, texts, extra: extra.collect() }
    }

    fn is(&self, key: &Key<'_>) -> bool {
        let texts = self.texts.iter().map(|text| &**text).eq(key.texts.iter().copied());
        let extra = self.extra.iter().map(|(name, value)| (&**name, &**value));
        self.numbers == key.numbers && texts && extra.eq(key.extra.iter().map(|(name, value)| (*name, value.as_str())))
    }
}

/// A group's rows in the order in which they came.
#[derive(Debug)]
pub struct Table<V> {
    hasher: DefaultHashBuilder,
    /// Hash and position.
    index: HashTable<(u64, usize)>,
    keys: Vec<Owned>,
    rows: Vec<Row<V>>,
    /// The row of the last key.
    last: usize,
    rest: Option<usize>,
    folded: u64,
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        let hasher = DefaultHashBuilder::default();
        Self { hasher, index: HashTable::new(), keys: Vec::new(), rows: Vec::new(), last: 0, rest: None, folded: 0 }
    }
}

impl<V: Default + Clone> Table<V> {
    /// The row of a key. Labels are written when it is new; for the row of the rest, `labels` is told so.
    pub fn row(&mut self, key: &Key<'_>, labels: impl FnOnce(Labels) -> String) -> &mut V {
        // most records are like the one before
        if self.keys.get(self.last).is_some_and(|last| last.is(key)) {
            return &mut self.rows[self.last].value;
        }
        let hash = self.hasher.hash_one((key.numbers, key.texts, key.extra));
        let found = self.index.find(hash, |(other, at)| *other == hash && self.keys[*at].is(key)).map(|(_, at)| *at);
        let at = match found {
            Some(at) => at,
            None if self.rows.len() + 1 < MOST_ROWS => {
                let at = self.add(labels(Labels::Own));
                self.keys.push(Owned::of(key));
                self.index.insert_unique(hash, (hash, at), |(hash, _)| *hash);
                at
            }
            None => {
                self.folded += 1;
                match self.rest {
                    Some(at) => at,
                    None => {
                        let at = self.add(labels(Labels::Rest));
                        self.rest = Some(at);
                        at
                    }
                }
            }
        };
        self.last = at;
        &mut self.rows[at].value
    }

    /// Which row was the last.
    #[must_use]
    pub fn last(&self) -> usize {
        self.last
    }

    /// The row of the last key once more, of which there must have been one.
    pub fn again(&mut self) -> &mut V {
        self.folded += u64::from(self.rest == Some(self.last));
        &mut self.rows[self.last].value
    }

    fn add(&mut self, labels: String) -> usize {
        self.rows.push(Row { labels: labels.into(), value: V::default() });
        self.rows.len() - 1
    }

    /// A copy of the rows.
    #[must_use]
    pub fn rows(&self) -> Vec<Row<V>> {
        self.rows.clone()
    }

    /// Records that found no row of their own.
    #[must_use]
    pub fn folded(&self) -> u64 {
        self.folded
    }
}

/// Whose labels are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Labels {
    /// The key's own.
    Own,
    /// `unknown` for each.
    Rest,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_again_and_what_is_too_many_shares_one() {
        let mut table: Table<u64> = Table::default();
        for round in 0..2 {
            for n in 0..3000 {
                let name = format!("b-{n}");
                let key = Key { numbers: [1, 2], texts: &[&name, "x"], extra: &[] };
                *table.row(&key, |labels| format!("{name} {labels:?}")) += 1;
            }
            let rows = table.rows();
            assert_eq!((rows.len(), rows[0].value), (MOST_ROWS, round + 1));
            assert_eq!((&*rows[MOST_ROWS - 1].labels, rows[MOST_ROWS - 1].value), ("b-1999 Rest", table.folded()));
        }
        assert_eq!(table.folded(), 2 * (3001 - MOST_ROWS as u64));
    }

    #[test]
    fn a_row_is_the_same_whatever_came_between() {
        let mut table: Table<String> = Table::default();
        for name in ["a", "a", "b", "a", "b", "b"] {
            table.row(&Key { numbers: [0, 0], texts: &[name], extra: &[] }, |_| name.to_owned()).push_str(name);
        }
        let rows = table.rows();
        assert_eq!(rows.iter().map(|row| &*row.value).collect::<Vec<_>>(), ["aaa", "bbb"]);
    }

    #[test]
    fn values_do_not_run_into_each_other() {
        let mut table: Table<u64> = Table::default();
        for texts in [["ab", "c"], ["a", "bc"], ["abc", ""]] {
            *table.row(&Key { numbers: [0, 0], texts: &texts, extra: &[] }, |_| String::new()) += 1;
        }
        assert_eq!(table.rows().len(), 3);
    }
}
