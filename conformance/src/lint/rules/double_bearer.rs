//! L11: `Bearer` twice.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Auth, Hit, Rule, Set, Severity};

pub(super) const RULE: Rule = Rule {
    id: "L11",
    severity: Severity::Error,
    title: "the key is sent with `Bearer` twice",
    why: "Only of the data key `Authorization` a leading `Bearer ` is taken off. From a key that `secretRef.key` \
          names the value is sent as it is, behind another `Bearer `, and the provider answers 401.",
    mend: "stringData: {apiKey: sk-…}  # without `Bearer `, or in the data key Authorization",
    bad: "
kind: Secret
metadata: {name: openai}
stringData: {apiKey: Bearer canary-key}
---
kind: AgentgatewayBackend
metadata: {name: openai}
spec:
  ai: {provider: {openai: {}}}
  policies: {auth: {secretRef: {name: openai, key: apiKey}}}
",
    good: "
kind: Secret
metadata: {name: openai}
stringData: {Authorization: Bearer canary-key}
---
kind: AgentgatewayBackend
metadata: {name: openai}
spec:
  ai: {provider: {openai: {}}}
  policies: {auth: {secretRef: {name: openai}}}
",
    check,
};

fn check(set: &Set<'_>) -> Vec<Hit> {
    set.auths().filter_map(|auth| hit(set, &auth)).collect()
}

fn hit(set: &Set<'_>, auth: &Auth<'_>) -> Option<Hit> {
    let reference = auth.secret()?;
    let key = reference.node.entry("key")?;
    let name = key.value.text().filter(|name| *name != "Authorization")?;
    let secret = set.find(&reference)?;
    let plain = || entry(&secret.root, "stringData", name).map(str::to_owned);
    let value = plain().or_else(|| decoded(entry(&secret.root, "data", name)?))?;
    let scheme = value.trim_start().get(..7)?;
    scheme.eq_ignore_ascii_case("bearer ").then(|| {
        Hit::new(key.mark(), format!("the value of data key `{name}` of Secret {} begins with `Bearer `", secret.id()))
    })
}

fn entry<'n>(secret: &'n super::Node, map: &str, key: &str) -> Option<&'n str> {
    secret.get(map)?.entries().iter().find(|entry| entry.key == key)?.value.text()
}

fn decoded(value: &str) -> Option<String> {
    let squeezed: String = value.split_whitespace().collect();
    String::from_utf8(STANDARD.decode(squeezed).ok()?).ok()
}
