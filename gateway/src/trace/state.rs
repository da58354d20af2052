//! W3C trace context, section 3.3: the caller's `tracestate`, combined, checked and kept short, its order unchanged.
//! Adds no member of the gateway's own, and does not know whether the trace continues.

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue};

use crate::headers::TRACESTATE;

/// Characters that everyone has to carry on; what is beyond them is left out.
const MOST: usize = 512;
/// Most members; a longer list counts as none.
const MEMBERS: usize = 32;
/// Where something has to be left out, longer members go first.
const LARGE: usize = 128;

/// The state that goes on: as it came, where one line needs no change; `None` where there is none or it is invalid.
#[must_use]
pub fn carried(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    let mut lines = headers.get_all(TRACESTATE).iter();
    let mut text = Cow::Borrowed(lines.next()?.to_str().ok()?);
    for line in lines {
        text = Cow::Owned(format!("{text},{}", line.to_str().ok()?));
    }
    let mut members = Vec::new();
    for member in text.split(',').map(|member| member.trim_matches([' ', '\t'])).filter(|member| !member.is_empty()) {
        if members.len() == MEMBERS || !is_member(member) {
            return None;
        }
        members.push(member);
    }
    if members.is_empty() {
        return None;
    }
    if matches!(text, Cow::Borrowed(line) if line.len() <= MOST) {
        return Some(text);
    }
    shorten(&mut members);
    (!members.is_empty()).then(|| Cow::Owned(members.join(",")))
}

/// Makes the headers of a request for the provider say what goes on.
pub fn carry(to: &mut HeaderMap) {
    if !to.contains_key(TRACESTATE) {
        return;
    }
    let kept = match carried(to) {
        Some(Cow::Borrowed(_)) => return,
        Some(Cow::Owned(text)) => HeaderValue::try_from(text).ok(),
        None => None,
    };
    match kept {
        Some(value) => drop(to.insert(TRACESTATE, value)),
        None => drop(to.remove(TRACESTATE)),
    }
}

/// Leaves out whole members until the rest fits: large ones first, then from the end.
fn shorten(members: &mut Vec<&str>) {
    let length = |members: &[&str]| members.iter().map(|member| member.len() + 1).sum::<usize>().saturating_sub(1);
    while length(members) > MOST {
        let large = members.iter().rposition(|member| member.len() > LARGE);
        members.remove(large.unwrap_or(members.len() - 1));
    }
}

fn is_member(member: &str) -> bool {
    let value_of = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'=';
    member
        .split_once('=')
        .is_some_and(|(key, value)| is_key(key) && (1..=256).contains(&value.len()) && value.bytes().all(value_of))
}

/// `vendor`, or `tenant@vendor`.
fn is_key(key: &str) -> bool {
    let letter = |byte: &u8| byte.is_ascii_lowercase();
    let part = |text: &str, longest: usize, first: &dyn Fn(&u8) -> bool| {
        let all = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/".contains(&byte);
        text.as_bytes().first().is_some_and(first) && text.len() <= longest && text.bytes().all(all)
    };
    match key.split_once('@') {
        None => part(key, 256, &letter),
        Some((tenant, vendor)) => {
            part(tenant, 241, &|byte| letter(byte) || byte.is_ascii_digit()) && part(vendor, 14, &letter)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried_of(lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(TRACESTATE, line.parse().unwrap());
        }
        let told = carried(&headers).map(Cow::into_owned);
        carry(&mut headers);
        let sent: Vec<_> = headers.get_all(TRACESTATE).iter().map(|value| value.to_str().unwrap().to_owned()).collect();
        assert_eq!(sent, told.iter().cloned().collect::<Vec<_>>(), "what is sent is what is told");
        told
    }

    #[test]
    fn one_line_goes_on_as_it_came_and_several_become_one_in_their_order() {
        let one = "rojo=00f067aa0ba902b7 \t,\tcongo=t61rcWkgMzE,, 0tenant@vendor=a b";
        assert_eq!(carried_of(&[one]).as_deref(), Some(one));
        assert_eq!(carried_of(&["b=2,a=1", "", "c=3"]).as_deref(), Some("b=2,a=1,c=3"));
        assert_eq!(carried_of(&[]), None);
    }

    #[test]
    fn one_member_that_is_invalid_ends_the_whole_state() {
        let (key, value) = ("k".repeat(257), "v".repeat(257));
        let (long_key, long_value) = (format!("{key}=1"), format!("a={value}"));
        for bad in [
            "a",
            "a=",
            "=1",
            "A=1",
            "a.b=1",
            "a =1",
            "a=b=c",
            "a@=1",
            "@a=1",
            "a@b@c=1",
            "1a=1",
            &long_key,
            &long_value,
            "",
            " , ",
        ] {
            assert_eq!(carried_of(&[bad]), None, "{bad}");
            let with_good = carried_of(&["good=1", bad]);
            assert_eq!(with_good.is_some(), bad.trim_matches([' ', ',']).is_empty(), "{bad}");
        }
        assert!(carried_of(&[&long_key[1..], &long_value[..200]]).is_some());
    }

    #[test]
    fn what_is_too_much_is_left_out_in_whole_members_large_ones_first() {
        let many: Vec<_> = (0..33).map(|n| format!("k{n}=1")).collect();
        assert!(carried_of(&[&many[..32].join(",")]).is_some());
        assert_eq!(carried_of(&[&many.join(",")]), None);
        let (large, small) = (format!("big={}", "x".repeat(200)), "y".repeat(90));
        let small: Vec<_> = (0..5).map(|n| format!("s{n}={small}")).collect();
        let line = format!("{},{large},{}", small[0], small[1..].join(","));
        assert_eq!(carried_of(&[&line]), Some(small.join(",")), "the large one was enough");
        let line = format!("{},last={}", small.join(","), "z".repeat(60));
        assert_eq!(carried_of(&[&line]), Some(small.join(",")), "then the last one");
    }
}
