//! CEL expressions of the configuration: parsed, and checked so that evaluating them is bounded and can only fail
//! over values. A problem is told with its line and column within the expression.

use ::cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue};
use ::cel::{ParseErrors, Program};

use super::Refusal;
use crate::cel::{Expression, Uses};
use crate::yaml::did_you_mean;

/// Longest expression.
const MOST_CHARS: usize = 2048;
/// Deepest nesting of operators, calls and selections.
const DEEPEST: usize = 64;
/// Where a loop may not stand.
const LOOP_IN_LOOP: &str = "a loop (all, exists, exists_one, map, filter) within another is not supported";

/// When an expression is evaluated: a later one sees more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Moment {
    /// A request begins: only its head is there.
    Head,
    /// The request has been read.
    Request,
    /// A provider has answered.
    Answer,
    /// The exchange is over.
    End,
}

/// What can be seen, and from when on.
const FIELDS: [(&str, &str, Moment); 17] = [
    ("request", "method", Moment::Head),
    ("request", "host", Moment::Head),
    ("request", "path", Moment::Head),
    ("request", "headers", Moment::Head),
    ("request", "body", Moment::End),
    ("response", "code", Moment::Answer),
    ("response", "headers", Moment::Answer),
    ("response", "body", Moment::End),
    ("llm", "requestModel", Moment::Request),
    ("llm", "streaming", Moment::Request),
    ("llm", "provider", Moment::Answer),
    ("llm", "responseModel", Moment::End),
    ("llm", "inputTokens", Moment::End),
    ("llm", "outputTokens", Moment::End),
    ("llm", "totalTokens", Moment::End),
    ("llm", "cachedInputTokens", Moment::End),
    ("llm", "reasoningTokens", Moment::End),
];

/// Functions beside the operators.
const FUNCTIONS: [&str; 13] = [
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "string",
    "int",
    "uint",
    "double",
    "bytes",
    "dyn",
    "type",
    "bool",
];

/// Reads an expression that will be evaluated at this moment.
pub(super) fn compile(text: &str, moment: Moment) -> Result<Expression, Refusal> {
    if text.chars().count() > MOST_CHARS {
        return Err(Refusal::invalid(format!("the expression is longer than {MOST_CHARS} characters")));
    }
    let program = Program::compile(text).map_err(|errors| syntax(text, &errors))?;
    let mut check = Check { moment, bound: Vec::new(), uses: Uses::default() };
    check.walk(program.expression(), 0).map_err(|wrong| {
        let at = wrong.at.and_then(|id| program.source_info().offset_for(id));
        let (line, column) = at.map_or((1, 1), |(start, _)| position(text, start as usize));
        Refusal::invalid(format!("{line}:{column}: {}", wrong.what))
    })?;
    let uses = check.uses;
    Ok(Expression::new(program, uses))
}

/// The first thing that the parser has to say, without the list of all that could stand there.
fn syntax(text: &str, errors: &ParseErrors) -> Refusal {
    let Some(first) = errors.errors.first() else { return Refusal::invalid("the expression cannot be read") };
    let what = first.msg.split(" expecting ").next().unwrap_or_default().trim_start_matches("Syntax error: ");
    let what = if what.contains("'<EOF>'") { "it ends where more is expected" } else { what };
    let what: String = what.chars().filter(|character| !character.is_control()).collect();
    let (line, column) = if first.pos.0 > 0 { first.pos } else { (1, 1) };
    let near = if text.trim().is_empty() { "the expression is empty".to_owned() } else { what };
    Refusal::invalid(format!("{line}:{column}: {near}"))
}

/// Line and column, from 1, of a character.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before: String = text.chars().take(offset).collect();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// What does not hold, and at which node.
struct Wrong {
    at: Option<u64>,
    what: String,
}

fn wrong(node: &IdedExpr, what: impl Into<String>) -> Wrong {
    Wrong { at: Some(node.id), what: what.into() }
}

struct Check {
    moment: Moment,
    /// Variables of the loop around.
    bound: Vec<String>,
    uses: Uses,
}

