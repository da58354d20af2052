//! `${…}` in a scenario: each must name something that will exist by the time when it is filled in.

use gateway::yaml::Source;

use super::{Check, offset};
use crate::vars;

impl Check<'_> {
    /// Every `${…}` must name something that will exist.
    pub(super) fn references(&mut self) {
        let source = self.source;
        for (start, name) in vars::references(&source.text) {
            if in_comment(source, start) || self.reference_known(name) {
                continue;
            }
            let problem = offset(source, start, name.len() + 3, format!("`${{{name}}}` names nothing"));
            let names = self.reference_names();
            self.refuse(problem, name, names.iter().map(String::as_str).collect());
        }
    }

    /// A variable is filled before anything runs: only with what is known by then.
    pub(super) fn variables(&mut self) {
        let texts = self.scenario.variables.values().map(ToString::to_string);
        let early = ["env.", "options.", "secrets."];
        for text in texts.collect::<Vec<_>>() {
            let late = |name: &&str| !early.iter().any(|prefix| name.starts_with(prefix));
            for name in vars::references(&text).into_iter().map(|(_, name)| name).filter(late) {
                let found = self.source.text.find(&format!("${{{name}}}")).unwrap_or(0);
                let message = format!("a variable cannot be made of `${{{name}}}`");
                let problem = offset(self.source, found, name.len() + 3, message);
                self.problems.push(problem.with_hint("only of `${env.…}`, `${options.…}` and `${secrets.…}`"));
            }
        }
    }

    fn reference_known(&self, name: &str) -> bool {
        match name.split_once('.') {
            Some(("steps", rest)) => {
                let id = rest.split('.').next().unwrap_or_default();
                self.scenario.all_steps().any(|step| step.id.as_deref() == Some(id))
            }
            Some(("env", _)) => true,
            _ => self.reference_names().iter().any(|known| known == name),
        }
    }

    fn reference_names(&self) -> Vec<String> {
        let scenario = self.scenario;
        let mut names = vec!["i".to_owned(), "nonce".to_owned(), "gateway.address".to_owned()];
        names.extend(scenario.variables.keys().cloned());
        names.extend(scenario.secrets.keys().map(|name| format!("secrets.{name}")));
        names.extend(crate::capability::OPTIONS.iter().map(|option| format!("options.{}", option.name)));
        let others = scenario.traps.iter().chain(&scenario.collectors).map(|name| &name.value);
        for provider in scenario.providers.keys().chain(others) {
            names.extend(["host", "port", "address"].map(|part| format!("{provider}.{part}")));
        }
        names
    }
}

/// Whether this byte of a line lies in a comment: behind a `#` that begins a word and is not quoted.
pub(in crate::load) fn in_comment(source: &Source, start: usize) -> bool {
    let line_start = source.text[..start].rfind('\n').map_or(0, |at| at + 1);
    let before = &source.text[line_start..start];
    before.match_indices('#').any(|(at, _)| {
        let lead = &before[..at];
        let word = lead.chars().next_back().is_none_or(char::is_whitespace);
        word && lead.matches('"').count().is_multiple_of(2)
    })
}
