//! L2: two objects of the same name.

use std::collections::HashMap;

use super::{Hit, Rule, Set, Severity};

pub(super) const RULE: Rule = Rule {
    id: "L2",
    severity: Severity::Error,
    title: "an object is given twice",
    why: "kubectl applies one after the other: the last one stays, and what the first says is lost.",
    mend: "metadata: {name: …}         # a name of its own, or delete one of the two",
    bad: "
kind: AgentgatewayBackend
metadata: {name: openai}
spec: {ai: {provider: {openai: {}}}}
---
kind: AgentgatewayBackend
metadata: {name: openai, namespace: default}
spec: {ai: {provider: {openai: {model: gpt-4o}}}}
",
    good: "
kind: AgentgatewayBackend
metadata: {name: openai}
spec: {ai: {provider: {openai: {}}}}
---
kind: AgentgatewayBackend
metadata: {name: openai-4o}
spec: {ai: {provider: {openai: {model: gpt-4o}}}}
",
    check,
};

fn check(set: &Set<'_>) -> Vec<Hit> {
    let mut seen = HashMap::new();
    let mut hits = Vec::new();
    for object in set.objects.iter().filter(|object| !object.name.is_empty()) {
        let key = (&object.group, &object.kind, &object.namespace, &object.name);
        if let Some(first) = seen.insert(key, object) {
            let (path, line) = (set.source_of(first).path.display(), first.root.place().line);
            hits.push(Hit::new(object.mark(), format!("{} is given twice, first at {path}:{line}", object.title())));
        }
    }
    hits
}