impl Check {
    fn walk(&mut self, node: &IdedExpr, depth: usize) -> Result<(), Wrong> {
        if depth > DEEPEST {
            return Err(wrong(node, "the expression is nested too deeply"));
        }
        match &node.expr {
            Expr::Unspecified | Expr::Literal(_) => Ok(()),
            Expr::Ident(name) if self.bound.contains(name) => Ok(()),
            Expr::Ident(name) => Err(root_alone(node, name)),
            Expr::Select(select) => match &select.operand.expr {
                Expr::Ident(root) if !self.bound.contains(root) => self.field(node, root, &select.field),
                _ => self.walk(&select.operand, depth + 1),
            },
            Expr::Call(call) => {
                self.call(node, call)?;
                self.all(call.target.as_deref().into_iter().chain(&call.args), depth)
            }
            Expr::List(list) => self.all(&list.elements, depth),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => self.all([&entry.key, &entry.value], depth),
                EntryExpr::StructField(field) => self.walk(&field.value, depth + 1),
            }),
            Expr::Struct(_) => Err(wrong(node, "messages are not supported")),
            Expr::Comprehension(comprehension) => self.comprehension(node, comprehension, depth),
        }
    }

    fn all<'e>(&mut self, nodes: impl IntoIterator<Item = &'e IdedExpr>, depth: usize) -> Result<(), Wrong> {
        nodes.into_iter().try_for_each(|node| self.walk(node, depth + 1))
    }

    /// A field of one of the roots.
    fn field(&mut self, node: &IdedExpr, root: &str, field: &str) -> Result<(), Wrong> {
        let known = FIELDS.iter().find(|(known_root, name, _)| (*known_root, *name) == (root, field));
        match known {
            Some((_, _, from)) if *from <= self.moment => (),
            Some(_) => return Err(wrong(node, format!("`{root}.{field}` is not known yet when this is evaluated"))),
            None => return Err(unknown_field(node, root, field)),
        }
        let used = match (root, field) {
            ("request", "headers") => &mut self.uses.request_headers,
            ("request", "body") => &mut self.uses.request_body,
            ("response", "headers") => &mut self.uses.response_headers,
            ("response", "body") => &mut self.uses.response_body,
            _ => return Ok(()),
        };
        *used = true;
        Ok(())
    }

    fn call(&mut self, node: &IdedExpr, call: &CallExpr) -> Result<(), Wrong> {
        let name = call.func_name.as_str();
        let operator = !name.starts_with(|first: char| first.is_ascii_alphabetic());
        if !operator && !FUNCTIONS.contains(&name) {
            let hint = did_you_mean(name, FUNCTIONS).map(|close| format!(": did you mean `{close}`?"));
            return Err(wrong(node, format!("unknown function `{name}`{}", hint.unwrap_or_default())));
        }
        match (name, call.args.last()) {
            ("matches", Some(IdedExpr { expr: Expr::Literal(LiteralValue::String(pattern)), .. })) => {
                let valid = regex::Regex::new(pattern.inner()).is_ok();
                valid.then_some(()).ok_or_else(|| wrong(node, "`matches`: the pattern is not a regular expression"))
            }
            ("matches", _) => Err(wrong(node, "`matches` takes a pattern in quotes only")),
            _ => Ok(()),
        }
    }

    /// A loop goes once over a list or a map; nothing in it loops.
    fn comprehension(&mut self, node: &IdedExpr, of: &ComprehensionExpr, depth: usize) -> Result<(), Wrong> {
        if !self.bound.is_empty() {
            return Err(wrong(node, LOOP_IN_LOOP));
        }
        self.bound.push(String::new()); // none can be called so: only to know that there is a loop
        self.walk(&of.iter_range, depth + 1)?;
        self.bound.extend([of.iter_var.clone(), of.accu_var.clone()]);
        self.bound.extend(of.iter_var2.clone());
        for part in [&of.accu_init, &of.loop_cond, &of.loop_step, &of.result] {
            self.walk(part, depth + 1)?;
        }
        self.bound.clear();
        Ok(())
    }
}

fn roots() -> impl Iterator<Item = &'static str> {
    ["request", "response", "llm"].into_iter()
}

fn root_alone(node: &IdedExpr, name: &str) -> Wrong {
    if roots().any(|root| root == name) {
        return wrong(node, format!("`{name}` alone has no value: name one of its fields"));
    }
    let hint = did_you_mean(name, roots())
        .map_or("known are request, response and llm".to_owned(), |close| format!("did you mean `{close}`?"));
    wrong(node, format!("`{name}` is not known: {hint}"))
}

