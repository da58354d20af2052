//! How much work one made-up value may cost.
//!
//! Owns the count that making and judging share, so that no schema takes long or grows large, however it multiplies.
//! Refuses to decide what happens when it is used up: who makes stops, who judges is content.

use std::cell::Cell;

use serde_json::{Map, Value};

/// Steps, each of them well below a microsecond but for those of patterns.
const STEPS: usize = 40_000;
/// So many bytes of text are a step.
const BYTES: usize = 8;
/// To compile an expression, or to write a text for it.
pub(super) const PATTERN: usize = 100;

/// The steps that are left.
pub(super) struct Budget(Cell<usize>);

impl Budget {
    pub(super) fn new() -> Self {
        Self(Cell::new(STEPS))
    }

    /// Takes so many steps, or says that there are not so many left; then there are none.
    pub(super) fn spend(&self, steps: usize) -> bool {
        let left = self.0.get().checked_sub(steps);
        self.0.set(left.unwrap_or(0));
        left.is_some()
    }

    /// For a text that is copied.
    pub(super) fn spend_text(&self, text: &str) -> bool {
        self.spend(1 + text.len() / BYTES)
    }

    /// For a value that is copied.
    pub(super) fn spend_value(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.spend_text(text),
            Value::Array(items) => self.spend(1) && items.iter().all(|item| self.spend_value(item)),
            Value::Object(members) => self.spend_map(members),
            _ => self.spend(1),
        }
    }

    /// For a map that is copied.
    pub(super) fn spend_map(&self, members: &Map<String, Value>) -> bool {
        self.spend(1) && members.iter().all(|(name, value)| self.spend_text(name) && self.spend_value(value))
    }

    /// Whether it is time to come to an end.
    pub(super) fn is_low(&self) -> bool {
        self.0.get() < STEPS / 2
    }
}
