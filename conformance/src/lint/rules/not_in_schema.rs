//! L1: fields and kinds that do not exist.

use gateway::config::from_sources;
use gateway::config::kind::{AGENTGATEWAY, KINDS, Kind};
use gateway::yaml::{Problem, Source, did_you_mean};

use super::{Held, Hit, Mark, Object, Rule, Set, Severity};

pub(super) const RULE: Rule = Rule {
    id: "L1",
    severity: Severity::Error,
    title: "the schema has no such kind, field or value",
    why: "The API server refuses the object, or drops the field in silence where validation is not strict. This is \
          read as strictly as the reference gateway reads.",
    mend: "kubectl explain agentgatewaybackend.spec.ai --recursive",
    bad: "
kind: AgentgatewayBackend
metadata: {name: openai}
spec: {ai: {provider: {openai: {modle: gpt-4o}}}}
",
    good: "
kind: AgentgatewayBackend
metadata: {name: openai}
spec: {ai: {provider: {openai: {model: gpt-4o}}}}
",
    check,
};

fn check(set: &Set<'_>) -> Vec<Hit> {
    let unknown = set.objects.iter().filter_map(unknown_kind);
    let known = set.documents.iter().filter(|held| set.held(held).iter().all(|object| object.known().is_some()));
    unknown.chain(known.flat_map(|held| strictly(set, held))).collect()
}

/// A kind of our groups that nobody knows, unless it is the Gateway API's and simply none of this gateway's.
fn unknown_kind(object: &Object) -> Option<Hit> {
    let kind = object.root.entry("kind")?;
    if object.known().is_some() {
        return None;
    }
    let names = || KINDS.iter().map(|kind| kind.name());
    let close = did_you_mean(&object.kind, names().filter(|name| *name != object.kind));
    match (Kind::named(&object.kind), close) {
        (Some(known), _) if object.ours() || object.group.is_empty() => {
            let mend = format!("apiVersion: {}", known.api_version());
            Some(Hit::new(kind.mark(), format!("`{}` is no kind of group `{}`", object.kind, object.group)).mend(mend))
        }
        (None, Some(close)) if object.ours() => {
            Some(Hit::new(kind.mark(), format!("unknown kind `{}`", object.kind)).mend(format!("kind: {close}")))
        }
        (None, None) if object.group == AGENTGATEWAY => Some(
            Hit::new(kind.mark(), format!("agentgateway has no kind `{}`", object.kind))
                .mend("kubectl api-resources --api-group agentgateway.dev"),
        ),
        _ => None,
    }
}

fn strictly(set: &Set<'_>, held: &Held<'_>) -> Vec<Hit> {
    let source = Source::new(&set.sources[held.source].path, held.document.text);
    let problems = from_sources(std::slice::from_ref(&source)).err().unwrap_or_default();
    problems.into_iter().map(|problem| hit(held.source, held.document.first_line - 1, problem)).collect()
}

fn hit(source: usize, lines: usize, problem: Problem) -> Hit {
    let mark = Mark {
        source,
        line: problem.line.max(1) + lines,
        column: problem.column.max(1),
        width: problem.caret_len.max(1),
    };
    let hit = Hit::new(mark, problem.message);
    match problem.hint {
        Some(hint) => hit.mend(hint),
        None => hit,
    }
}