fn unknown_field(node: &IdedExpr, root: &str, field: &str) -> Wrong {
    let known: Vec<_> = FIELDS.iter().filter(|(known, _, _)| *known == root).map(|(_, name, _)| *name).collect();
    if known.is_empty() {
        return root_alone(node, root);
    }
    let close = did_you_mean(field, known.iter().copied());
    let hint =
        close.map_or_else(|| format!("known are {}", known.join(", ")), |close| format!("did you mean `{close}`?"));
    wrong(node, format!("`{root}.{field}` is not known here: {hint}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(text: &str, moment: Moment) -> String {
        compile(text, moment).map_or_else(|refusal| refusal.message, |_| "nothing".to_owned())
    }

    #[test]
    fn a_wrong_expression_is_told_with_its_place_and_what_to_write() {
        let cases = [
            ("response.code >=", "1:17: it ends where more is expected"),
            ("response.code == 'a", "1:18: token recognition error"),
            ("", "1:1: the expression is empty"),
            ("true &&\n  respond.code > 1", "2:10: `respond` is not known: did you mean `response`?"),
            ("request.header['a'] == 'b'", "1:8: `request.header` is not known here: did you mean `headers`?"),
            ("request.zzz", "known are method, host, path, headers, body"),
            ("jwt.sub == 'a'", "`jwt` is not known: known are request, response and llm"),
            ("size(request) > 1", "`request` alone has no value"),
            ("request.path.startWith('/a')", "unknown function `startWith`: did you mean `startsWith`?"),
            ("request.path.matches('(')", "not a regular expression"),
            ("request.path.matches(request.host)", "a pattern in quotes only"),
            ("[1].all(x, [2].all(y, x == y))", "within another is not supported"),
            ("[[1].map(x, x)].exists(y, true)", "within another is not supported"),
            ("Message{a: 1} == 1", "messages are not supported"),
            ("[1].all(x, y == x)", "`y` is not known"),
        ];
        for (text, expected) in cases {
            let told = refused(text, Moment::End);
            assert!(told.contains(expected), "{text}: {told}");
            assert!(!told.contains("IDENTIFIER"), "{told}");
        }
    }

    #[test]
    fn an_expression_sees_only_what_is_known_at_its_moment() {
        for (text, moment) in [
            ("response.code == 1", Moment::Answer),
            ("request.headers['a'] == 'b'", Moment::Request),
            ("llm.requestModel == 'b'", Moment::Request),
            ("llm.inputTokens > 1", Moment::End),
            ("has(request.body)", Moment::End),
        ] {
            for other in [Moment::Request, Moment::Answer, Moment::End] {
                let told = refused(text, other);
                assert_eq!(told == "nothing", other >= moment, "{text} {other:?}: {told}");
            }
        }
    }

    #[test]
    fn uses_are_what_has_to_be_kept() {
        let uses = |text: &str| compile(text, Moment::End).expect("valid").uses;
        assert_eq!(uses("response.code == 200 && request.path == '/'"), Uses::default());
        let both = Uses { request_headers: true, response_body: true, ..Uses::default() };
        assert_eq!(uses("request.headers.exists(name, name == 'a') || size(response.body) > 3"), both);
    }

    #[test]
    fn long_and_deep_expressions_are_refused_and_not_followed() {
        assert!(refused(&"1".repeat(MOST_CHARS + 1), Moment::End).contains("longer than"));
        let sum = "1+".repeat(MOST_CHARS / 2 - 1) + "1";
        assert!(refused(&sum, Moment::End).contains("nested too deeply"));
        let brackets = "(".repeat(MOST_CHARS / 2 - 1) + "1" + &")".repeat(MOST_CHARS / 2 - 1);
        assert_ne!(refused(&brackets, Moment::End), "nothing");
        let chain = format!("request{}", ".a".repeat(MOST_CHARS / 2 - 5));
        assert!(refused(&chain, Moment::End).contains("nested too deeply"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,60}") {
            let _read = compile(&text, Moment::End);
        }

        #[test]
        fn no_mixture_of_words_panics(words in prop::collection::vec(prop::sample::select(vec![
            "request", ".", "headers", "[", "]", "(", ")", "'a'", "\"", "\\", "1", "1u", "1.5", "-", "+", "==", "&&", "?",
            ":", "has", "map", "exists", ",", "x", "{", "}", "in", "!", "%", "/", "b'", "é", "\n", "size", "matches", "null",
        ]), 0..14)) {
            let _read = compile(&words.concat(), Moment::End);
        }
    }
}
