//! Paths: one form in which they are matched and forwarded, and how filters change them.
//! Equivalent spellings become one (RFC 3986 section 6.2.2: unreserved characters plain, hex digits upper case).
//! Dot segments and broken escapes are refused, also in hiding. What only some servers take for another path (`%2F`,
//! `\`, `//`, `;parameters`) is told as a second reading; who matches compares both.

use http::Uri;

use crate::snapshot::{PathEdit, PathMatch};

/// How a path is read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The form to match and forward, where it is not the one that came.
    pub normal: Option<String>,
    /// What a lenient server would make of it, where that is another path.
    pub lenient: Option<String>,
}

/// Why a path is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// `%` without two hex digits.
    #[error("a `%` in a path is followed by two hex digits; write a plain one as `%25`")]
    Escape,
    /// A control or a character that must be escaped.
    #[error("control characters do not belong into a path, and what is not ASCII is percent-encoded")]
    Character,
    /// `.` or `..`, also escaped or with parameters.
    #[error("a path with dot segments is refused; send the path that they lead to")]
    DotSegment,
}

/// Reads a path.
///
/// # Errors
/// When it could lead elsewhere than it says.
pub fn read(path: &str) -> Result<Reading, PathError> {
    if !is_odd(path) {
        return Ok(Reading::default());
    }
    let normal = normal(path)?;
    let lenient = lenient(&normal);
    if lenient.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(PathError::DotSegment);
    }
    Ok(Reading {
        lenient: Some(lenient).filter(|lenient| *lenient != normal),
        normal: Some(normal).filter(|normal| normal != path),
    })
}

/// Whether a path has one reading, in which it stands already.
#[must_use]
pub fn is_plain(path: &str) -> bool {
    read(path) == Ok(Reading::default())
}

/// Whether a path needs more than a look.
fn is_odd(path: &str) -> bool {
    let mut before = 0;
    path.bytes().any(|byte| {
        let odd = match byte {
            b'%' | b'\\' | b';' => true,
            b'/' | b'.' => before == b'/',
            byte => !byte.is_ascii_graphic(),
        };
        before = byte;
        odd
    })
}

fn normal(path: &str) -> Result<String, PathError> {
    let mut normal = String::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            if !byte.is_ascii_graphic() {
                return Err(PathError::Character);
            }
            normal.push(char::from(byte));
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let value = match (digit(), digit()) {
            (Some(high), Some(low)) => (high * 16 + low) as u8,
            _ => return Err(PathError::Escape),
        };
        match value {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => normal.push(char::from(value)),
            value if value.is_ascii_control() => return Err(PathError::Character),
            value => normal.push_str(&format!("%{value:02X}")),
        }
    }
    Ok(normal)
}

/// Every separator a slash, of several slashes one, no parameters of segments.
fn lenient(normal: &str) -> String {
    let plain = normal.replace("%2F", "/").replace("%5C", "/").replace('\\', "/").replace("%3B", ";");
    let mut lenient = String::with_capacity(plain.len());
    for (index, segment) in plain.split('/').enumerate() {
        if index > 0 && !lenient.ends_with('/') {
            lenient.push('/');
        }
        lenient.push_str(segment.split(';').next().unwrap_or_default());
    }
    lenient
}

/// The same request with another path, which [`read`] made: its characters are those of a URI.
pub fn replace(uri: &mut Uri, path: &str) {
    let mut parts = uri.clone().into_parts();
    let query = parts.path_and_query.as_ref().and_then(|whole| whole.query());
    let whole = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    parts.path_and_query = whole.parse().ok();
    if let Ok(changed) = Uri::from_parts(parts) {
        *uri = changed;
    }
}

