//! Choosing under contention.

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::request::Head;
use crate::script::{Clock, Determinism};

#[test]
fn the_nth_of_equal_requests_gets_the_nth_step_and_fault_whichever_thread_brings_it() {
    let provider = json!({
        "sequence": {"steps": [{"respond": {"text": "1"}}, {"respond": {"text": "2"}}, {"respond": {"text": "0"}}],
            "on_exhausted": "cycle"},
        "faults": [{"every": 5, "status": 503}, {"probability": 0.5, "status": 429}],
    });
    let provider: Provider = serde_json::from_value(provider).expect("a well-formed script");
    let states = Arc::new(States::default());
    let live = Live::new(provider, &states);
    let dice = Dice::new("a", 1, Determinism::PerRequest, Clock::default());
    let choose = || {
        let head = Head::default();
        let request = Request::new(&head, b"{}");
        let chosen = live.select(&dice, &request, b"{}", true, None);
        let Draws { occurrence, roll, .. } = chosen.account.draws;
        let step = chosen.respond.text.clone().expect("each step has a text");
        assert_eq!(step, (occurrence % 3).to_string());
        let expected = if occurrence % 5 == 0 { Some(503) } else { roll.filter(|roll| *roll < 0.5).map(|_| 429) };
        assert_eq!(chosen.fault.and_then(|fault| fault.status), expected, "of occurrence {occurrence}");
    };
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..3000).for_each(|_| choose()));
        }
    });
}
