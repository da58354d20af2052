//! Requests and answers as text, for those who want to see what happened. Owns what is cut; credentials are not even
//! written, and other secrets are masked with the whole outcome.

use mock_providers::credentials::is_credential_header;

use super::answer::{Answer, cut};
use super::ask::Key;

/// Of each body.
const SENT: usize = 1200;
const RECEIVED: usize = 3000;
/// Headers of each answer.
const HEADERS: usize = 64;
/// Exchanges of one check.
const MOST: usize = 4;

/// The exchanges, the first ones of many.
pub(super) fn of<'a>(answers: impl Iterator<Item = &'a Answer>) -> Vec<String> {
    answers.take(MOST).map(one).collect()
}

fn one(answer: &Answer) -> String {
    let request = &answer.request;
    let mut text = format!("> {} {}\n", request.method, request.path);
    if request.key == Key::Wrong {
        text.push_str("> authorization: a key that nobody has\n");
    }
    if let Some(body) = &request.body {
        text.push_str(&format!("> {}\n", cut(body, SENT)));
    }
    match &answer.head {
        None => text.push_str(&format!("= {}", answer.end)),
        Some(head) => {
            text.push_str(&format!("< {}\n", head.start));
            for (name, value) in head.headers.iter().take(HEADERS) {
                let secret = is_credential_header(name) || name.eq_ignore_ascii_case("set-cookie");
                text.push_str(&format!("< {name}: {}\n", if secret { "***".to_owned() } else { cut(value, 200) }));
            }
            if let Some(more) = head.headers.len().checked_sub(HEADERS).filter(|more| *more > 0) {
                text.push_str(&format!("< … {more} more headers\n"));
            }
            let body = String::from_utf8_lossy(&answer.body[..answer.body.len().min(4 * RECEIVED)]);
            for line in cut(&body, RECEIVED).lines().filter(|line| !line.is_empty()) {
                text.push_str(&format!("< {line}\n"));
            }
            text.push_str(&format!("= {} after {} ms", answer.end, answer.took.as_millis()));
        }
    }
    text
}
