//! D13: what is no YAML.

use super::{Hit, Rule, Set, Severity};

pub(super) const RULE: Rule = Rule {
    id: "D13",
    severity: Severity::Error,
    title: "this is no YAML",
    why: "kubectl refuses the file. The usual reason is a value such as `{}` with more lines indented below it.",
    mend: "
openai:                     # no `{}` when something follows below
  model: gpt-4o
",
    bad: "
kind: AgentgatewayBackend
metadata: {name: openai}
spec:
  ai:
    provider:
      openai: {}
        model: gpt-4o
",
    good: "
kind: AgentgatewayBackend
metadata: {name: openai}
spec:
  ai:
    provider:
      openai:
        model: gpt-4o
",
    check,
};

fn check(set: &Set<'_>) -> Vec<Hit> {
    let hit = |one: &super::Unreadable| {
        let hit = Hit::new(one.mark, one.problem.message.clone());
        let indented = one.problem.message.contains("block mapping");
        match &one.problem.hint {
            Some(hint) if !indented => hit.mend(hint.clone()),
            _ => hit,
        }
    };
    set.unreadable.iter().map(hit).collect()
}
