//! Where the short references of scenarios lead: anchors to standards, evidence to public reports.
//! Owns the spelling of links only; what has no address known here has none.

/// The address of an anchor such as `rfc9110#15.6.4`.
pub fn anchor(reference: &str) -> Option<String> {
    let (document, section) = reference.split_once('#').unwrap_or((reference, ""));
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let numbered = section.chars().all(|c| c.is_ascii_digit() || c == '.');
    if let Some(number) = document.strip_prefix("rfc").filter(|number| digits(number) && numbered) {
        let section = if section.is_empty() { String::new() } else { format!("#section-{section}") };
        return Some(format!("https://www.rfc-editor.org/rfc/rfc{number}{section}"));
    }
    match document {
        "html" => Some(format!("https://html.spec.whatwg.org/multipage/server-sent-events.html#{section}")),
        "w3c-trace-context" => Some("https://www.w3.org/TR/trace-context/".to_owned()),
        _ => is_web(reference).then(|| reference.to_owned()),
    }
}

/// The address of evidence such as `agentgateway/agentgateway#1087`.
pub fn evidence(reference: &str) -> Option<String> {
    if is_web(reference) {
        return Some(reference.to_owned());
    }
    let word = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let (repository, number) = reference.split_once('#')?;
    let (owner, name) = repository.split_once('/')?;
    let fits = word(owner) && word(name) && number.parse::<u64>().is_ok();
    fits.then(|| format!("https://github.com/{repository}/issues/{number}"))
}

/// An address that a browser opens; nothing that it would run.
fn is_web(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_lead_somewhere_or_nowhere() {
        assert_eq!(anchor("rfc9110#15.6.4").as_deref(), Some("https://www.rfc-editor.org/rfc/rfc9110#section-15.6.4"));
        assert_eq!(anchor("openai#chat/create"), None);
        assert_eq!(evidence("a/b#7").as_deref(), Some("https://github.com/a/b/issues/7"));
        assert_eq!(evidence("a mail of last year"), None);
        assert_eq!((evidence("javascript://x"), anchor("javascript://x"), evidence("a/b/c#1")), (None, None, None));
    }
}