/// What a filter makes of a path that matched.
#[must_use]
pub fn edited(path: &str, matched: &PathMatch, edit: &PathEdit) -> String {
    match (edit, matched) {
        (PathEdit::Full(full), _) => full.to_string(),
        (PathEdit::Prefix(new), PathMatch::Prefix(old)) => {
            let rest = path.strip_prefix(&**old).unwrap_or(path);
            match (new.trim_end_matches('/'), rest) {
                ("", "") => "/".into(),
                (new, rest) => format!("{new}{rest}"),
            }
        }
        (PathEdit::Prefix(_), _) => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reading(path: &str) -> (String, String) {
        let Reading { normal, lenient } = read(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let normal = normal.unwrap_or_else(|| path.to_owned());
        (normal.clone(), lenient.unwrap_or(normal))
    }

    #[test]
    fn equal_spellings_become_one() {
        for (path, normal) in [
            ("/v1/chat/completions", "/v1/chat/completions"),
            ("/%76%31/%7Euser", "/v1/~user"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/a%20b", "/a%20b"),
            ("/a/...", "/a/..."),
            ("/.well-known/x", "/.well-known/x"),
        ] {
            assert_eq!(reading(path), (normal.to_owned(), normal.to_owned()), "{path}");
        }
    }

    #[test]
    fn what_some_servers_take_for_another_path_has_two_readings() {
        for (path, normal, lenient) in [
            ("/internal%2fv1", "/internal%2Fv1", "/internal/v1"),
            ("/internal\\v1", "/internal\\v1", "/internal/v1"),
            ("//internal///v1/", "//internal///v1/", "/internal/v1/"),
            ("/internal;x=y/v1%3bz", "/internal;x=y/v1%3Bz", "/internal/v1"),
            ("/models/org%2Fname", "/models/org%2Fname", "/models/org/name"),
        ] {
            assert_eq!(reading(path), (normal.to_owned(), lenient.to_owned()), "{path}");
        }
    }

    #[test]
    fn what_leads_elsewhere_is_refused() {
        use PathError::{Character, DotSegment, Escape};
        for (path, why) in [
            ("/a/../b", DotSegment),
            ("/a/.", DotSegment),
            ("/a/%2e%2E/b", DotSegment),
            ("/a/..%2fb", DotSegment),
            ("/a\\..\\b", DotSegment),
            ("/a/..;x/b", DotSegment),
            ("/a%00", Character),
            ("/a%0d%0ax: y", Character),
            ("/a%7f", Character),
            ("/é", Character),
            ("/a%", Escape),
            ("/a%2", Escape),
            ("/a%zz", Escape),
        ] {
            assert_eq!(read(path), Err(why), "{path}");
        }
    }

    #[test]
    fn a_prefix_is_replaced_by_whole_segments() {
        // the table of HTTPPathModifier in the Gateway API; prefixes are kept without their trailing slash
        for (path, old, new, expected) in [
            ("/foo/bar", "/foo", "/xyz", "/xyz/bar"),
            ("/foo/bar", "/foo", "/xyz/", "/xyz/bar"),
            ("/foo", "/foo", "/xyz", "/xyz"),
            ("/foo/", "/foo", "/xyz", "/xyz/"),
            ("/foo/bar", "/foo", "", "/bar"),
            ("/foo/", "/foo", "", "/"),
            ("/foo", "/foo", "", "/"),
            ("/foo/", "/foo", "/", "/"),
            ("/foo", "/foo", "/", "/"),
            ("/bar", "", "/xyz", "/xyz/bar"),
        ] {
            let edit = PathEdit::Prefix(new.into());
            assert_eq!(edited(path, &PathMatch::Prefix(old.into()), &edit), expected, "{path} {old} {new}");
        }
    }

    proptest! {
        #[test]
        fn a_path_that_is_read_stays_as_it_is_when_read_again(path in "/(/|%2f|%2e|\\.|;|\\\\|%41|%e9|[a-c]){0,12}") {
            if let Ok(Reading { normal, lenient }) = read(&path) {
                let normal = normal.unwrap_or(path);
                prop_assert_eq!(read(&normal), Ok(Reading { normal: None, lenient: lenient.clone() }));
                let plain = lenient.unwrap_or(normal);
                prop_assert!(!plain.split('/').any(|segment| segment == "." || segment == ".."), "{}", plain);
                prop_assert!(is_plain(&plain), "{}", plain);
            }
        }

        #[test]
        fn no_text_is_too_odd_to_be_read_or_refused(path in ".*") {
            let _read = read(&path);
        }
    }
}
