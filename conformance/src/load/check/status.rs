//! What can be wrong with an expectation on status without running anything.

use super::{Check, at};
use crate::manifest;
use crate::scenario::At;
use crate::scenario::expect::StatusExpect;

impl Check<'_> {
    pub(super) fn statuses(&mut self, all: &[At<StatusExpect>]) {
        if !all.is_empty() {
            self.needs("k8s.status", "what is expected of status");
        }
        for expect in all {
            let StatusExpect { kind, parent, listener, conditions, .. } = &expect.value;
            self.known("kind", kind, manifest::kinds());
            if conditions.is_empty() {
                self.problems.push(at(self.source, expect, "`conditions` names at least one condition"));
            }
            if listener.is_some() && (kind.value != "Gateway" || parent.is_some()) {
                let message = "`listener` belongs to a Gateway, which has no `parent`";
                self.problems.push(at(self.source, expect, message));
            }
        }
    }
}
