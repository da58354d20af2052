use mock_providers::{RequestHead, Usage};

use super::*;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn frame() -> Frame {
    let record = |provider: &str, seq, at| RequestRecord {
        seq,
        provider: provider.into(),
        received_at: millis(at),
        rule: "default".into(),
        model: Some("gpt-4o-mini".to_owned()),
        ..RequestRecord::default()
    };
    let served = RequestRecord {
        status: Some(200),
        head_at: Some(millis(1_003)),
        events: vec![(millis(1_003), 100), (millis(1_250), 900)].into(),
        usage: Some(Usage { prompt_tokens: 12, completion_tokens: 90, ..Usage::default() }),
        end: End::Complete,
        ..record("openai", 7, 1_000)
    };
    let failed = RequestRecord {
        status: Some(503),
        head_at: Some(millis(2_000)),
        rule: "flaky-then-fine-and-more".into(),
        fault: Some("status".to_owned()),
        model: Some("\x1b[2Jevil".to_owned()),
        end: End::Complete,
        ..record("azure", 1, 1_999)
    };
    let tally = |received, in_flight, statuses: &[(Option<u16>, u64)]| Tally {
        received,
        in_flight,
        statuses: statuses.iter().copied().collect(),
    };
    let row = |name: &str, port: u16, rate, tally| Row {
        name: name.to_owned(),
        url: format!("http://127.0.0.1:{port}"),
        rate,
        tally,
    };
    Frame {
        version: 3,
        up: Duration::from_secs(65),
        admin: Some(SocketAddr::from(([127, 0, 0, 1], 8091))),
        paused: false,
        saturated: true,
        providers: vec![
            row("azure", 8092, 0.0, tally(1, 0, &[(Some(503), 1)])),
            row("openai", 8090, 12.34, tally(8, 1, &[(Some(200), 6), (None, 1)])),
        ],
        states: [("outage".to_owned(), "down".to_owned())].into(),
        exchanges: vec![record("openai", 8, 2_500), failed, served],
        notice: "configuration 3 taken".to_owned(),
    }
}

#[test]
fn a_frame_shows_providers_states_and_the_last_exchanges() {
    insta::assert_snapshot!(frame().render(170, 14));
}

#[test]
fn a_small_terminal_gets_what_fits_and_nothing_can_steer_it() {
    let text = frame().render(40, 6);
    assert_eq!(text.lines().count(), 6);
    assert!(text.lines().all(|line| line.chars().count() <= 40), "{text}");
    assert!(!frame().render(170, 14).contains('\x1b'));
}

#[test]
fn nothing_that_callers_send_as_a_secret_is_drawn() {
    let headers = [("authorization", "Bearer canary-a"), ("x-api-key", "canary-b"), ("cookie", "sid=canary-c")];
    let secret = RequestRecord {
        head: RequestHead::new("POST", "/v1/chat/completions?api-key=canary-d", headers.into_iter()),
        body: "canary-e".into(),
        session: Some("canary-f".to_owned()),
        ..RequestRecord::default()
    };
    let text = Frame { exchanges: vec![secret], ..frame() }.render(400, 40);
    assert!(text.contains("/v1/chat/completions") && !text.contains("canary"), "{text}");
}
