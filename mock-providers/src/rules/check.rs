//! Whether a request is what `when` asks for, and if not, why.
//!
//! Owns the meaning of every key. Refuses to count: `nth` is the rule's own business.

use std::borrow::Cow;
use std::fmt::Write;

use super::facts::Facts;
use crate::credentials;
use crate::script::{Dialect, TextMatch, When};
use crate::states::Moment;

/// How much of a text a reason shows.
const SHOWN: usize = 60;

/// All that a `when` may look at.
pub(crate) struct Scene<'s> {
    pub(crate) facts: Facts<'s>,
    pub(crate) dialect: Dialect,
    pub(crate) moment: Moment,
}

impl Scene<'_> {
    /// Whether everything holds.
    pub(crate) fn fits(&self, when: &When) -> bool {
        let mut check = Check { scene: self, explain: Explain::Nothing, held: 0, misses: Vec::new() };
        check.all(when)
    }

    /// The first key that does not hold, and what the request has instead.
    pub(crate) fn reason(&self, when: &When) -> String {
        let mut check = Check { scene: self, explain: Explain::First, held: 0, misses: Vec::new() };
        check.all(when);
        check.misses.pop().unwrap_or_default()
    }

    /// How many keys hold, and what speaks against the others.
    pub(crate) fn nearness(&self, when: &When) -> (usize, Vec<String>) {
        let mut check = Check { scene: self, explain: Explain::All, held: 0, misses: Vec::new() };
        check.all(when);
        (check.held, check.misses)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Explain {
    Nothing,
    First,
    All,
}

struct Check<'c, 's> {
    scene: &'c Scene<'s>,
    explain: Explain,
    held: usize,
    misses: Vec<String>,
}

impl Check<'_, '_> {
    /// Looks at one key after the other; false as soon as one that does not hold ends the search.
    fn all(&mut self, when: &When) -> bool {
        self.of_head(when) && self.of_body(when) && self.of_conversation(when) && self.of_rest(when)
    }

    fn of_head(&mut self, when: &When) -> bool {
        let (scene, head) = (self.scene, self.scene.facts.request.head);
        let facts = &scene.facts;
        self.key("path", when.path.as_ref(), |glob| glob.matches(head.path()), || shown(head.path()))
            && self.key(
                "method",
                when.method.as_ref(),
                |method| method.eq_ignore_ascii_case(head.method()),
                || shown(head.method()),
            )
            && self.key("dialect", when.dialect, |dialect| dialect == scene.dialect, || "another".to_owned())
            && self.key("key", when.key.as_ref(), |key| key.holds(facts.key(scene.dialect)), || "another".to_owned())
            && when.header.iter().all(|(name, want)| self.header(name, want))
            && when.query.iter().all(|(name, want)| self.parameter(name, want))
            && self.text("session", when.session.as_ref(), || facts.session().map(Cow::Borrowed))
    }

    fn of_body(&mut self, when: &When) -> bool {
        let facts = &self.scene.facts;
        let request = facts.request;
        let format = || facts.response_format().map(Cow::Borrowed);
        self.key("model", when.model.as_ref(), |model| model.holds(request.model()), || named(request.model()))
            && self.key("stream", when.stream, |stream| stream == request.stream(), || request.stream().to_string())
            && when.body.0.iter().all(|(path, want)| {
                let value = request.json.as_ref().and_then(|json| path.first(json));
                let seen = || value.map_or_else(|| "absent".to_owned(), |value| shown(&value.to_string()));
                self.key(&format!("body.{}", path.as_str()), Some(want), |want| want.holds(value), seen)
            })
            && self.text("response_format", when.response_format.as_ref(), format)
            && self.key("n", when.n_gt, |least| facts.choices() > least, || facts.choices().to_string())
            && self.key(
                "max_tokens",
                when.max_tokens_lt,
                |most| facts.max_tokens().is_some_and(|limit| limit < most),
                || facts.max_tokens().map_or_else(|| "absent".to_owned(), |limit| limit.to_string()),
            )
    }

    fn of_conversation(&mut self, when: &When) -> bool {
        let facts = &self.scene.facts;
        self.text("last_user", when.last_user.as_ref(), || facts.last_user().map(Cow::Borrowed))
            && self.text("system", when.system.as_ref(), || facts.system().map(Cow::Owned))
            && self.texts("any_message", when.any_message.as_ref(), || facts.messages().collect())
            && self.texts("input", when.input.as_ref(), || facts.inputs().collect())
            && self.key("turn", when.turn, |turns| turns.holds(facts.turn()), || facts.turn().to_string())
            && self.key(
                "has_tool_result",
                when.has_tool_result,
                |wanted| wanted == facts.results().next().is_some(),
                || facts.results().next().is_some().to_string(),
            )
            && self.texts("tool_result", when.tool_result.as_ref(), || facts.results().map(|(_, text)| text).collect())
            && self.texts("tool_call_id", when.tool_call_id.as_ref(), || facts.results().map(|(id, _)| id).collect())
            && self.key(
                "image_input",
                when.image_input,
                |image| image == facts.has_image(),
                || facts.has_image().to_string(),
            )
    }

    fn of_rest(&mut self, when: &When) -> bool {
        let scene = self.scene;
        let facts = &scene.facts;
        when.tools_include.0.iter().all(|tool| {
            let offered = || shown(&facts.tools().collect::<Vec<_>>().join(", "));
            self.key("tools_include", Some(tool), |tool| facts.tools().any(|name| name == tool), offered)
        }) && self.hash("tools_hash", when.tools_hash.as_ref(), || facts.tools_hash())
            && self.hash("system_hash", when.system_hash.as_ref(), || facts.system_hash())
            && when.state.iter().all(|(machine, want)| {
                let state = scene.moment.state(machine);
                let seen = || named(state);
                self.key(&format!("state.{machine}"), Some(want), |want| state == Some(want), seen)
            })
            && self.key(
                "any_of",
                Some(&when.any_of).filter(|any_of| !any_of.is_empty()),
                |any_of| any_of.iter().any(|when| scene.fits(when)),
                || "none of them".to_owned(),
            )
            && self.key("not", when.not.as_ref(), |not| !scene.fits(not), || "what must not be".to_owned())
    }

    /// Takes in one key, if it is given; says whether to look at the next.
    fn key<T>(
        &mut self,
        name: &str,
        want: Option<T>,
        holds: impl FnOnce(T) -> bool,
        seen: impl FnOnce() -> String,
    ) -> bool {
        let Some(want) = want else { return true };
        if holds(want) {
            self.held += 1;
            return true;
        }
        if self.explain != Explain::Nothing {
            self.misses.push(format!("{name} is {}", seen()));
        }
        self.explain == Explain::All
    }

    fn text<'t>(&mut self, name: &str, want: Option<&TextMatch>, text: impl Fn() -> Option<Cow<'t, str>>) -> bool {
        self.key(name, want, |want| want.holds(text().as_deref()), || named(text().as_deref()))
    }

    fn texts<'t>(&mut self, name: &str, want: Option<&TextMatch>, texts: impl Fn() -> Vec<&'t str>) -> bool {
        self.key(
            name,
            want,
            |want| want.holds_any(texts()),
            || {
                let texts = texts();
                if texts.is_empty() { "absent".to_owned() } else { shown(&texts.join(" | ")) }
            },
        )
    }

    fn hash(&mut self, name: &str, want: Option<&String>, hash: impl Fn() -> Option<String>) -> bool {
        self.key(name, want, |want| hash().as_ref() == Some(want), || named(hash().as_deref()))
    }

    fn header(&mut self, name: &str, want: &TextMatch) -> bool {
        let value = self.scene.facts.request.head.header(name);
        let seen = || named(value.map(|value| credentials::redact(name, value)).as_deref());
        self.key(&format!("header.{name}"), Some(want), |want| want.holds(value), seen)
    }

    fn parameter(&mut self, name: &str, want: &TextMatch) -> bool {
        let value = self.scene.facts.parameter(name);
        let secret = credentials::is_credential_parameter(name);
        let seen = || if secret { credentials::MASK.to_owned() } else { named(value.as_deref()) };
        self.key(&format!("query.{name}"), Some(want), |want| want.holds(value.as_deref()), seen)
    }
}

fn named(text: Option<&str>) -> String {
    text.map_or_else(|| "absent".to_owned(), shown)
}

/// A text as a reason shows it: its beginning, in quotes.
fn shown(text: &str) -> String {
    let mut shown = String::from("`");
    shown.extend(text.chars().take(SHOWN));
    let rest = text.chars().nth(SHOWN).is_some();
    // Writing to a string does not fail.
    let _ = shown.write_str(if rest { "…`" } else { "`" });
    shown
}
