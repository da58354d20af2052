//! What backends say, in reports and on terminals: it does nothing there, breaks out of nothing, and brings no key along.

use std::net::SocketAddr;

use conformance::mask::Masks;
use conformance::render::Style;
use conformance::validate::Setting;
use conformance::validate::check::Level;
use conformance::validate::deviation::Expected;
use conformance::validate::outcome::Outcome;
use conformance::validate::report::{Kind, text};
use conformance::validate::survey::Wishes;
use conformance::validate::through::changes;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::hostile::{Script, Then, patience, serve, whole};
use crate::support::{KEY, validate_with};

/// What does something to a terminal, to Markdown or to XML.
const NASTY: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{202e}\r\n| pass | `x` | <b>&\u{fffe}\u{0}";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_backend_says_does_nothing_to_terminals_and_breaks_out_of_no_report() {
    let error = json!({"error": {"message": NASTY, "type": NASTY, "param": null, "code": NASTY}}).to_string();
    let models = json!({"object": "list", "data": [{"id": NASTY, "object": "model", "created": 1, "owned_by": NASTY}]});
    // Every answer is the list of models and an error in one, and its head is no better.
    let body = format!("{},{}", models.to_string().trim_end_matches('}'), error.trim_start_matches('{'));
    let head = "418 \u{1b}[2J\r\ncontent-type: application/json\u{1b}[31m\r\nserver: \u{1b}]0;owned\u{7}\u{9b}1m";
    let address = serve(Script { once: whole(head, &body), forever: Vec::new(), then: Then::Close }).await;
    let nobody = Setting { wishes: Wishes::default(), ..patience() };
    let mut outcome = validate_with(address, &nobody).await;
    outcome.settle(&Expected::default(), Level::Required);
    assert!(outcome.model.starts_with("\\u{1b}]0;owned"), "{:?}", outcome.model);
    let harmless = |c: char| c == '\n' || !(c.is_control() || c == '\u{202e}');
    let table = text::text(&outcome, Style::default());
    let mut texts = vec![table, changes_text(&outcome)];
    texts.extend([Kind::Json, Kind::Junit, Kind::Html, Kind::Markdown].map(|kind| kind.text(&outcome)));
    for text in &texts {
        let bad: Vec<char> = text.chars().filter(|c| !harmless(*c)).collect();
        assert_eq!(bad, [' '; 0], "{text}");
        assert!(!text.lines().any(|line| line.starts_with("| pass |")), "{text}");
    }
    let [.., junit, page, markdown] = &texts[..] else { panic!("six texts") };
    assert!(!junit.contains('\u{fffe}') && !junit.contains("<b>") && !page.contains("<b>"));
    let rows = markdown.lines().filter(|line| line.starts_with("| ")).count();
    assert_eq!(rows, outcome.checks.len() + 1, "one row for each check, and the head");
    for row in markdown.lines().filter(|line| line.starts_with("| ")) {
        assert_eq!(row.replace("\\|", "").matches('|').count(), 5, "four cells: {row}");
    }
}

fn changes_text(outcome: &Outcome) -> String {
    let mut other = outcome.clone();
    other.checks.iter_mut().flat_map(|check| &mut check.observation).for_each(Vec::clear);
    text::changes(&other, outcome, &changes(&other, outcome), Style::default())
}

/// Answers everything with what it was sent, as an error.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = vec![0; 64 * 1024];
                let size = stream.read(&mut buffer).await.unwrap_or(0);
                let asked = String::from_utf8_lossy(&buffer[..size]).into_owned();
                let key = asked.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap_or("none");
                let error = json!({"error": {"message": asked, "type": key, "param": null, "code": key}});
                let head = format!("400 {key}\r\ncontent-type: application/json\r\nx-echo: {key}\r\nserver: {key}");
                let _ = stream.write_all(&whole(&head, &error.to_string())).await;
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_repeats_the_key_everywhere_brings_it_into_no_report() {
    let mut outcome = validate_with(echo().await, &patience()).await;
    outcome.settle(&Expected::default(), Level::Required);
    outcome.hide(&Masks::new([(KEY.to_owned(), "[secret]".to_owned())]));
    let mut texts = [Kind::Json, Kind::Junit, Kind::Html, Kind::Markdown].map(|kind| kind.text(&outcome)).to_vec();
    texts.extend([text::text(&outcome, Style::default()), changes_text(&outcome), format!("{outcome:?}")]);
    for text in texts {
        assert!(text.contains("secret") && !text.contains(KEY), "{text}");
    }
}
