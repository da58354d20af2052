//! A look at a stream event that says no more than that the text goes on, as nearly all do: whether it is one is known
//! without reading it. Whatever could mean more is left to [`super::read_event`].

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// Names of members that mean something wherever they stand, and the start of an escape that could hide one.
static TELLING: LazyLock<[Finder<'static>; 4]> =
    LazyLock::new(|| [r#""error""#, r#""type""#, r#""response""#, r"\u"].map(Finder::new));
/// Names of members that mean something unless they are null.
static NULLABLE: LazyLock<[Finder<'static>; 2]> =
    LazyLock::new(|| [r#""usage""#, r#""finish_reason""#].map(Finder::new));

/// Of an event of a stream whose model is known and that has committed: whether it has a `usage`, which is null; `None`
/// where it has to be read. A quote inside of a text is escaped, so a name in quotes is a name, or a whole text.
#[must_use]
pub fn glance(data: &[u8]) -> Option<bool> {
    if !data.starts_with(b"{") || TELLING.iter().any(|name| name.find(data).is_some()) {
        return None;
    }
    let mut null_usage = false;
    for (at, name) in NULLABLE.iter().enumerate() {
        let mut rest = data;
        while let Some(found) = name.find(rest) {
            rest = rest[found + name.needle().len()..].trim_ascii_start().strip_prefix(b":")?;
            rest = rest.trim_ascii_start().strip_prefix(b"null")?;
            null_usage |= at == 0;
        }
    }
    Some(null_usage)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::usage::{Seen, read_event};

    #[test]
    fn usual_events_need_no_reading_and_telling_ones_do() {
        let delta = |rest: &str| format!(r#"{{"model":"m","choices":[{{"delta":{{"content":"a"}}{rest}}}]}}"#);
        assert_eq!(glance(delta("").as_bytes()), Some(false));
        assert_eq!(glance(delta(r#","finish_reason":null"#).as_bytes()), Some(false));
        assert_eq!(glance(delta(r#","usage" : null"#).as_bytes()), Some(true));
        for telling in [r#","finish_reason":"stop""#, r#","error":{}"#, r#","usage":{}"#, r#","x":"\u0061""#] {
            assert_eq!(glance(delta(telling).as_bytes()), None, "{telling}");
        }
        assert_eq!(glance(b"[DONE]"), None);
    }

    proptest! {
        #[test]
        fn what_needs_no_reading_would_have_said_nothing(
            parts in prop::collection::vec(prop::sample::select(vec![
                r#""choices":[]"#, r#""choices":[{"delta":{"content":"\"error\""}}]"#, r#""usage":null"#,
                r#""usage":{"prompt_tokens":1}"#, r#""error":{}"#, r#""error":null"#, r#""type":"message_stop""#,
                r#""type":"x""#, r#""choices":[{"finish_reason":"stop"}]"#, r#""choices":[{"finish_reason": null}]"#,
                r#""response":{"usage":{"input_tokens":2}}"#, r#""x":"finish_reason""#, r#""m":"\"usage\":1""#, "x",
                r#""finish\u005freason":1"#,
            ]), 0..4),
        ) {
            let data = format!("{{{}}}", parts.join(","));
            if let Some(null_usage) = glance(data.as_bytes()) {
                let Seen { commits: _, model: _, usage_null, ref usage, done, finished, error, usage_only } =
                    read_event(data.as_bytes());
                prop_assert_eq!((done, finished, error, usage_only, usage), (false, false, false, false, &None), "{}", data);
                // an event that names a member twice is not understood
                let mut names: Vec<_> = parts.iter().filter_map(|part| part.split(':').next()).collect();
                names.sort_unstable();
                let understood = names.windows(2).all(|two| two[0] != two[1]) && !names.contains(&"x");
                prop_assert!(usage_null == null_usage || !understood, "{}", data);
            }
        }
    }
}
